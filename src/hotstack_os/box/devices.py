"""Device nodes of a box: its own inodes, made by its own systemd at every boot.

A bind mount of /dev/kvm would share the inode with this machine, and a chmod inside would change it outside. A
tmpfiles.d(5) file makes real nodes before any service starts, again after each reboot, with the box's own modes.
The device controller lets them be opened: nspawn sets no rules with --keep-unit, and a transient unit has none either.
Loop devices are left out: they are one set for the whole kernel.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Device:
    """A character device as it shall be in a box."""

    path: str
    mode: int
    group: str
    number: tuple[int, int] = (0, 0)


WANTED = (
    Device("/dev/net/tun", 0o666, "root"),
    Device("/dev/kvm", 0o660, "kvm"),
    Device("/dev/fuse", 0o666, "root"),
)


def present(wanted: Iterable[Device] = WANTED) -> tuple[Device, ...]:
    """Those that this machine has, with their numbers."""
    found = []
    for device in wanted:
        try:
            status = Path(device.path).stat()
        except FileNotFoundError:
            continue
        if stat.S_ISCHR(status.st_mode):
            number = os.major(status.st_rdev), os.minor(status.st_rdev)
            found.append(Device(device.path, device.mode, device.group, number))
    return tuple(found)


def tmpfiles(devices: Iterable[Device], groups: Collection[str]) -> str:
    """tmpfiles.d lines; a group that the box does not have is replaced by root, or the line would be dropped whole."""
    lines = ["# Device nodes of this box; made by hotstack-os.", "d /dev/net 0755 root root - -"]
    for device in devices:
        group = device.group if device.group in groups else "root"
        major, minor = device.number
        lines.append(f"c {device.path} {device.mode:04o} root {group} - {major}:{minor}")
    return "\n".join(lines) + "\n"
