"""Looks at all processes of the machine, boxes included, again and again, and keeps their argv and environment."""

from __future__ import annotations

import threading
from pathlib import Path
from types import TracebackType
from typing import Self

PERIOD = 0.02


class ProcessWatch:
    """While entered, collects every distinct command line and environment that shows up in /proc.

    That takes nearly half a processor: it is entered where secrets are on their way, and may be so again and again.
    """

    def __init__(self) -> None:
        self.argv: set[bytes] = set()
        self.environ: set[bytes] = set()
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._over.clear()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._thread is not None
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        known: set[tuple[str, bytes]] = set()
        while not self._over.wait(PERIOD):
            for process in Path("/proc").glob("[0-9]*"):
                self._look(process, known)

    def _look(self, process: Path, known: set[tuple[str, bytes]]) -> None:
        """A process that became another program has another command line, and is looked at again."""
        try:
            argv = (process / "cmdline").read_bytes()
            if (process.name, argv) not in known:
                known.add((process.name, argv))
                self.argv.add(argv)
                self.environ.add((process / "environ").read_bytes())
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            return
