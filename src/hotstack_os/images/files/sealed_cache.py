"""Values in memcached that only the services of one user can have put there: how pymemcache writes and reads them.

A value is pickled, and sealed (AES-256-GCM) together with the key that it is stored under: nobody else can read it,
change it, or put it in the place of another. What is not sealed so counts as not there, and is never unpickled.
"""

from __future__ import annotations

import base64
import logging
import os
import pickle
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY = "/etc/hotstack/cache.key"
NONCE = 12

LOG = logging.getLogger(__name__)


class Sealed:
    """pymemcache's `serde`; fails where the service has no key."""

    def __init__(self, path: str = KEY) -> None:
        with open(path, encoding="ascii") as file:  # noqa: PTH123 (as plain as it gets: every service imports it)
            self._cipher = AESGCM(base64.urlsafe_b64decode(file.read()))

    def serialize(self, key: str | bytes, value: Any) -> tuple[bytes, int]:
        """What is stored, and memcached's flags, which say nothing."""
        nonce = os.urandom(NONCE)
        return nonce + self._cipher.encrypt(nonce, pickle.dumps(value, pickle.HIGHEST_PROTOCOL), _bytes(key)), 0

    def deserialize(self, key: str | bytes, value: bytes, _: int) -> Any:
        """The value; None, which is how pymemcache says that there is none, unless it was sealed for this key."""
        try:
            text = self._cipher.decrypt(value[:NONCE], value[NONCE:], _bytes(key))
        except (InvalidTag, ValueError):
            LOG.warning("a value in memcached that is not of this service was not believed")
            return None
        return pickle.loads(text)  # noqa: S301 (it is our own)


def _bytes(key: str | bytes) -> bytes:
    return key if isinstance(key, bytes) else key.encode()
