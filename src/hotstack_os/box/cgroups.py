"""The control groups of a box, by which we prove that none of its processes is left."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

from hotstack_os.box.paths import Home
from hotstack_os.exec.wait import until
from hotstack_os.whole import Damaged, read

ENTERED = "entered"
"""Below the box's own root group: processes that came in from outside. Inside it, so that the box's systemd may move
them into scopes also where cgroup namespaces are walls (mount option nsdelegate)."""


def recorded(home: Home) -> tuple[Path, ...]:
    """The directories of the running or last supervisor; they may be gone."""
    if not home.cgroups.exists():
        return ()
    hint = f"Stop the box's processes, if it has any, and remove the file (rm {home.cgroups})."
    try:
        return tuple(Path(each) for each in json.loads(read(home.cgroups, hint) or b"[]"))
    except (ValueError, TypeError):
        raise Damaged(home.cgroups, "something else than a list of control groups", hint) from None


def payload(home: Home) -> Path | None:
    """What the box sees as the root of its cgroup v2 hierarchy, while it runs."""
    found = [group / "machine/payload" for group in recorded(home)]
    return next((each for each in found if (each / "cgroup.controllers").exists()), None)


def processes(group: Path) -> list[int]:
    """Every process in the group and below it."""
    pids = []
    for directory, _, _ in os.walk(group):
        try:
            pids += [int(pid) for pid in (Path(directory) / "cgroup.procs").read_text(encoding="ascii").split()]
        except (FileNotFoundError, OSError):  # ENODEV: removed while it was open
            continue
    return pids


def sweep(home: Home, seconds: float = 10) -> None:
    """Kill what is left in the box's groups and remove them. Returns when they are gone; nothing there is fine."""
    for group in recorded(home):
        until(lambda each=group: _swept(each), f"no process left in {group}", seconds=seconds, step=0.01)  # type: ignore[misc]


def _swept(group: Path) -> bool:
    for pid in processes(group):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    for directory, _, _ in os.walk(group, topdown=False):
        try:
            Path(directory).rmdir()
        except FileNotFoundError:
            continue
        except OSError:  # EBUSY: a process is still dying
            return False
    return True
