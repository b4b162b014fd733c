"""The user's SSH key: a file of the operator's, or one that is made once in the cloud's state directory."""

from __future__ import annotations

from pathlib import Path

from hotstack_os.content.credential import write_secret
from hotstack_os.errors import HotstackError
from hotstack_os.hidden import Hidden

FILE = "id_ed25519"


def key_path(state: Path) -> Path:
    """The private key that is made; the public half lies beside it, as ssh-keygen(1) would leave it."""
    return state / FILE


def public_key(state: Path, given: Path | None) -> str:
    """The public key as one line; empty while none was made."""
    path = given or key_path(state).with_suffix(".pub")
    try:
        text = path.read_text().strip()
    except FileNotFoundError:
        if given is None:
            return ""
        raise HotstackError(f"a public key in {given}", "no such file", "Correct content.key.file.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise HotstackError(f"a public key in {path}", str(error)) from None
    if len(text.splitlines()) != 1 or not text.startswith(("ssh-", "ecdsa-", "sk-")) or len(text.split()) < 2:
        hint = "Name the file that ends in .pub, not the private key."
        raise HotstackError(f"a public key in {path}", "something else", hint)
    return text


def make_key(state: Path, comment: str) -> None:
    """Make an Ed25519 key pair in the cloud's state directory unless it is there."""
    path = key_path(state)
    if path.exists() and path.with_suffix(".pub").exists():
        return
    # Imported here: only the first `up` of a cloud needs it.
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415
        Encoding,
        NoEncryption,
        PrivateFormat,
        PublicFormat,
    )

    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    write_secret(path, Hidden(private))
    path.with_suffix(".pub").write_text(f"{public} {comment}\n")
