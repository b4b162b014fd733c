"""One command at a time changes clouds of a machine, and one smoke test at a time is run on a cloud."""

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
    with _locked(cloud, "clouds", "to change a cloud"):
        yield


@contextmanager
def smoking(cloud: Cloud) -> Iterator[None]:
    """One smoke test at a time: the next one would take the stack of this one for a leftover."""
    with _locked(cloud, f"smoke-{cloud.name}", "to run the smoke test"):
        yield


@contextmanager
def _locked(cloud: Cloud, name: str, wanted: str) -> Iterator[None]:
    directory = cloud.cache / "locks"
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / f"{name}.lock").open("a+") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            handle.seek(0)
            raise HotstackError(wanted, f"process {handle.read().strip()} is at it", "Wait until it is done.") from None
        handle.truncate(0)
        handle.write(str(os.getpid()))
        handle.flush()
        yield
