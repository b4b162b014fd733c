"""What can be wrong with a cloud that is there. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from hotstack_os.health.findings import Check, Finding
from hotstack_os.health.status import ServiceStatus

FULL = 90
"""Percent of a file system from which on it counts as full."""
BUSY = 90
"""Percent of MariaDB's connections."""
OLD_DAYS = 90
SKEW_SECONDS = 2.0


@dataclass(frozen=True)
class FailedUnit:
    """A unit that systemd counts as failed, with the end of its journal."""

    name: str
    journal: str


@dataclass(frozen=True)
class NodePlace:
    """A file system of the node: percent used of its bytes and of its inodes."""

    path: str
    used: int
    inodes: int


@dataclass(frozen=True)
class Agent:
    """An agent of Neutron."""

    binary: str
    host: str
    alive: bool


@dataclass(frozen=True)
class ImageAge:
    """An image that the cloud needs; `days` since it was built, None where it is missing."""

    name: str
    days: float | None


@dataclass(frozen=True)
class CloudSeen:
    """A cloud as it was found; None where nobody could look or had to.

    Attributes:
        name: the cloud's.
        node: that of its first node; empty where it is the cloud's.
        down: further nodes that do not run.
        box: its box's status; None for a cloud on this machine.
        gateway: the address that its node should have on hot-ex; `addresses` are those that it has.
        connections: of MariaDB: used and possible.
        alarms: of RabbitMQ: resources that are used up.
        drift: the lines of a plan that is not empty.
        chassis: names and host names in OVN's southbound database.
        libvirt: what the session libvirtd says; empty when it answers.
        skew: seconds by which the node's clock is ahead of ours.
    """

    name: str
    box: str | None = "running"
    gateway: str = ""
    node: str = ""
    services: tuple[ServiceStatus, ...] | None = None
    down: tuple[str, ...] = ()
    failed: tuple[FailedUnit, ...] | None = None
    places: tuple[NodePlace, ...] | None = None
    addresses: tuple[str, ...] | None = None
    forwarding: bool | None = None
    firewall: bool | None = None
    connections: tuple[int, int] | None = None
    alarms: tuple[str, ...] | None = None
    drift: tuple[str, ...] | None = None
    images: tuple[ImageAge, ...] | None = None
    chassis: tuple[tuple[str, str], ...] | None = None
    agents: tuple[Agent, ...] | None = None
    libvirt: str | None = None
    skew: float | None = None
    troubles: dict[str, str] = field(default_factory=dict)


def box(seen: CloudSeen) -> Iterator[Finding]:
    if seen.box not in (None, "running"):
        yield Finding(f"the box is {seen.box}", "The cloud runs in it.", f"hotstack-os box --cloud {seen.name} start")


def services(seen: CloudSeen) -> Iterator[Finding]:
    down = [each.name for each in seen.services or () if each.state in ("inactive", "absent")]
    if seen.services and len(down) == len(seen.services):
        absent = all(each.state == "absent" for each in seen.services)
        todo = "hotstack-os up" if absent else "hotstack-os start"
        yield Finding(f"no service {'is installed' if absent else 'runs'}", "Nothing answers.", todo)
        return
    for each in seen.services or ():
        further = each.node not in ("", seen.node or seen.name)
        which = f"--node {each.node} {each.name}" if further else each.name
        where = f"{each.name} of {each.node}" if further else each.name
        if each.state in ("inactive", "absent"):
            todo = f"hotstack-os start {which}" if each.state == "inactive" else "hotstack-os up"
            yield Finding(f"the service {where} is {each.state}", "What needs it does not work.", todo)
        elif each.health != "healthy":
            todo = f"hotstack-os logs {which} -n 50; then: hotstack-os restart {which}"
            what = f"the service {where} is {each.health} ({each.state}): {each.detail}"
            yield Finding(what, "It runs, but does not do its work.", todo)


def nodes(seen: CloudSeen) -> Iterator[Finding]:
    for name in seen.down:
        what = f"the box of the node {name} does not run"
        yield Finding(what, "Nor do its servers.", f"hotstack-os box --cloud {seen.name} start --node {name}")


def failed_units(seen: CloudSeen) -> Iterator[Finding]:
    for each in seen.failed or ():
        why = f"The end of its journal:\n{each.journal}" if each.journal else "It said nothing."
        yield Finding(f"the unit {each.name} has failed", why, f"systemctl status {each.name}, in hotstack-os shell")


def disk_space(seen: CloudSeen) -> Iterator[Finding]:
    for each in seen.places or ():
        if each.used >= FULL:
            what = f"{each.path} is full to {each.used} %"
            yield Finding(what, "Databases stop in the middle of a write.", "Remove servers, images or volumes.")
        elif each.inodes >= FULL:
            what = f"{each.path} has used {each.inodes} % of its inodes"
            yield Finding(what, "No file can be made any more.", "Remove small files there.")


