"""Who runs a command, and from where: for those who have to wait for it, and for those who look later."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_NOBODY = 0xFFFFFFFF
"""/proc/self/loginuid of who did not log in: a service, a boot."""
_TERMINALS = range(3)


@dataclass(frozen=True)
class Caller:
    """The person behind this process.

    Attributes:
        user: who asked for root's rights (sudo), else who logged in, else whose process it is.
        uid: the user id of that person.
        host: this machine's name.
        terminal: such as /dev/pts/3; empty without one.
        address: where the person came from by SSH; empty for others.
    """

    user: str
    uid: int
    host: str
    terminal: str
    address: str

    def __str__(self) -> str:
        origin = ", ".join(each for each in (self.address, self.terminal) if each)
        return f"{self.user} ({origin})" if origin else self.user


def caller() -> Caller:
    """The person behind this process."""
    uid = _uid(os.environ)
    return Caller(_name(uid), uid, os.uname().nodename, _terminal(), _address())


def _uid(environment: Mapping[str, str]) -> int:
    if os.getuid() == 0 and environment.get("SUDO_UID", "").isdecimal():
        return int(environment["SUDO_UID"])
    login = _text(Path("/proc/self/loginuid")).strip()
    return int(login) if login.isdecimal() and int(login) != _NOBODY else os.getuid()


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _terminal() -> str:
    """The first that has a name here: one of another mount namespace (`nsenter`, a container) has none (ENODEV)."""
    for each in _TERMINALS:
        with suppress(OSError):
            return os.ttyname(each)
    return ""


def _address() -> str:
    """From SSH_CONNECTION, which sudo takes from us: the shell that it was called in still has it."""
    for pid in _line():
        for pair in _text(Path(f"/proc/{pid}/environ")).split("\0"):
            name, _, value = pair.partition("=")
            if name == "SSH_CONNECTION" and value:
                return value.split()[0]
    return ""


def _line() -> Iterator[int]:
    """This process, its parent, and so on."""
    pid = os.getpid()
    while pid > 1:
        yield pid
        # The name in parentheses may hold anything; its last parenthesis ends it.
        rest = _text(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()
        pid = int(rest[1]) if len(rest) > 1 else 0


def _text(path: Path) -> str:
    """What a file of /proc says; nothing where it is not there, or not for us."""
    try:
        return path.read_bytes().decode(errors="replace")
    except OSError:
        return ""
