"""What every machine offers to the code above: run a command, look at files, put files in place whole."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from hotstack_os.errors import HotstackError
from hotstack_os.exec.command import Command, Result
from hotstack_os.hidden import Hidden

Kind = Literal["file", "directory", "link", "other"]


@dataclass(frozen=True)
class FileStat:
    """What lstat(2) says of a path, with names where the machine knows them (else the number as text)."""

    kind: Kind
    mode: int
    owner: str
    group: str
    size: int
    target: str = ""


@dataclass(frozen=True)
class HttpAnswer:
    """Status, headers with names in lower case, body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class HostLost(HotstackError):
    """The machine or its agent went away in the middle of a request."""


class RequestRefused(HotstackError):
    """The machine answered that it cannot: no such owner, a read-only file system, a full disk."""


class Host(Protocol):
    """A machine. Paths are absolute and are the machine's own. All methods may be called from several threads."""

    @property
    def name(self) -> str:
        """The name of the node, for people."""

    def run(self, command: Command) -> Result:
        """Run to the end and return an accepted result; raises CommandMissing, CommandTimeout, CommandFailed."""

    def http(
        self, method: str, url: str, *, headers: Mapping[str, str], body: Hidden | bytes | None, timeout: float
    ) -> HttpAnswer:
        """One HTTP request from the machine; any status is an answer, no answer is `RequestRefused`."""

    def stat(self, paths: Iterable[str]) -> Mapping[str, FileStat | None]:
        """lstat of each path; None where there is nothing."""

    def read(self, paths: Iterable[str]) -> Mapping[str, bytes | None]:
        """The contents of each regular file; None where there is none."""

    def read_tree(self, roots: Iterable[str]) -> Mapping[str, bytes]:
        """Every regular file below the given directories by its absolute path. Missing roots are empty."""

    def write(
        self, path: str, data: bytes | str | Hidden, *, mode: int, owner: str = "root", group: str = "root"
    ) -> None:
        """Put a file in place whole: written beside, synced, renamed. The directory must exist."""

    def make_directory(self, path: str, *, mode: int, owner: str = "root", group: str = "root") -> None:
        """Make the directory (parents 0755 root) or give an existing one this mode and owner."""

    def make_link(self, path: str, target: str) -> None:
        """Make the symbolic link, replacing one that points elsewhere, in one rename."""

    def remove(self, path: str) -> None:
        """Remove a file, link or directory with all below it; nothing there is fine. Mount points are refused."""

    def argv(self, argv: tuple[str, ...]) -> tuple[str, ...]:
        """The argv that, run on this machine, runs `argv` on that one: for interactive programs."""

    def close(self) -> None:
        """End the agent."""
