"""What a program says, line by line while it says it."""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
from collections.abc import Iterator
from typing import IO

from hotstack_os import interrupt
from hotstack_os.exec.command import Command, CommandMissing, Result
from hotstack_os.exec.local import end, environment, running


@contextlib.contextmanager
def lines(command: Command) -> Iterator[Iterator[str]]:
    """The lines of a program's standard output as they come, without their ends.

    Leaving the block early, also by an interruption, ends the program with its process group. When its output has
    ended, its status is checked: CommandFailed. `timeout` and `stdin` of the command do not count.
    """
    with tempfile.TemporaryFile("w+", errors="replace") as complaints:
        with interrupt.shielded():
            process = _started(command, complaints)
            running(process.pid)
        assert process.stdout is not None

        def said() -> Iterator[str]:
            assert process.stdout is not None
            yield from (line.rstrip("\n") for line in process.stdout)
            status = process.wait()
            complaints.seek(0)
            Result(command, status, "", complaints.read(), 0.0).check()

        try:
            yield said()
        finally:
            end(process)
            running(process.pid, ended=True)
            process.stdout.close()


def _started(command: Command, complaints: IO[str]) -> subprocess.Popen[str]:
    try:
        return subprocess.Popen(
            command.process,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=complaints,
            env={**environment(), **command.env},
            cwd=command.cwd,
            start_new_session=True,
            encoding="utf-8",
            errors="replace",
        )
    except FileNotFoundError:
        raise CommandMissing(command, "this machine") from None
