"""The secrets of one cloud: made at first need, kept in one file, seen by nobody.

The file is `secrets.json` in the cloud's state directory, mode 0600 in a directory of mode 0700. It is replaced whole:
written beside, synced, renamed. Nothing is written before `save()`, so a plan of a cloud that does not exist yet leaves
no trace.
"""

from __future__ import annotations

import base64
import binascii
import os
import secrets
import stat
import string
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from hotstack_os.errors import HotstackError
from hotstack_os.exec.locks import lock
from hotstack_os.hidden import Fingerprint, Hidden
from hotstack_os.whole import cannot, sealed, unsealed

FILE = "secrets.json"
_VERSION = 1
_LETTERS = string.ascii_letters + string.digits
_LENGTH = 32
_KEY_BYTES = 32
_LOCK_SECONDS = 60.0
_HALF_WRITTEN = ".secrets-"
_RESTORE = (
    "Restore the file from a backup of the cloud. Or move it away, and read the secrets back from the cloud's node, "
    "which must run: hotstack-os settings recover."
)


class SecretsUnusable(HotstackError):
    """The file of secrets cannot be read or written, or is not what we wrote."""


class Vault:
    """The secrets of one cloud. May be asked from several threads.

    A secret that is asked for by a new name is generated and lives in memory until `save()`.
    """

    def __init__(self, state: Path, seen: bytes | None) -> None:
        self._state = state
        self._seen = seen
        self._lock = threading.Lock()
        content = _decoded(state / FILE, seen) if seen is not None else {}
        self._key = bytes.fromhex(content["key"]) if content else secrets.token_bytes(_KEY_BYTES)
        self._secrets = {name: Hidden(text, self._key) for name, text in content.get("secrets", {}).items()}
        self._saved = frozenset(self._secrets) if content else None
        self._kept = frozenset(self._secrets)

    @classmethod
    def open(cls, state: Path) -> Vault:
        """The vault of the cloud with this state directory; an empty one where there is no file. Writes nothing."""
        return cls(state, _read(state / FILE))

    @classmethod
    def restored(cls, state: Path, texts: Mapping[str, str]) -> Vault:
        """A vault of secrets that were found elsewhere, under a new fingerprint key, where the file is gone."""
        vault = cls.open(state)
        with vault._lock:
            vault._secrets |= {name: Hidden(text, vault._key) for name, text in texts.items()}
        return vault

    @property
    def key(self) -> bytes:
        """The cloud's fingerprint key, for HMACs of what is not in the vault. Itself a secret."""
        return self._key

    def secret(self, name: str) -> Hidden:
        """The secret of this name: 32 letters and digits, which need no quoting in URLs, ini files and SQL."""
        return self._get(name, lambda: "".join(secrets.choice(_LETTERS) for _ in range(_LENGTH)))

    def fernet(self, name: str) -> Hidden:
        """The secret of this name as a Fernet key: 32 bytes in URL-safe base64. Not for a name given to `secret`."""
        found = self._get(name, lambda: base64.urlsafe_b64encode(secrets.token_bytes(32)).decode())
        if not _is_fernet(found):
            raise SecretsUnusable(f"the secret {name!r} to be a Fernet key", "that it is a password")
        return found

    @property
    def made(self) -> frozenset[str]:
        """The names of those that were made since `open()`: nothing that is there can know them."""
        with self._lock:
            return frozenset(self._secrets) - self._kept

    def fingerprints(self) -> dict[str, Fingerprint]:
        """name → fingerprint of every secret, made or saved; safe to record."""
        return {name: hidden.fingerprint for name, hidden in self.all().items()}

    def all(self) -> dict[str, Hidden]:
        """Every secret, made or saved, by name."""
        with self._lock:
            return dict(sorted(self._secrets.items()))

    def save(self) -> None:
        """Bring the file up to date; nothing is written where nothing is new.

        Raises `SecretsUnusable` when another process changed the file since `open()`: both would have made secrets of
        the same names, and what one of them configured would not fit the other's file.
        """
        with self._lock:
            if self._saved == frozenset(self._secrets):
                return
            with _locked(self._state) as directory:
                if _read(self._state / FILE) != self._seen:
                    raise SecretsUnusable(
                        wanted=f"to save secrets in {self._state / FILE}",
                        found="secrets that another process saved in the meantime",
                        hint="Run the command again.",
                    )
                self._seen = _replace(self._state, directory, _encoded(self._key, self._secrets))
            self._saved = frozenset(self._secrets)

    def _get(self, name: str, make: Callable[[], str]) -> Hidden:
        with self._lock:
            if name not in self._secrets:
                self._secrets[name] = Hidden(make(), self._key)
            return self._secrets[name]

    def __repr__(self) -> str:
        return f"Vault({str(self._state)!r}, {len(self._secrets)} secrets)"

    def __reduce__(self) -> str:
        raise TypeError("a vault is neither copied nor pickled")


