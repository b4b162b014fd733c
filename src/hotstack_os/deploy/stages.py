"""The long way to a cloud in named stages, timed, for whoever shows them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol


class Reporter(Protocol):
    """Shows what goes on; all methods may be called from several threads."""

    def begin(self, stage: str) -> None:
        """A stage began."""

    def end(self, stage: str, seconds: float, *, failed: bool) -> None:
        """A stage ended."""

    def say(self, line: str) -> None:
        """Something within a stage."""

    def fail(self, text: str) -> None:
        """Something within a stage failed; it stays to be read, whatever comes after it."""


@dataclass
class Stages:
    """Times of stages, in seconds, in the order in which they ended."""

    reporter: Reporter
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """A stage lasts as long as its block."""
        started = time.monotonic()
        self.reporter.begin(name)
        failed = True
        try:
            yield
            failed = False
        finally:
            self.seconds[name] = round(time.monotonic() - started, 2)
            self.reporter.end(name, self.seconds[name], failed=failed)
