"""Files from elsewhere, each fetched once and never used unless it is what was announced."""

from __future__ import annotations

import hashlib
import tempfile
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path

from hotstack_os.errors import HotstackError

TIMEOUT = 60.0
_BLOCK = 1 << 20


def downloaded(url: str, sha256: str, cache: Path) -> Path:
    """The file at `url`, in the cache under its checksum; fetched where it is not there yet.

    Goes through the proxies of this machine's environment. Raises HotstackError where the server refuses or the bytes
    are others than those announced; nothing is kept then.
    """
    directory = cache / "downloads"
    target = directory / sha256
    if target.is_file():
        return target
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=directory, prefix=".part-") as part:
        found = _fetch(url, Path(part.name))
        if found != sha256:
            raise HotstackError(f"{url} with the checksum {sha256}", found, "Correct url or sha256 in the settings.")
        with suppress(FileExistsError):  # fetched for another cloud in the meantime
            target.hardlink_to(part.name)
    return target


def _fetch(url: str, target: Path) -> str:
    """SHA-256 of what was fetched."""
    digest = hashlib.sha256()
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT) as answer, target.open("wb") as handle:
            while block := answer.read(_BLOCK):
                digest.update(block)
                handle.write(block)
    except (urllib.error.URLError, OSError) as error:
        raise HotstackError(f"to download {url}", str(error), "See whether this machine reaches it.") from None
    return digest.hexdigest()
