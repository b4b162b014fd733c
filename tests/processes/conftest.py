"""Tests that start processes or wait for them, and need neither root nor a cloud: too slow for `make check`.

What our programs are started with is the same, whoever starts the tests.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session", autouse=True)
def hearing() -> Iterator[None]:
    """Signals are heard: a shell has its background jobs ignore interrupts, and who is started by one inherits that."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}
    for number in numbers:
        if before[number] is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
