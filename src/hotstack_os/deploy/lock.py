"""One command at a time changes clouds of a machine."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from hotstack_os.errors import HotstackError
from hotstack_os.settings.cloud import Cloud


@contextmanager
def held(cloud: Cloud) -> Iterator[None]:
    """One command at a time changes clouds of this machine; the next one is told who is at it."""
    directory = cloud.cache / "locks"
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "clouds.lock").open("a+") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            handle.seek(0)
            raise HotstackError(
                "to change a cloud", f"process {handle.read().strip()} is at it", "Wait until it is done."
            ) from None
        handle.truncate(0)
        handle.write(str(os.getpid()))
        handle.flush()
        yield
