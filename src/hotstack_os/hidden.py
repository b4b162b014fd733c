"""A secret is not a string: `Hidden` carries a value that no formatting, logging or JSON can show.

The idea is that of a "hidden text" type: printing, `repr`, f-strings and `json` all see the mask. The value
comes out only through `reveal()`, which is called where bytes leave for a file or a pipe and nowhere else
(a test lists the callers). Two secrets are compared, and a secret is named in digests and plans, through
`fingerprint`: an HMAC under a key of the cloud, useless to whoever does not hold that key.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass

MASK = "****"


@dataclass(frozen=True)
class Fingerprint:
    """What is known of a secret where the secret itself is not at hand: its HMAC under the cloud's key."""

    digest: str

    def __str__(self) -> str:
        return MASK


class Hidden:
    """A secret text with the key under which it is fingerprinted.

    Equal to another `Hidden` with the same text and key, and to the `Fingerprint` of that pair; so a desired
    secret can be compared with what was observed or recorded without either side showing it. Not a dataclass:
    `dataclasses.asdict` would lay its fields open.
    """

    __slots__ = ("_key", "_text")

    def __init__(self, text: str, key: bytes = b"") -> None:
        self._text = text
        self._key = key

    def __deepcopy__(self, _: object) -> Hidden:
        return self

    def __reduce__(self) -> str:
        raise TypeError("a secret is not pickled")

    def reveal(self) -> str:
        """The secret itself, for the one place that writes it to its file or pipe."""
        return self._text

    @property
    def fingerprint(self) -> Fingerprint:
        return fingerprint(self._text, self._key)

    def derive(self, before: str, after: str = "") -> Hidden:
        """A secret text with this one between two others, such as a database URL.

        No template with a mark in it: whatever else stands in one, a user's value say, may hold the mark too.
        """
        return Hidden(before + self._text + after, self._key)

    def in_json(self, data: object) -> Hidden:
        """The JSON of `data`, which holds this secret and may hold others, itself a secret."""
        return Hidden(json.dumps(data, default=_revealed), self._key)

    def around(self, text: str) -> Hidden:
        """A larger secret text that holds this one, such as a configuration file."""
        return Hidden(text, self._key)

    def __str__(self) -> str:
        return MASK

    def __repr__(self) -> str:
        return f"Hidden({MASK})"

    def __format__(self, spec: str) -> str:
        return format(MASK, spec)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Hidden):
            return hmac.compare_digest(self.fingerprint.digest, other.fingerprint.digest)
        if isinstance(other, Fingerprint):
            return hmac.compare_digest(self.fingerprint.digest, other.digest)
        return NotImplemented

    def __hash__(self) -> int:
        return hash(self.fingerprint)


def _revealed(value: object) -> str:
    if isinstance(value, Hidden):
        return value.reveal()
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def fingerprint(text: str | bytes, key: bytes) -> Fingerprint:
    """HMAC-SHA256 of a secret under the cloud's fingerprint key, as 32 hexadecimal digits."""
    raw = text.encode() if isinstance(text, str) else text
    return Fingerprint(hmac.new(key, raw, hashlib.sha256).hexdigest()[:32])
