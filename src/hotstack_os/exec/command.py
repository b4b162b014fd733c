"""What to run, what came of it, and the four ways in which it can go wrong, each with a sentence of its own."""

from __future__ import annotations

import math
import shlex
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field

from hotstack_os.errors import HotstackError
from hotstack_os.exec.patience import stretched
from hotstack_os.hidden import Hidden

TAIL = 4000
ITS_OWN = math.inf
LAST, WIDEST = 10, 300
"""Lines, and characters of each, that a person reads of a program's output; all of it is in the error's `whole`."""


@dataclass(frozen=True)
class Command:
    """A process to be.

    Attributes:
        argv: program and arguments; never a secret, since every user of the machine can read it.
        purpose: why it runs, as a clause for error messages: "create the bridge hot-ex".
        stdin: what is written to its standard input; the place for secrets.
        env: variables added to a small fixed environment; never a secret.
        timeout: seconds until it is killed with its process group; `ITS_OWN` for what has an end of its own, or must
            not be killed in its middle. A person is told what is waited for, and can end it.
        accept: exit statuses that are an answer rather than a failure.
        cwd: working directory.
        source: text of a Python program (node/*.py) that is run in place of argv[0], which only names it for people.
    """

    argv: tuple[str, ...]
    purpose: str = ""
    stdin: bytes | str | Hidden | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    timeout: float = 120.0
    accept: frozenset[int] = frozenset({0})
    cwd: str = "/"
    source: str = ""

    @property
    def process(self) -> tuple[str, ...]:
        """What is really run."""
        return ("python3", "-I", "-S", "-c", self.source, *self.argv[1:]) if self.source else self.argv

    @property
    def line(self) -> str:
        """The command as a shell would take it, for people."""
        return shlex.join(self.argv)

    @property
    def act(self) -> str:
        """What it does, as a verb's clause: "create the bridge hot-ex"."""
        return self.purpose or f"run {self.argv[0]}"

    @property
    def program(self) -> str:
        """The name of what is run; wrappers are named for what they are."""
        return self.argv[0].rpartition("/")[2]

    def stdin_bytes(self) -> bytes:
        """The bytes for standard input, secrets revealed."""
        match self.stdin:
            case None:
                return b""
            case Hidden():
                return self.stdin.reveal().encode()
            case str():
                return self.stdin.encode()
            case bytes():
                return self.stdin


@dataclass(frozen=True)
class Result:
    """What a finished process left: its exit status, output as text (undecodable bytes replaced), and seconds taken."""

    command: Command
    status: int
    stdout: str
    stderr: str
    seconds: float

    def check(self) -> Result:
        """This result if its status is accepted; otherwise `CommandFailed`."""
        if self.status in self.command.accept:
            return self
        raise CommandFailed(self)


class CommandMissing(HotstackError):
    """The program does not exist where it was to run."""

    def __init__(self, command: Command, where: str) -> None:
        super().__init__(
            wanted=_purpose(command),
            found=f"no program {command.argv[0]!r} on {where}",
            hint=f"Install the package that provides {command.argv[0]!r}.",
        )


class CommandTimeout(HotstackError):
    """The program did not end in time and was killed with its process group."""

    def __init__(self, command: Command, output: str) -> None:
        found = f"{command.program} still running; killed"
        super().__init__(
            wanted=f"{_purpose(command)} within {stretched(command.timeout):g} s",
            found=f"{found}. Its last words:\n{last_lines(output)}" if output.strip() else found,
        )
        self._all = f"{command.line}\n{_tail(output)}"

    @property
    def whole(self) -> str:
        return f"{self}\n{self._all}"


class CommandFailed(HotstackError):
    """The program ended with a status that its caller does not accept, or was killed by a signal."""

    def __init__(self, result: Result) -> None:
        ending = (
            f"was killed by {_signal_name(-result.status)}"
            if result.status < 0
            else f"ended with status {result.status}"
        )
        output = last_lines(result.stdout + "\n" + result.stderr) or "(no output)"
        super().__init__(wanted=_purpose(result.command), found=f"{result.command.program} {ending}:\n{output}")
        self.result = result

    @property
    def whole(self) -> str:
        output = _tail((self.result.stdout + "\n" + self.result.stderr).strip())
        return f"{self}\n{self.result.command.line}\n{output}"


def last_lines(text: str) -> str:
    """The end of what a program said, as much as a person reads at once."""
    lines = [line[:WIDEST] + ("…" if len(line) > WIDEST else "") for line in text.splitlines() if line.strip()]
    return "\n".join(lines[-LAST:])


def _signal_name(number: int) -> str:
    """SIGTERM and the like; the real-time signals between SIGRTMIN and SIGRTMAX have only numbers."""
    return signal.Signals(number).name if number in signal.valid_signals() & set(signal.Signals) else f"signal {number}"


def _purpose(command: Command) -> str:
    return f"to {command.purpose}" if command.purpose else f"{command.argv[0]} to succeed"


def _tail(text: str) -> str:
    return text if len(text) <= TAIL else "…" + text[-TAIL:]
