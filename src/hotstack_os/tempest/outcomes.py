"""What came of tests, and whether that is enough. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Status = Literal["passed", "failed", "skipped", "missing"]
_STATUS: Mapping[str, Status] = {"success": "passed", "xfail": "passed", "skip": "skipped"}
"""subunit's words; every other one (fail, uxsuccess, inprogress, unknown) is a failure."""
_CLASS = ("setUpClass (", "tearDownClass (", "setUpModule (")


@dataclass(frozen=True)
class Outcome:
    """What came of one test.

    Attributes:
        test: its id without attributes: tempest.api.identity.v3.test_tokens.TokensV3Test.test_create_token. What a
            class as a whole does is called as unittest calls it: "setUpClass (tempest.….TokensV3Test)".
        seconds: how long it took.
        why: the reason of a skip or the traceback of a failure; empty for what passed.
        log: what Tempest logged meanwhile.
        worker: which of stestr's processes ran it.
    """

    test: str
    status: Status
    seconds: float = 0.0
    why: str = ""
    log: str = ""
    worker: str = ""

    @property
    def of_class(self) -> str:
        """The class that a fixture of a class belongs to; empty for a test."""
        return self.test.partition("(")[2].rstrip(")") if self.test.startswith(_CLASS) else ""


@dataclass(frozen=True)
class Verdict:
    """`required`: a line for each test that has to pass, in the order asked for; `others`: what else ran."""

    required: tuple[Outcome, ...]
    others: tuple[Outcome, ...]

    @property
    def bad(self) -> tuple[Outcome, ...]:
        """What keeps the run from being good: required tests that did not pass, and any other failure."""
        failed = (each for each in self.others if each.status == "failed")
        return (*(each for each in self.required if each.status != "passed"), *failed)

    @property
    def good(self) -> bool:
        """Whether something ran and nothing is bad."""
        return not self.bad and any(each.status == "passed" for each in (*self.required, *self.others))

    def count(self, status: Status) -> int:
        """How many ended like that."""
        return sum(each.status == status for each in (*self.required, *self.others))


def plain(test: str) -> str:
    """A test's id without its attributes: "a.b.C.test_x[id-…,smoke]" is "a.b.C.test_x"."""
    return test.partition("[")[0]


def outcome(said: Mapping[str, Any]) -> Outcome:
    """The outcome that a line of files/stream.py tells of."""
    details = dict(said["details"])
    log = details.pop("pythonlogging:''", "")
    status = _STATUS.get(said["status"], "failed")
    why = "" if status == "passed" else "\n".join(text.strip() for text in details.values() if text.strip())
    if status == "failed" and said["status"] != "fail":
        why = f"{said['status']}\n{why}".strip()
    return Outcome(plain(said["test"]), status, said["seconds"], why, log, said["worker"])


def judge(required: Sequence[str], outcomes: Iterable[Outcome]) -> Verdict:
    """Whether every required test ran and passed.

    A required test of which nothing was heard is missing, with the reason of its class where that has one; of several
    outcomes of one test the worst counts.
    """
    worst: dict[str, Outcome] = {}
    rank: Mapping[Status, int] = {"passed": 0, "skipped": 1, "missing": 2, "failed": 3}
    for each in outcomes:
        before = worst.get(each.test)
        if before is None or rank[each.status] > rank[before.status]:
            worst[each.test] = each
    classes = {each.of_class: each for each in worst.values() if each.of_class and each.status != "passed"}
    wanted = tuple(worst.get(test) or _missing(test, classes.get(test.rpartition(".")[0])) for test in required)
    names = set(required)
    return Verdict(wanted, tuple(each for each in worst.values() if each.test not in names))


def _missing(test: str, cause: Outcome | None) -> Outcome:
    if cause is None:
        return Outcome(test, "missing", why="nothing was heard of it")
    return Outcome(test, "skipped" if cause.status == "skipped" else "failed", why=f"{cause.test}: {cause.why}")
