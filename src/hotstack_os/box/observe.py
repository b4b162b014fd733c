"""What runs, read from the kernel: a lock names the supervisor, /proc its children. No pid is ever written down."""

from __future__ import annotations

import fcntl
import os
import select
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from hotstack_os.box.paths import Home
from hotstack_os.box.spec import BoxState

_FLOCK = struct.Struct("hhqqi4x")  # struct flock of 64-bit Linux: type, whence, start, length, pid


def state(home: Home) -> BoxState:
    """The state of the box at this home."""
    if not home.there:
        return BoxState("absent")
    supervisor = lock_holder(home.lock)
    if supervisor is None:
        return BoxState("stopped")
    leader = _leader(supervisor)
    return BoxState("running", supervisor, leader, _started(leader) if leader else None)


def lock_holder(path: Path) -> int | None:
    """The process that holds the record lock (F_GETLK), or None."""
    try:
        with path.open("rb") as handle:
            asked = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
            kind, _, _, _, pid = _FLOCK.unpack(fcntl.fcntl(handle, fcntl.F_GETLK, asked))
    except FileNotFoundError:
        return None
    return None if kind == fcntl.F_UNLCK else int(pid)


def _leader(supervisor: int) -> int | None:
    """The box's PID 1: of nspawn's children the one that is 1 in its own namespace and is nspawn's code no more."""
    for nspawn in _children(supervisor):
        for pid in _children(nspawn):
            status = _read(pid, "status")
            if "\nNSpid:" in status and status.split("\nNSpid:")[1].splitlines()[0].split()[-1] == "1":
                return None if _read(pid, "comm") in ("systemd-nspawn\n", "(sd-stubinit)\n", "") else pid
    return None


def _children(pid: int) -> list[int]:
    return [int(child) for child in _read(pid, f"task/{pid}/children").split()]


def _read(pid: int, name: str) -> str:
    """A file of /proc/PID; empty once the process is gone."""
    try:
        return Path(f"/proc/{pid}/{name}").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return ""


def _started(pid: int) -> datetime | None:
    """When the process started: field 22 of /proc/PID/stat, in clock ticks since boot."""
    text = _read(pid, "stat")
    if not text:
        return None
    ticks = int(text.rsplit(")", 1)[1].split()[19])
    uptime = float(Path("/proc/uptime").read_text(encoding="ascii").split()[0])
    return datetime.now().astimezone() - timedelta(seconds=uptime - ticks / os.sysconf("SC_CLK_TCK"))


@contextmanager
def watched(pid: int) -> Iterator[Callable[[], bool]]:
    """A question that becomes true when the process has ended, with all of its namespaces; see pidfd_open(2).

    For the first process of a PID namespace that is after every other one in it.
    """
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        yield lambda: True
        return
    try:
        yield lambda: bool(select.select([handle], [], [], 0)[0])
    finally:
        os.close(handle)


def takes_power_off(leader: int) -> bool:
    """Whether systemd has come so far that SIGRTMIN+4 would be heard: it is caught or waits in a signalfd.

    The kernel drops signals without a handler for the first process of a PID namespace.
    """
    bits = 0
    for line in _read(leader, "status").splitlines():
        if line.startswith(("SigBlk:", "SigCgt:")):
            bits |= int(line.split()[1], 16)
    return bool(bits >> (POWER_OFF - 1) & 1)


POWER_OFF = 38
"""SIGRTMIN+4 in the kernel's and glibc's counting (SIGRTMIN is 34): power off in order, systemd(1)."""
