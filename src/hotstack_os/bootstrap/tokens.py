"""Tokens that outlive a command, so that the next one need not log in.

A login costs Keystone a fifth of a second of processor time for the password's hash (bcrypt, and so it should); to see
whether a token is still taken costs a tenth of that. And it proves as much: Keystone revokes a user's tokens when the
password is changed or the user disabled (keystone/identity/core.py, `_persist_revocation_event_for_user`).
"""

from __future__ import annotations

import json
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from hotstack_os.errors import HotstackError
from hotstack_os.hidden import Hidden
from hotstack_os.whole import put

FILE = "tokens.json"
"""In the cloud's state directory."""
MARGIN = 600.0
"""A token with less seconds to live is not worth keeping."""


_one_at_a_time = threading.Lock()
"""For all instances: each reads the file, adds to it and writes it."""


@dataclass(frozen=True)
class Tokens:
    """Tokens by what was said to get them, in one file of the cloud's state directory (0600); None keeps nothing.

    What the file holds is worth a login at most: without it, or with one that cannot be read, users log in again. Two
    commands at a time can lose each other's tokens, and nothing else.
    """

    path: Path | None

    def get(self, said: Hidden) -> str:
        """The token that was given for these credentials; empty where there is none, or none for much longer."""
        token, until = self._kept().get(said.fingerprint.digest, ("", 0.0))
        return token if until - time.time() > MARGIN else ""

    def keep(self, said: Hidden, token: str, expires: str) -> None:
        """Remember a token until it expires (ISO 8601, as Keystone writes it)."""
        with _one_at_a_time:
            kept = {each: pair for each, pair in self._kept().items() if pair[1] > time.time()}
            self._write({**kept, said.fingerprint.digest: (token, datetime.fromisoformat(expires).timestamp())})

    def _kept(self) -> dict[str, tuple[str, float]]:
        if self.path:
            with suppress(OSError, ValueError, TypeError, AttributeError, RecursionError):
                return {each: (str(token), float(until)) for each, (token, until) in self._read().items()}
        return {}

    def _read(self) -> dict[str, tuple[str, float]]:
        assert self.path
        return dict(json.loads(self.path.read_text()))

    def _write(self, kept: dict[str, tuple[str, float]]) -> None:
        """Whole or not at all. What cannot be kept, as on a full disk, is asked for again: nothing fails for it."""
        if not self.path or not self.path.parent.is_dir():
            return
        with suppress(HotstackError):
            put(self.path, json.dumps(kept), 0o600)
