"""Files that appear whole: their readers see what was there before or all that came after, also after a power cut."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

from hotstack_os.errors import HotstackError

_FULL = {errno.ENOSPC, errno.EDQUOT}


def put(path: Path, text: str, mode: int = 0o644) -> None:
    """Put a file in place, in UTF-8 and on the disk. A link of that name is replaced, never followed.

    HotstackError where the machine cannot; then all is as it was.
    """
    try:
        _put(path, text, mode)
    except OSError as error:
        hint = "Make room there and run the command again." if error.errno in _FULL else ""
        raise HotstackError(f"to write {path}", str(error.strerror), hint) from error


def _put(path: Path, text: str, mode: int) -> None:
    descriptor, beside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            os.fchmod(descriptor, mode)
            file.write(text)
            file.flush()
            os.fsync(descriptor)
        Path(beside).replace(path)
    finally:
        Path(beside).unlink(missing_ok=True)
