"""SHA-256 of files, read once: a plan asks for those of all images, for each node, and images are large.

A file counts as unchanged while its inode, size and both times are what they were (as git's index has it).
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from contextlib import suppress
from pathlib import Path

from hotstack_os.whole import put

_DIGITS = 64
_seen: dict[str, str] = {}
_one_reads = threading.Lock()


class Checksums:
    """Checksums of files, those of earlier commands among them where `path` holds any.

    What is known within a process is known to all its instances.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._asked: dict[str, str] = {}
        self._kept = _read(path)

    def of(self, path: Path) -> str:
        """The SHA-256 of a file as hexadecimal digits."""
        with _one_reads, path.open("rb") as handle:
            mark = _mark(path, os.fstat(handle.fileno()))
            found = _seen.get(mark) or self._kept.get(mark) or hashlib.file_digest(handle, "sha256").hexdigest()
            if mark == _mark(path, os.fstat(handle.fileno())):  # else it was written to while we read
                _seen[mark] = self._asked[mark] = found
        return found

    def keep(self) -> None:
        """Have the next command know what was asked for here; of other files what is kept of them stays."""
        if self._asked.items() - self._kept.items():
            asked = {_path(mark) for mark in self._asked}
            others = {mark: digest for mark, digest in self._kept.items() if _path(mark) not in asked}
            put(self._path, json.dumps({**others, **self._asked}, indent=1) + "\n")


def _mark(path: Path, found: os.stat_result) -> str:
    numbers = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
    return f"{'-'.join(map(str, numbers))} {path.absolute()}"


def _path(mark: str) -> str:
    return mark.partition(" ")[2]


def _read(path: Path) -> dict[str, str]:
    """What is kept; a file that is not as we write it is no loss, as everything in it can be found again."""
    with suppress(OSError, ValueError):
        said = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(said, dict) and all(isinstance(each, str) and len(each) == _DIGITS for each in said.values()):
            return said
    return {}
