"""The one place that waits: look at a state again and again until it is as wanted or the time is up."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from hotstack_os.errors import HotstackError

T = TypeVar("T")


class WaitedTooLong(HotstackError):
    """The state did not come in time; `found` says what was there at the end."""


def until(
    look: Callable[[], T | None], wanted: str, *, seconds: float, step: float = 0.05, last: Callable[[], str] = str
) -> T:
    """The first answer of `look` that is neither None nor False.

    `look` is called at once and then every `step` seconds; after `seconds` a `WaitedTooLong` says what was `wanted` and
    what `last()` found in its stead.
    """
    deadline = time.monotonic() + seconds
    while True:
        answer = look()
        if answer is not None and answer is not False:
            return answer
        if time.monotonic() >= deadline:
            raise WaitedTooLong(f"{wanted} within {seconds:g} s", last() or "nothing of it")
        time.sleep(step)
