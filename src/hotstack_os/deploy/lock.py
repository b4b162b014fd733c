"""One command at a time changes a cloud, and one smoke test at a time is run on it.

The lock lies with what it guards, in the cloud's state directory, so that whoever comes finds it, whatever caches are
used. Where this machine is the node, a lock of the machine is held besides. The kernel frees both with their holder;
what stands in them is for those who are refused.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict
from pathlib import Path

from hotstack_os.deploy.caller import Caller, caller
from hotstack_os.errors import HotstackError
from hotstack_os.exec import locks, wait
from hotstack_os.settings.cloud import Cloud

FILE = "lock"
SMOKE = "smoke.lock"
MACHINE = Path("/run/lock/hotstack-os.lock")
"""Held while this machine itself is changed."""
_ATTEMPTS = 1000
_SAID_SECONDS = 1.0
"""So long one who has just taken a lock may need to say who he is."""


@contextmanager
def held(cloud: Cloud, verb: str, *, make: bool = False) -> Iterator[None]:
    """Nobody else changes the cloud meanwhile; the next one is told who is at it. `make`: it need not be there yet."""
    wanted = f"to change the cloud {cloud.name}"
    with ExitStack() as opened:
        if cloud.target == "local":
            opened.enter_context(_locked(MACHINE, "to change this machine", verb))
        opened.enter_context(_locked(_directory(cloud, make=make) / FILE, wanted, verb, cloud if make else None))
        yield


@contextmanager
def smoking(cloud: Cloud) -> Iterator[None]:
    """One smoke test at a time: the next one would take the stack of this one for a leftover."""
    path = _directory(cloud, make=False) / SMOKE
    with _locked(path, f"to run the smoke test of the cloud {cloud.name}", "smoke"):
        yield


def remove_state(cloud: Cloud) -> None:
    """Remove the state directory, the lock that the caller holds last: who finds it gone may make the cloud anew."""
    for each in cloud.state.iterdir():
        if each.is_dir() and not each.is_symlink():
            shutil.rmtree(each)
        elif each.name != FILE:
            each.unlink()
    (cloud.state / FILE).unlink()
    for empty in (cloud.state, cloud.state.parent):
        with suppress(OSError):  # not empty: other clouds are there, or this one is being made again
            empty.rmdir()


def _directory(cloud: Cloud, *, make: bool) -> Path:
    if make:
        _make(cloud.state)
    elif not cloud.state.is_dir():
        raise HotstackError(f"a cloud named {cloud.name}", "none", "Make it: hotstack-os up, or give its --settings.")
    return cloud.state


def _make(directory: Path) -> None:
    """Again, where somebody removes it in the middle of it."""
    for left in reversed(range(_ATTEMPTS)):
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            if not left or not isinstance(error, FileExistsError | FileNotFoundError):
                raise HotstackError(f"to make the directory {directory}", str(error.strerror)) from error
        else:
            return


@contextmanager
def _locked(path: Path, wanted: str, verb: str, makes: Cloud | None = None) -> Iterator[None]:
    descriptor = _taken(path, makes)
    if descriptor is None:
        raise HotstackError(wanted, f"that {_holder(path)} is at it", "Wait until it is done.")
    try:
        _ours_alone(path, descriptor)
        _say(descriptor, json.dumps({"pid": os.getpid(), "verb": verb, "since": time.time(), **asdict(caller())}))
        yield
    finally:
        _say(descriptor, "")
        os.close(descriptor)


def _taken(path: Path, makes: Cloud | None) -> int | None:
    while True:
        try:
            return locks.taken(path)
        except FileNotFoundError as error:
            if makes is None:
                raise HotstackError(f"to lock {path}", str(error.strerror)) from error
            _make(makes.state)  # `down` removed it a moment ago
        except OSError as error:
            raise HotstackError(f"to lock {path}", str(error.strerror)) from error


def _ours_alone(path: Path, descriptor: int) -> None:
    """Everybody may make files in /run/lock, and hold there what is not theirs."""
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode) or found.st_uid not in (0, os.geteuid()):
        raise HotstackError(f"the lock {path}", f"something of user {found.st_uid}", f"Remove it: rm {path}")


def _say(descriptor: int, text: str) -> None:
    """Who holds the lock. It is held without that, too: a full disk keeps nobody from `down`, which makes room."""
    with suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, text.encode(), 0)


def _holder(path: Path) -> str:
    """Who is at it, as far as it can be seen."""
    try:
        return wait.until(lambda: _said(path), "who holds the lock", seconds=_SAID_SECONDS)
    except wait.WaitedTooLong:
        return "another process"


def _said(path: Path) -> str | None:
    """None where nothing stands there yet, or what one left behind who was killed."""
    try:
        said = json.loads(path.read_bytes())
        pid, who = int(said["pid"]), Caller(**{name: said[name] for name in Caller.__dataclass_fields__})
        since = time.strftime("%F %T", time.localtime(said["since"]))
    except (OSError, ValueError, TypeError, KeyError):
        return None
    if not Path(f"/proc/{pid}").exists():
        return None
    return f"process {pid} of {who} (hotstack-os {said['verb']}, since {since})"
