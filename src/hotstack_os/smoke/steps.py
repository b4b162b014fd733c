"""Steps of a scenario: what is done, what it needs, what came of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from typing import Any, Literal

from hotstack_os.errors import HotstackError

Outcome = Literal["passed", "failed", "not run"]
Stage = Callable[[str], AbstractContextManager[None]]
"""Shows a step of this name while its block lasts."""


@dataclass(frozen=True)
class Step:
    """`do` returns what was seen, for people, or raises a `HotstackError`; `needs` are steps that must have passed."""

    name: str
    do: Callable[[], str]
    needs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Verdict:
    """What came of a step; `wanted` and `found` are set where it failed."""

    name: str
    outcome: Outcome
    seconds: float
    seen: str = ""
    wanted: str = ""
    found: str = ""

    def as_json(self) -> dict[str, Any]:
        """The stable form: see docs/JSON.md."""
        return asdict(self)


def carry_out(steps: Iterable[Step], stage: Stage) -> tuple[Verdict, ...]:
    """All steps in their order. A step that fails ends those that need it and no other."""
    verdicts: dict[str, Verdict] = {}
    for step in steps:
        missing = [name for name in step.needs if verdicts[name].outcome != "passed"]
        if missing:
            verdicts[step.name] = Verdict(step.name, "not run", 0.0, f"needs {', '.join(missing)}")
        else:
            verdicts[step.name] = _tried(step, stage)
    return tuple(verdicts.values())


def _tried(step: Step, stage: Stage) -> Verdict:
    started = time.monotonic()
    try:
        with stage(step.name):
            seen = step.do()
    except HotstackError as error:
        return Verdict(step.name, "failed", _since(started), wanted=error.wanted, found=error.found)
    return Verdict(step.name, "passed", _since(started), seen)


def _since(started: float) -> float:
    return round(time.monotonic() - started, 2)


def all_passed(verdicts: Iterable[Verdict]) -> bool:
    """Whether there are verdicts and each is that the step passed."""
    outcomes = {each.outcome for each in verdicts}
    return outcomes == {"passed"}
