"""Locks between processes: files that the kernel frees when their holder ends, however it ends."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from hotstack_os.exec import wait


def taken(path: Path) -> int | None:
    """A descriptor that holds the lock `path`, which is made where it is missing; None where somebody else holds it.

    The descriptor is closed by the caller, which frees the lock. A lock that was removed while it was opened is none:
    whoever comes next would make another and hold it at the same time.
    """
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        if not _try(descriptor):
            os.close(descriptor)
            return None
        if _is(path, descriptor):
            return descriptor
        os.close(descriptor)


def _try(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.lstat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def lock(descriptor: int, wanted: str, *, seconds: float) -> None:
    """Lock an open file or directory; `wanted` says what is waited for while somebody else has it."""
    wait.until(lambda: _try(descriptor), wanted, seconds=seconds, last=lambda: "it held by another process")


@contextmanager
def locked(path: Path, waiting: Callable[[], None], seconds: float) -> Iterator[None]:
    """Hold the lock `path`; where somebody else does, `waiting` is called and the lock waited for."""
    descriptor = taken(path)
    if descriptor is None:
        waiting()
        descriptor = wait.until(lambda: taken(path), f"the lock {path}", seconds=seconds, step=0.2)
    try:
        yield
    finally:
        os.close(descriptor)
