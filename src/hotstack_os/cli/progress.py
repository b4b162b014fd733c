"""How long work is shown: a living line on a terminal, plain lines everywhere else. All of it on standard error."""

from __future__ import annotations

import sys
import threading
import time
from contextlib import suppress

from hotstack_os.deploy.stages import Reporter
from hotstack_os.exec import patience


def make_reporter(*, quiet: bool = False) -> Reporter:
    """The reporter that fits where standard error leads to; waits are told through it as well."""
    reporter = Living(quiet=quiet) if sys.stderr.isatty() else Lines(quiet=quiet)
    patience.tell_through(reporter.say)
    return reporter


class Lines:
    """A line for each stage and for each thing done in it."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._lock = threading.Lock()

    def begin(self, stage: str) -> None:
        self._write(f"{stage} …")

    def end(self, stage: str, seconds: float, *, failed: bool) -> None:
        self._write(f"{stage}: {'failed after' if failed else 'done in'} {seconds:.1f} s")

    def say(self, line: str) -> None:
        if not self._quiet:
            self._write(f"  {line}")

    def fail(self, text: str) -> None:
        self._write("\n".join(f"  {line}" for line in text.splitlines()))

    def _write(self, line: str) -> None:
        """Where nobody can hear it (a closed pipe, a full disk) the work goes on all the same."""
        patience.heard()
        with self._lock, suppress(OSError):
            print(line, file=sys.stderr, flush=True)


class Living:
    """A spinner with the stage, its age and what happened last; finished stages stay as lines above it."""

    def __init__(self, *, quiet: bool = False) -> None:
        from rich.console import Console  # noqa: PLC0415 (takes longer to import than many verbs run)

        self._console = Console(stderr=True, highlight=False)
        self._status = self._console.status("")
        self._quiet = quiet
        self._open: list[tuple[str, float]] = []
        self._lock = threading.Lock()

    def begin(self, stage: str) -> None:
        with self._lock:
            self._open.append((stage, time.monotonic()))
            self._status.update(f"[bold]{stage}[/]")
            self._status.start()

    def end(self, stage: str, seconds: float, *, failed: bool) -> None:
        with self._lock:
            self._open = [each for each in self._open if each[0] != stage]
            sign = "[red]✗[/]" if failed else "[green]✓[/]"
            self._console.print(f"{sign} {stage} [dim]{seconds:.1f} s[/]")
            if not self._open:
                self._status.stop()

    def fail(self, text: str) -> None:
        with self._lock:
            for line in text.splitlines():
                self._console.print(f"  {line}", markup=False)

    def say(self, line: str) -> None:
        patience.heard()
        with self._lock:
            if self._open and not self._quiet:
                stage, began = self._open[-1]
                self._status.update(f"[bold]{stage}[/] [dim]{time.monotonic() - began:.0f} s  {line[:100]}[/]")
