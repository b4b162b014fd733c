"""Standard input, output and error as they are given to us: closed, full, or with nobody at the other end."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO, cast

from hotstack_os.errors import HotstackError

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_MACHINES = {*_NO_ROOM, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM}
"""What a machine answers that lacks something, rather than a program that asks for the wrong thing."""


class Answer:
    """Standard output that remembers what it could not take: argparse, for one, passes over it in silence."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self.failed: OSError | None = None

    def write(self, text: str) -> int:
        try:
            return self._file.write(text)
        except OSError as error:
            self.failed = error
            raise

    def flush(self) -> None:
        try:
            self._file.flush()
        except OSError as error:
            self.failed = error
            raise

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


@contextmanager
def answering() -> Iterator[Answer]:
    """Print to standard output as it is given; all of it has gone when the block ends well, or OSError is raised."""
    open_all()
    before = sys.stdout
    answer = Answer(before)
    sys.stdout = cast(TextIO, answer)
    try:
        try:
            yield answer
        except SystemExit:  # --help
            answer.flush()
            if answer.failed:
                raise answer.failed from None
            raise
        answer.flush()
    finally:
        sys.stdout = before


def open_all() -> None:
    """Have descriptors 0, 1 and 2: what is opened next would become one of them, and get what we or a child print.

    A closed output stays one to which nothing can be written; talk to a closed standard error goes nowhere.
    """
    for number, flags in enumerate((os.O_RDONLY, os.O_RDONLY, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, flags)  # takes the lowest number that is free
    sys.stdin = sys.stdin or os.fdopen(0, "r", closefd=False)
    sys.stdout = sys.stdout or os.fdopen(1, "w", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", closefd=False)


def give_up() -> None:
    """Let what was not printed go nowhere, so that Python does not stumble over it at its end."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)


def say(line: str) -> None:
    """Talk. Where nobody can hear it, the exit status has to do."""
    with suppress(OSError):
        print(line, file=sys.stderr, flush=True)


def explained(error: OSError, answer: Answer | None) -> HotstackError | None:
    """What the machine lacked, as an error for people; None where the error is not of that kind."""
    hint = "Make room there and run the command again." if error.errno in _NO_ROOM else ""
    if answer and answer.failed is error:
        give_up()
        return HotstackError("to print the answer", f"standard output: {error.strerror}".lower(), hint)
    if error.errno in _MACHINES:
        where = f"to use {os.fspath(error.filename)!s}" if error.filename else "to go on"
        return HotstackError(where, str(error.strerror), hint)
    return None
