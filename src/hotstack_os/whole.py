"""Files that appear whole: their readers see what was there before or all that came after, also after a power cut.

What disks and people do to them later is told by a checksum that they carry; a file of an earlier version has none.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hotstack_os.errors import HotstackError

_FULL = {errno.ENOSPC, errno.EDQUOT}
_REFUSED = {errno.EACCES, errno.EPERM}
_SUM = "sum"


class Damaged(HotstackError):
    """A file of ours that cannot be read, or is not what was written."""

    def __init__(self, path: Path, found: str, hint: str) -> None:
        super().__init__(f"{path} as it was written", found, hint)
        self.path = path


def put(path: Path, text: str, mode: int = 0o644) -> None:
    """Put a file in place, in UTF-8 and on the disk. A link of that name is replaced, never followed.

    HotstackError where the machine cannot; then all is as it was.
    """
    try:
        _put(path, text, mode)
    except OSError as error:
        raise cannot(f"to write {path}", error) from error


def cannot(wanted: str, error: OSError) -> HotstackError:
    """What the machine did not let us do, as an error for people."""
    hint = "Make room there and run the command again." if error.errno in _FULL else ""
    return HotstackError(wanted, str(error.strerror), hint)


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
    keep_name(path)


def keep_name(path: Path) -> None:
    """Have the name of a file on the disk, as its contents are."""
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def read(path: Path, hint: str) -> bytes | None:
    """The bytes of a file of ours; None where it is not there, `Damaged` with this hint where they cannot be had."""
    try:
        return _regular(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        who = "Run it as root, to whom the cloud's state belongs." if error.errno in _REFUSED else hint
        raise Damaged(path, str(error.strerror).lower(), who) from None


def _regular(path: Path) -> bytes:
    """The bytes of a file; OSError for anything else, which may have no end, or nobody who writes to it."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        kind = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(kind):
            raise OSError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not stat.S_ISREG(kind):
            raise OSError(errno.EINVAL, "something else than a file")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read()
    finally:
        os.close(descriptor)


def sealed(content: Mapping[str, Any]) -> str:
    """An object as JSON with a checksum in it."""
    return json.dumps({**content, _SUM: checksum(content)}, indent=1) + "\n"


def unsealed(raw: bytes) -> dict[str, Any]:
    """The inverse of `sealed`; ValueError says what is there instead."""
    try:
        content = json.loads(raw)
    except (ValueError, RecursionError):
        raise ValueError(_what(raw)) from None
    if not isinstance(content, dict):
        raise ValueError("JSON of another kind")  # noqa: TRY004 (the caller's word for damage)
    if _SUM in content and content.pop(_SUM) != checksum(content):
        raise ValueError("contents that do not fit their checksum")
    return content


def read_sealed(path: Path, hint: str) -> dict[str, Any] | None:
    """What a file of ours says; None where it is not there, `Damaged` with this hint where it is not as written."""
    raw = read(path, hint)
    if raw is None:
        return None
    try:
        return unsealed(raw)
    except ValueError as error:
        raise Damaged(path, str(error), hint) from None


def checksum(content: Mapping[str, Any]) -> str:
    """16 hexadecimal digits over an object, however its JSON is laid out."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _what(raw: bytes) -> str:
    """What bytes that are no JSON look like, for people."""
    if not raw.strip(b"\0 \r\n\t"):
        return "nothing in it"
    return "a piece of it, cut off" if raw.lstrip().startswith(b"{") else "something else"
