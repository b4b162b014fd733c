"""The machine that boxes run on, as far as a box could change it."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields
from pathlib import Path

from hotstack_os.box import BoxSpec

_DEVICES = ("/dev/net/tun", "/dev/kvm", "/dev/fuse", "/dev/null")
_CGROUPS = ("/sys/fs/cgroup/unified", "/sys/fs/cgroup/systemd", "/sys/fs/cgroup")


@dataclass(frozen=True)
class Outside:
    """Two of these are equal when a box that came and went between them left nothing."""

    mounts: tuple[str, ...]
    interfaces: tuple[str, ...]
    devices: tuple[tuple[str, int, int, int], ...]
    files: tuple[str, ...]
    processes: tuple[str, ...]
    cgroups: tuple[str, ...]


def changes(before: Outside, after: Outside) -> dict[str, set[object]]:
    """What is in one and not in the other, by field; empty when nothing was left and nothing is missing."""
    pairs = ((each.name, set(getattr(before, each.name)), set(getattr(after, each.name))) for each in fields(Outside))
    return {name: old ^ new for name, old, new in pairs if old != new}


def outside(place: Path) -> Outside:
    """`place`: the directory in which the homes of the boxes lie; processes and groups of others do not count."""
    return Outside(
        mounts=tuple(line for line in _read("/proc/self/mountinfo").splitlines() if not _of_an_image_build(line)),
        interfaces=_names("/sys/class/net"),
        devices=tuple(
            (each, found.st_ino, found.st_mode, found.st_gid)
            for each in _DEVICES
            if Path(each).exists() and (found := Path(each).stat())
        ),
        files=tuple(sorted(map(str, (*place.rglob("*"), *Path("/run/systemd").glob("nspawn*"), *_leftovers())))),
        processes=tuple(_described(pid) for pid in filter(str.isdigit, _names("/proc")) if str(place) in _trace(pid)),
        cgroups=tuple(sorted({path for top in _CGROUPS for path, _, _ in os.walk(top) if _unit(place) in path})),
    )


def _names(directory: str) -> tuple[str, ...]:
    return tuple(sorted(path.name for path in Path(directory).iterdir()))


def _of_an_image_build(line: str) -> bool:
    """podman and buildah mount here what they work on; that may come and go beside us."""
    return "/overlay" in line.split()[4]


def _leftovers() -> list[Path]:
    return [path for pattern in ("nspawn*", "unified*") for path in Path("/tmp").glob(pattern)]


def _trace(pid: str) -> str:
    """What ties a process to a place: its mounts and its arguments."""
    return _read(f"/proc/{pid}/mountinfo") + _read(f"/proc/{pid}/cmdline")


def _unit(place: Path) -> str:
    """The control group of the box of these tests; others may run boxes of the same name."""
    return BoxSpec("hot", Path("/"), place / "hot").unit


def _described(pid: str) -> str:
    return f"{pid} {_read(f'/proc/{pid}/cmdline')} {_read(f'/proc/{pid}/status')}"


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError, OSError):
        return ""
