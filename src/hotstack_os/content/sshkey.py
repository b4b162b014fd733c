"""The user's SSH key: a file of the operator's, or one that is made once in the cloud's state directory."""

from __future__ import annotations

import base64
import struct
from pathlib import Path

from hotstack_os.content.formats import instead
from hotstack_os.errors import HotstackError
from hotstack_os.whole import Damaged, put, read

FILE = "id_ed25519"
_HEAD, _TAIL = "-----BEGIN OPENSSH PRIVATE KEY-----", "-----END OPENSSH PRIVATE KEY-----"
_MAGIC = b"openssh-key-v1\0"


def key_path(state: Path) -> Path:
    """The private key that is made; the public half lies beside it, as ssh-keygen(1) would leave it."""
    return state / FILE


def public_key(state: Path, given: Path | None) -> str:
    """The public key as one line; empty while none was made.

    Of the key that we made, the private half has it in it: whatever becomes of the file beside it changes nothing.
    """
    return _given(given) if given else _of_private(key_path(state))


def _given(path: Path) -> str:
    try:
        text = path.read_text().strip()
    except (FileNotFoundError, IsADirectoryError):
        raise HotstackError(f"a public key in {path}", instead(path), "Correct content.key.file.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise HotstackError(f"a public key in {path}", str(error)) from None
    if len(text.splitlines()) != 1 or not text.startswith(("ssh-", "ecdsa-", "sk-")) or len(text.split()) < 2:
        hint = "Name the file that ends in .pub, not the private key."
        raise HotstackError(f"a public key in {path}", "something else", hint)
    return text


def _of_private(path: Path) -> str:
    """The public half as it stands in a private key (OpenSSH's PROTOCOL.key), legible also behind a passphrase."""
    hint = f"Restore it from a backup. Or remove it (rm {path}): the next `up` makes another; servers keep the old one."
    raw = read(path, hint)
    if raw is None:
        return ""
    try:
        return _public(raw.decode("ascii"))
    except (ValueError, struct.error):
        raise Damaged(path, "something else than the private key that was made", hint) from None


def _public(private: str) -> str:
    lines = private.split()
    data = base64.b64decode("".join(lines[4:-4]), validate=True)
    if " ".join(lines[:4]) != _HEAD or " ".join(lines[-4:]) != _TAIL or not data.startswith(_MAGIC):
        raise ValueError(lines[:1])
    rest = data[len(_MAGIC) :]
    for _ in ("cipher", "key derivation", "its options"):
        _, rest = _string(rest)
    blob, rest = _string(rest[4:])  # behind the number of keys, which is one
    _, left = _string(rest)
    if left:
        raise ValueError(lines[:1])
    return f"{_string(blob)[0].decode('ascii')} {base64.b64encode(blob).decode()}"


def _string(data: bytes) -> tuple[bytes, bytes]:
    """The first string of data in SSH's form (RFC 4251, section 5), and what is behind it."""
    (length,) = struct.unpack_from(">I", data)
    if len(data) < 4 + length:
        raise ValueError(length)
    return data[4 : 4 + length], data[4 + length :]


def make_key(state: Path, comment: str) -> None:
    """Make an Ed25519 key pair in the cloud's state directory unless it is there; a public half is made good."""
    path = key_path(state)
    if not path.exists():
        put(path, _private(), 0o600)
    line, beside = f"{_of_private(path)} {comment}\n", path.with_suffix(".pub")
    if beside.is_dir() or not beside.exists() or beside.read_bytes() != line.encode():
        put(beside, line)


def _private() -> str:
    # Imported here: only the first `up` of a cloud needs it.
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat  # noqa: PLC0415

    return Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()
