from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from hotstack_os.cli.paint import Paint
from hotstack_os.cli.smoke import lines
from hotstack_os.errors import HotstackError
from hotstack_os.smoke.steps import Step, Verdict, all_passed, carry_out


class Shown:
    """The names of stages, with how they ended."""

    def __init__(self) -> None:
        self.stages: list[tuple[str, bool]] = []

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        good = False
        try:
            yield
            good = True
        finally:
            self.stages.append((name, good))


def fails() -> str:
    raise HotstackError("an answer", "silence")


def test_a_step_that_fails_ends_those_that_need_it_and_no_other() -> None:
    shown = Shown()
    steps = [
        Step("first", lambda: "one"),
        Step("second", fails, ("first",)),
        Step("third", lambda: "three", ("first", "second")),
        Step("fourth", lambda: "four", ("first",)),
        Step("fifth", lambda: "five", ("third",)),
    ]
    verdicts = carry_out(steps, shown.stage)
    outcomes = {each.name: (each.outcome, each.seen, each.wanted, each.found) for each in verdicts}
    assert outcomes == {
        "first": ("passed", "one", "", ""),
        "second": ("failed", "", "an answer", "silence"),
        "third": ("not run", "needs second", "", ""),
        "fourth": ("passed", "four", "", ""),
        "fifth": ("not run", "needs third", "", ""),
    }
    assert shown.stages == [("first", True), ("second", False), ("fourth", True)]


def test_what_is_no_failure_of_the_cloud_is_no_verdict() -> None:
    def defect() -> str:
        raise KeyError("outputs")

    with pytest.raises(KeyError):
        carry_out([Step("defect", defect)], Shown().stage)


@pytest.mark.parametrize(
    ("outcomes", "good"),
    [
        ([], False),
        (["passed"], True),
        (["passed", "failed"], False),
        (["passed", "not run"], False),
        (["failed", "not run"], False),
    ],
)
def test_all_passed_needs_every_step(outcomes: list[str], good: bool) -> None:
    verdicts = [Verdict(f"step-{number}", outcome, 1.0) for number, outcome in enumerate(outcomes)]  # type: ignore[arg-type]
    assert all_passed(verdicts) == good


def test_a_failure_is_told_with_what_was_wanted_and_found(capsys: pytest.CaptureFixture[str]) -> None:
    import sys  # noqa: PLC0415

    verdicts = (
        Verdict("ping", "passed", 1.25, "172.31.0.140"),
        Verdict("ssh", "failed", 90.0, "", "a to take the key", "login:\nlast line"),
        Verdict("dns", "not run", 0.0, "needs ssh"),
    )
    assert lines(verdicts, Paint(sys.stdout)) == [
        "STEP  RESULT   SECONDS  SEEN",
        "ping  passed   1.2      172.31.0.140",
        "ssh   failed   90.0",
        "    wanted a to take the key",
        "    found login:",
        "    last line",
        "dns   not run  0.0      needs ssh",
    ]
