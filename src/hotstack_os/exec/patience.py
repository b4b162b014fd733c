"""Whoever waits does it with patience: after five seconds it is told what for, and an interruption ends it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import suppress

from hotstack_os import interrupt

SLICE = 0.2
"""Seconds after which one that waits looks up."""
FIRST, AGAIN = 5.0, 60.0
"""Seconds of waiting, and of silence, after which it is told; and told again."""


class _Told:
    """One voice for all threads: who has seen something happen need not hear that others wait."""

    last = 0.0
    say: Callable[[str], None] | None = None


class _Factor:
    """How much slower than others the machine is, as the settings say."""

    value = 1.0


def stretch(factor: float) -> None:
    """Let everything take so many times as long, from here on."""
    _Factor.value = factor


def stretched(seconds: float) -> float:
    """A time after which one gives up, as it is for this machine."""
    return seconds * _Factor.value


def heard() -> None:
    """Note that a person has just read something: there is no need to tell of waits for a while."""
    _Told.last = time.monotonic()


def tell_through(say: Callable[[str], None] | None) -> None:
    """Have waits told as everything else on the way; None: as lines on standard error."""
    _Told.say = say


class Patience:
    """One wait, for `what`: a clause such as "node lab to start the unit x"; for at most `seconds`, stretched."""

    def __init__(self, what: str, seconds: float) -> None:
        self._what = what
        self._since = time.monotonic()
        self._until = self._since + stretched(seconds)
        self._tell_at = self._since + FIRST

    @property
    def over(self) -> bool:
        """Whether the time is up."""
        return time.monotonic() >= self._until

    def slice(self, longest: float = SLICE) -> float:
        """How long to wait before the next look; KeyboardInterrupt where the program shall end."""
        interrupt.check()
        now = time.monotonic()
        if now >= self._tell_at and now >= _Told.last + FIRST:
            self._tell_at = now + AGAIN
            _tell(f"waiting for {self._what} ({now - self._since:.0f} s)")
        return max(0.0, min(longest, self._until - now))


def _tell(line: str) -> None:
    heard()
    if _Told.say:
        _Told.say(line)
        return
    with suppress(OSError, ValueError):  # standard error may be closed: then nobody wants to know
        print(f"hotstack-os: {line}", file=sys.stderr, flush=True)  # noqa: T201 (the one word of this room)
