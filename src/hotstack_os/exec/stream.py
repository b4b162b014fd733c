"""What a program says, line by line while it says it."""

from __future__ import annotations

import contextlib
import math
import os
import select
import subprocess
import tempfile
from collections.abc import Iterator
from typing import IO

from hotstack_os import interrupt
from hotstack_os.exec.command import Command, CommandMissing, Result
from hotstack_os.exec.local import end, environment, running
from hotstack_os.exec.patience import SLICE, Patience


@contextlib.contextmanager
def lines(command: Command, *, follows: bool = False) -> Iterator[Iterator[str]]:
    """The lines of a program's standard output as they come, without their ends.

    Leaving the block early, also by an interruption, ends the program with its process group. When its output has
    ended, its status is checked: CommandFailed. `timeout` and `stdin` of the command do not count; where it does not
    follow what may never come, a person is told that it is waited for.
    """
    with tempfile.TemporaryFile("w+", errors="replace") as complaints:
        with interrupt.shielded():
            process = _started(command, complaints)
            running(process.pid)

        def said() -> Iterator[str]:
            yield from _lines(_pieces(process, command, follows=follows))
            status = process.wait()
            complaints.seek(0)
            Result(command, status, "", complaints.read(), 0.0).check()

        try:
            yield said()
        finally:
            end(process)
            running(process.pid, ended=True)
            if process.stdout:
                process.stdout.close()


def _pieces(process: subprocess.Popen[bytes], command: Command, *, follows: bool) -> Iterator[bytes]:
    assert process.stdout is not None
    patience = Patience(f"this machine to {command.act}", math.inf)
    while True:
        seconds = SLICE if follows else patience.slice()
        if select.select([process.stdout], [], [], seconds)[0]:
            piece = os.read(process.stdout.fileno(), 65536)
            if not piece:
                return
            yield piece
            patience = Patience(f"this machine to {command.act}", math.inf)


def _lines(pieces: Iterator[bytes]) -> Iterator[str]:
    rest = b""
    for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n")
        yield from (each.decode(errors="replace") for each in whole)
    if rest:
        yield rest.decode(errors="replace")


def _started(command: Command, complaints: IO[str]) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            command.process,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=complaints,
            env={**environment(), **command.env},
            cwd=command.cwd,
            start_new_session=True,
        )
    except FileNotFoundError:
        raise CommandMissing(command, "this machine") from None
