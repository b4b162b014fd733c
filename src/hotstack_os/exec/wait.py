"""The one place that waits: look at a state again and again until it is as wanted or the time is up."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from hotstack_os.errors import HotstackError
from hotstack_os.exec.patience import SLICE, Patience, stretched

T = TypeVar("T")


class WaitedTooLong(HotstackError):
    """The state did not come in time; `found` says what was there at the end."""


def until(
    look: Callable[[], T | None], wanted: str, *, seconds: float, step: float = 0.05, last: Callable[[], str] = str
) -> T:
    """The first answer of `look` that is neither None nor False.

    `look` is called at once and then every `step` seconds; after `seconds` a `WaitedTooLong` says what was `wanted` and
    what `last()` found in its stead. An interruption ends it in any thread.
    """
    patience = Patience(wanted, seconds)
    while True:
        answer = look()
        if answer is not None and answer is not False:
            return answer
        if patience.over:
            raise WaitedTooLong(f"{wanted} within {stretched(seconds):g} s", last() or "nothing of it")
        _sleep(patience, step)


def _sleep(patience: Patience, seconds: float) -> None:
    """In slices, so that it can be ended."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        patience.slice()
        time.sleep(min(SLICE, left))
    patience.slice()
