"""Files from elsewhere, each fetched once and never used unless it is what was announced."""

from __future__ import annotations

import hashlib
import http.client
import os
import tempfile
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from hotstack_os.errors import HotstackError
from hotstack_os.whole import cannot

TIMEOUT = 60.0
_BLOCK = 1 << 20
_AGAIN = "Run the command again."


def downloaded(url: str, sha256: str, cache: Path) -> Path:
    """The file at `url`, in the cache under its checksum; fetched where it is not there yet.

    Goes through the proxies of this machine's environment. Raises HotstackError where the server refuses or the bytes
    are others than those announced; nothing is kept then.
    """
    directory = cache / "downloads"
    target = directory / sha256
    if target.is_file():
        return target
    try:
        return _kept(url, sha256, target)
    except OSError as error:
        raise cannot(f"to keep {url} in {directory}", error) from error


def _kept(url: str, sha256: str, target: Path) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=target.parent, prefix=".part-") as part:
        found = _fetch(url, part)
        if found != sha256:
            raise HotstackError(f"{url} with the checksum {sha256}", found, "Correct url or sha256 in the settings.")
        part.flush()
        os.fsync(part.fileno())  # its name says what is in it, and nobody looks again
        with suppress(FileExistsError):  # fetched for another cloud in the meantime
            target.hardlink_to(part.name)
    return target


def _fetch(url: str, target: IO[bytes]) -> str:
    """SHA-256 of what was fetched."""
    digest, count = hashlib.sha256(), 0
    with _opened(url) as answer:
        while block := _block(url, answer):
            digest.update(block)
            target.write(block)
            count += len(block)
        announced = answer.headers.get("Content-Length", "")
    if announced.isdecimal() and int(announced) != count:
        raise HotstackError(f"to download {url}", f"the end after {count} of {announced} bytes", _AGAIN)
    return digest.hexdigest()


def _opened(url: str) -> Any:
    try:
        return urllib.request.urlopen(url, timeout=TIMEOUT)
    except (http.client.HTTPException, OSError, ValueError) as error:
        raise HotstackError(f"to download {url}", _said(error), "See whether this machine reaches it.") from None


def _block(url: str, answer: Any) -> bytes:
    try:
        return bytes(answer.read(_BLOCK))
    except (http.client.HTTPException, OSError) as error:
        raise HotstackError(f"to download {url}", _said(error), _AGAIN) from None


def _said(error: Exception) -> str:
    return str(error) or type(error).__name__
