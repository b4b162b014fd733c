"""What can be wrong with the machine on which clouds run, before there is any cloud. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from hotstack_os.health.findings import Check, Finding, size

MEMORY = 6_000_000_000
CORES = 2
FILES, PROCESSES = 8192, 8192
"""Limits below which a cloud's services run into them."""


@dataclass(frozen=True)
class Place:
    """A directory that we write to: bytes and inodes free on its file system, and bytes that a cloud takes there.

    `inodes` is -1 on file systems that have no fixed number of them.
    """

    path: str
    free: int
    inodes: int
    needed: int


@dataclass(frozen=True)
class Attempt:
    """Something that was tried out: whether it worked, and what was said if not."""

    worked: bool
    said: str = ""


@dataclass(frozen=True)
class Package:
    """A Debian package whose program is missing."""

    name: str
    why: str


@dataclass(frozen=True)
class Leftover:
    """Something of a cloud that is no more."""

    what: str
    remove: str


@dataclass(frozen=True)
class MachineSeen:
    """A machine as it was found; None where nobody could look.

    Attributes:
        memory: bytes of memory, and of it available.
        places: purpose → directory.
        attempts: kernel feature → what came of trying it: "namespaces", "overlay", "tun", "kvm".
        cgroups: "unified", or how else control groups are mounted.
        limits: hard limits of open files and of processes; None for none.
        clock: the time now, and the newest time that something here was written, as UNIX times.
    """

    system: str = "Linux"
    root: bool = True
    python: tuple[int, int] = (3, 11)
    cores: int = CORES
    memory: tuple[int, int] | None = None
    places: Mapping[str, Place] = field(default_factory=dict)
    missing: tuple[Package, ...] = ()
    attempts: Mapping[str, Attempt] = field(default_factory=dict)
    cgroups: str = "unified"
    limits: Mapping[str, int | None] = field(default_factory=dict)
    clock: tuple[float, float] | None = None
    leftovers: tuple[Leftover, ...] = ()


def operating_system(seen: MachineSeen) -> Iterator[Finding]:
    if seen.system != "Linux":
        yield Finding(f"this is {seen.system}", "A cloud needs a Linux kernel.", "Run it in a Linux machine.")
    if seen.python < (3, 11):
        found = ".".join(map(str, seen.python))
        yield Finding(f"Python is {found}", "The program is written for 3.11 and newer.", "Install Python 3.11.")


def rights(seen: MachineSeen) -> Iterator[Finding]:
    if not seen.root:
        yield Finding("this is not root", "Namespaces and mounts need root.", "Run it with sudo.")


def cores(seen: MachineSeen) -> Iterator[Finding]:
    if seen.cores < CORES:
        what = f"there is {seen.cores} processor"
        yield Finding(what, "Services answer late and may miss their time-outs.", f"Use {CORES} or more.", "note")


def memory(seen: MachineSeen) -> Iterator[Finding]:
    if seen.memory and seen.memory[1] < MEMORY and seen.memory[0] < MEMORY:
        what = f"the machine has {size(seen.memory[0])} of memory"
        yield Finding(what, "The kernel ends services when there is none left.", f"Use {size(MEMORY)} or more.")
    elif seen.memory and seen.memory[1] < MEMORY // 6:
        what = f"{size(seen.memory[1])} of memory are left of {size(seen.memory[0])}"
        yield Finding(what, "The kernel ends services when there is none left.", "End what else uses memory.")


def disk_space(seen: MachineSeen) -> Iterator[Finding]:
    for purpose, place in seen.places.items():
        if place.free < place.needed:
            what = f"{size(place.free)} are free in {place.path} ({purpose})"
            todo = f"Make room: a cloud takes {size(place.needed)} there; or choose another directory."
            yield Finding(what, "A full disk stops databases in the middle of a write.", todo)
        elif 0 <= place.inodes < 200_000:
            what = f"{place.inodes} inodes are free in {place.path} ({purpose})"
            yield Finding(what, "Images consist of many small files.", "Remove small files there.")


def packages(seen: MachineSeen) -> Iterator[Finding]:
    for each in seen.missing:
        why = f"It {each.why}. `up` installs it."
        yield Finding(f"the package {each.name} is missing", why, f"apt-get install {each.name}")


_FEATURES: Mapping[str, tuple[str, str, bool]] = {
    "namespaces": (
        "Boxes and builds of images are made of namespaces.",
        "In a container: give it CAP_SYS_ADMIN (docker run --privileged).",
        True,
    ),
    "tun": (
        "Ports of Open vSwitch's userspace datapath and of servers are TAP devices.",
        "Load the module (modprobe tun); in a container: pass /dev/net/tun on.",
        True,
    ),
    "overlay": ("A box gets a copy of its root instead: 1.4 GB and some seconds.", "Use another file system.", False),
    "kvm": ("Servers are emulated, which is slower.", "Enable virtualisation (nested, in a virtual machine).", False),
}


def kernel(seen: MachineSeen) -> Iterator[Finding]:
    for feature, attempt in seen.attempts.items():
        if not attempt.worked:
            why, todo, needed = _FEATURES[feature]
            what = f"{feature} does not work: {attempt.said}" if attempt.said else f"{feature} does not work"
            yield Finding(what, why, todo, "problem" if needed else "note")


def control_groups(seen: MachineSeen) -> Iterator[Finding]:
    if seen.cgroups == "none":
        todo = "Mount them: mount -t cgroup2 none /sys/fs/cgroup."
        yield Finding("no control groups are mounted", "systemd needs them in a box.", todo)
    elif seen.cgroups != "unified":
        why = "Boxes work; limits of memory and processes do not hold for containers in them."
        todo = "Boot with systemd.unified_cgroup_hierarchy=1, if limits matter."
        yield Finding(f"control groups are {seen.cgroups}", why, todo, "note")


def limits(seen: MachineSeen) -> Iterator[Finding]:
    for name, least in (("open files", FILES), ("processes", PROCESSES)):
        found = seen.limits.get(name)
        if found is not None and found < least:
            what = f"the hard limit of {name} is {found}"
            yield Finding(what, "A cloud's services run into it.", f"Raise it to {least} or more (limits.conf(5)).")


def clock(seen: MachineSeen) -> Iterator[Finding]:
    if seen.clock and seen.clock[0] < seen.clock[1] - 60:
        behind = (seen.clock[1] - seen.clock[0]) / 3600
        why = "Tokens and certificates count as not yet valid."
        yield Finding(f"the clock is behind by {behind:.1f} h or more", why, "Set it: timedatectl set-ntp true.")


def leftovers(seen: MachineSeen) -> Iterator[Finding]:
    for each in seen.leftovers:
        yield Finding(each.what, "It belongs to no cloud that is there.", each.remove)


CHECKS: tuple[Check[MachineSeen], ...] = (
    operating_system,
    rights,
    cores,
    memory,
    disk_space,
    packages,
    kernel,
    control_groups,
    limits,
    clock,
    leftovers,
)
"""Every check of a machine, in the order in which it is told."""