def address(seen: CloudSeen) -> Iterator[Finding]:
    if seen.addresses is not None and seen.gateway not in seen.addresses:
        what = f"the bridge hot-ex does not have the address {seen.gateway}"
        yield Finding(what, "All APIs are reached there.", "hotstack-os up puts it back.")


def forwarding(seen: CloudSeen) -> Iterator[Finding]:
    if seen.forwarding is False:
        what = "the node does not forward (net.ipv4.ip_forward is 0)"
        yield Finding(what, "Servers and containers cannot reach each other.", "hotstack-os up sets it.")


def firewall(seen: CloudSeen) -> Iterator[Finding]:
    if seen.firewall is False:
        what = "the firewall table of the cloud is missing"
        yield Finding(what, "Servers reach the databases on the node.", "hotstack-os up loads it.")


def database(seen: CloudSeen) -> Iterator[Finding]:
    if seen.connections and seen.connections[0] * 100 >= seen.connections[1] * BUSY:
        used, most = seen.connections
        what = f"{used} of MariaDB's {most} connections are used"
        yield Finding(what, "The next ones are refused.", "Raise services.mariadb.config or lower workers.")


def broker(seen: CloudSeen) -> Iterator[Finding]:
    for alarm in seen.alarms or ():
        what = f"RabbitMQ has an alarm: {alarm}"
        yield Finding(what, "It takes no messages until that is over.", "Make room on the node's disk or in memory.")


def drift(seen: CloudSeen) -> Iterator[Finding]:
    running = seen.services is None or any(each.state == "active" for each in seen.services)
    if seen.drift and running:
        lines = "\n".join(seen.drift)
        why = f"Somebody changed it, or the settings changed:\n{lines}"
        yield Finding("the cloud is not as its settings say", why, "hotstack-os up")


def images(seen: CloudSeen) -> Iterator[Finding]:
    missing = [each.name for each in seen.images or () if each.days is None]
    if missing:
        what = f"images are missing: {', '.join(missing)}"
        yield Finding(what, "Services that run from them cannot be restarted.", "hotstack-os images build")
    old = [each.days for each in seen.images or () if each.days is not None and each.days > OLD_DAYS]
    if old:
        what = f"{len(old)} images are up to {max(old):.0f} days old"
        why = "They lack the security updates that Debian made since."
        yield Finding(what, why, "Remove them from the cache and run hotstack-os up.", "note")


def chassis(seen: CloudSeen) -> Iterator[Finding]:
    if seen.chassis is None:
        return
    hosts = [host for _, host in seen.chassis]
    why = "Without its chassis no port of the node is bound: servers have no network."
    node = seen.node or seen.name
    if node not in hosts:
        yield Finding(f"OVN does not know the node {node}", why, "hotstack-os restart ovn-controller")
    for host in sorted({each for each in hosts if hosts.count(each) > 1}):
        names = ", ".join(name for name, each in seen.chassis if each == host)
        todo = f"ovn-sbctl chassis-del NAME for the one that is not {host}, in hotstack-os exec ovn-sb-db"
        what = f"OVN knows the node {host} more than once: {names}"
        yield Finding(what, "They claim the same encapsulation address and undo each other's work.", todo)


def agents(seen: CloudSeen) -> Iterator[Finding]:
    for each in seen.agents or ():
        if not each.alive:
            what = f"Neutron counts {each.binary} on {each.host} as dead"
            where = "" if each.host in ("", seen.node or seen.name) else f"--node {each.host} "
            yield Finding(what, "New ports there are not bound.", f"hotstack-os restart {where}{_service(each.binary)}")


def _service(binary: str) -> str:
    return {"neutron-ovn-metadata-agent": "neutron-ovn-agent"}.get(binary, binary)


def libvirt(seen: CloudSeen) -> Iterator[Finding]:
    if seen.libvirt:
        what = f"the session libvirtd does not answer: {seen.libvirt}"
        todo = "systemctl --user -M hotstack@ status hotstack-os-libvirtd-session, in hotstack-os shell"
        yield Finding(what, "No server can be started or stopped; those that run, run on.", todo)


def clock(seen: CloudSeen) -> Iterator[Finding]:
    if seen.skew is not None and abs(seen.skew) > SKEW_SECONDS:
        what = f"the node's clock differs by {seen.skew:+.1f} s"
        yield Finding(what, "Services count each other as dead, tokens as expired.", "Set the clocks: chrony, ntp.")


CHECKS: tuple[Check[CloudSeen], ...] = (
    box,
    services,
    nodes,
    failed_units,
    disk_space,
    address,
    forwarding,
    firewall,
    database,
    broker,
    drift,
    images,
    chassis,
    agents,
    libvirt,
    clock,
)
"""Every check of a cloud, in the order in which it is told."""
