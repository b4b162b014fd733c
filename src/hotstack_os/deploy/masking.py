"""Texts that leave the machine: every secret of the cloud in them, in whatever form, becomes a mask."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Iterator
from urllib.parse import quote

from hotstack_os.hidden import MASK, Hidden

SHORTEST = 6
"""Shorter secrets are no secrets; looking for them would mask half of a text."""
_USERINFO = re.compile(rb"(://[^/\s:@\"']*:)[^/\s@\"']+(?=@)")
_TOKEN = re.compile(rb"gAAAA[A-Za-z0-9_=-]{40,}")


class Mask:
    """Masks the given secrets, and what looks like a password in a URL or like a Fernet token of Keystone."""

    def __init__(self, secrets: Iterable[Hidden], also: Iterable[bytes] = ()) -> None:
        """`also` are secret bytes that are no texts, such as keys."""
        raw = [*(secret.reveal().encode() for secret in secrets), *also]
        found = {form for each in raw if len(each) >= SHORTEST for form in forms(each)}
        self._forms = sorted(found, key=len, reverse=True)

    def __call__(self, data: bytes) -> bytes:
        """The text with its secrets masked."""
        mask = MASK.encode()
        for form in self._forms:
            data = data.replace(form, mask)
        return _TOKEN.sub(mask, _USERINFO.sub(rb"\1" + mask, data))


def forms(secret: bytes) -> Iterator[bytes]:
    """A secret as it may stand in a text: itself, quoted, encoded, and its digests, against which one can guess."""
    yield secret
    yield quote(secret, safe="").encode()
    yield from _encoded(secret)
    for algorithm in ("md5", "sha1", "sha256", "sha512"):
        digest = hashlib.new(algorithm, secret, usedforsecurity=False).digest()
        yield from _encoded(digest)
    # What MariaDB keeps of a password (mysql_native_password): SHA-1 twice.
    twice = hashlib.sha1(hashlib.sha1(secret, usedforsecurity=False).digest(), usedforsecurity=False).hexdigest()
    yield from (twice.encode(), twice.upper().encode())


def _encoded(raw: bytes) -> Iterator[bytes]:
    yield from (raw.hex().encode(), raw.hex().upper().encode())
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        yield encode(raw).rstrip(b"=")