def _is_fernet(hidden: Hidden) -> bool:
    try:
        return len(base64.b64decode(hidden.reveal(), altchars=b"-_", validate=True)) == 32
    except binascii.Error:
        return False


def _read(path: Path) -> bytes | None:
    """The file's bytes, None where there is none; refused unless it is a regular file that only its owner reads."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unusable(path, _said(error)) from None
    try:
        _check(path, os.fstat(descriptor))
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read()
    except OSError as error:
        raise _unusable(path, _said(error)) from None
    finally:
        os.close(descriptor)


def _check(path: Path, found: os.stat_result) -> None:
    mode = stat.S_IMODE(found.st_mode)
    if not stat.S_ISREG(found.st_mode):
        raise _unusable(path, "something that is no file")
    if mode & 0o077:
        raise _unusable(path, f"mode {mode:04o}", f"Find out who could read it, then: chmod 600 {path}")
    if found.st_uid not in (0, os.geteuid()):
        raise _unusable(path, f"a file of user {found.st_uid}")


def _said(error: OSError) -> str:
    return (error.strerror or str(error)).lower()


def _unusable(path: Path, found: str, hint: str = _RESTORE) -> SecretsUnusable:
    return SecretsUnusable(f"the cloud's secrets in {path}, readable by their owner only", found, hint)


def _encoded(key: bytes, hidden: Mapping[str, Hidden]) -> bytes:
    texts = {name: secret.reveal() for name, secret in sorted(hidden.items())}
    return sealed({"version": _VERSION, "key": key.hex(), "secrets": texts}).encode()


def _decoded(path: Path, raw: bytes) -> dict[str, Any]:
    try:
        content = unsealed(raw)
    except ValueError as error:
        raise _unusable(path, str(error), _RESTORE) from None
    if content.get("version") == _VERSION and _sound(content):
        return content
    raise _unusable(path, "contents that this program did not write", _RESTORE)


def _sound(content: Mapping[str, Any]) -> bool:
    key, texts = content.get("key"), content.get("secrets")
    return (
        isinstance(key, str)
        and len(key) == 2 * _KEY_BYTES
        and set(key) <= set(string.hexdigits)
        and isinstance(texts, dict)
        and all(isinstance(text, str) and text for text in texts.values())
    )


@contextmanager
def _locked(state: Path) -> Iterator[int]:
    """The state directory, made where missing, open and locked against other writers of secrets."""
    try:
        state.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(state, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise SecretsUnusable(f"the state directory {state}", _said(error)) from None
    try:
        lock(descriptor, f"the lock of {state}", seconds=_LOCK_SECONDS)
        os.fchmod(descriptor, 0o700)
        yield descriptor
    finally:
        os.close(descriptor)


def _replace(state: Path, directory: int, content: bytes) -> bytes:
    for left in state.glob(f"{_HALF_WRITTEN}*"):  # of a process that was killed; we hold the lock
        left.unlink()
    try:
        _written(state, content)
    except OSError as error:
        raise SecretsUnusable(f"to write {state / FILE}", _said(error), _room(error)) from None
    os.fsync(directory)
    return content


def _written(state: Path, content: bytes) -> None:
    descriptor, name = tempfile.mkstemp(prefix=_HALF_WRITTEN, dir=state)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, 0o600)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(state / FILE)
    except OSError:
        with suppress(FileNotFoundError):
            Path(name).unlink()
        raise


def _room(error: OSError) -> str:
    return cannot("", error).hint
