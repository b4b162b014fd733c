"""The root file systems that everything stands on, as data: one for container images, one for boxes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass

from hotstack_os.images import box_packages

SUITE = "trixie"
"""The Debian release of boxes and images."""

EXCLUDED = (
    "path-exclude=/usr/share/man/*",
    "path-exclude=/usr/share/info/*",
    "path-exclude=/usr/share/locale/*",
    "path-exclude=/usr/share/doc/*",
    "path-include=/usr/share/doc/*/copyright",
    "path-exclude=/usr/share/lintian/*",
    "path-exclude=/usr/share/bug/*",
)
NO_TRACES = (
    "rm -f {root}/etc/resolv.conf {root}/etc/apt/sources.list {root}/etc/apt/sources.list.d/*"
    " {root}/var/log/apt/* {root}/var/log/dpkg.log {root}/var/log/bootstrap.log {root}/var/log/alternatives.log"
    " {root}/var/cache/debconf/*-old {root}/var/cache/ldconfig/aux-cache"
)


@dataclass(frozen=True)
class RootFs:
    """A root file system as data.

    Attributes:
        name: "container" (a tar) or "box" (a directory that systemd can boot from).
        packages: Debian packages beyond the essential ones and apt.
        hooks: shell lines run at the end with {root} replaced by the directory.
    """

    name: str
    packages: tuple[str, ...] = ()
    hooks: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """16 hexadecimal digits over everything that decides the content except the versions in Debian's archive."""
        parts = [SUITE, self.name, *self.packages, *self.hooks, *EXCLUDED, NO_TRACES]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def _units(verb: str, units: Iterable[str]) -> str:
    return f"chroot {{root}} systemctl {verb} {' '.join(units)}"


CONTAINER = RootFs(
    "container",
    # No package may start a service in a container or during a build (policy-rc.d, invoke-rc.d(8)).
    hooks=(
        r"printf '#!/bin/sh\nexit 101\n' > {root}/usr/sbin/policy-rc.d && chmod 0755 {root}/usr/sbin/policy-rc.d",
        "rm -f {root}/etc/hostname",
    ),
)
BOX = RootFs(
    "box",
    packages=(*box_packages.BOX, *box_packages.NODE),
    hooks=(
        _units("mask", box_packages.MASKED),
        _units("disable", box_packages.DISABLED),
        # Debian's postinst draws a random system-id: a second chassis after the next start.
        "rm -f {root}/etc/openvswitch/conf.db {root}/etc/openvswitch/system-id.conf",
        "rm -f {root}/etc/hostname {root}/var/lib/dbus/machine-id {root}/etc/ssh/ssh_host_*",
        ": > {root}/etc/machine-id",
    ),
)
