"""What settings must be to each other. One rule per sentence; each looks only at keys that are sound by themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from ipaddress import IPv4Address, IPv4Network
from pathlib import PurePosixPath

from hotstack_os.settings import derived
from hotstack_os.settings.content_rules import CONTENT_RULES
from hotstack_os.settings.problems import closest
from hotstack_os.settings.rule import Fault, Rule, World
from hotstack_os.settings.schema import Ports, Settings
from hotstack_os.settings.service_rules import SERVICE_RULES

SERVICES_END = 64
"""Services have their addresses below this offset of the containers' network."""

TAKEN = {
    22: "SSH",
    53: "DNS",
    5672: "RabbitMQ",
    6641: "OVN's northbound database",
    6642: "OVN's southbound database",
}
"""What else listens on the gateway's address."""

BETWEEN = {8022: "SSH between nodes", 16509: "libvirt between nodes"}
"""And where there are several nodes."""

SUBDIRECTORIES = ("mysql", "rabbitmq", "ovn", "glance", "keystone", "cinder", "nova")
"""What services keep below the data directory."""


def _release(settings: Settings, world: World) -> Iterator[Fault]:
    if settings.release not in {*world.releases, world.own}:
        known = ", ".join(world.releases)
        wanted = f"a release that comes with this program ({known})" if known else "a release; but none is installed"
        yield Fault(("release",), wanted, repr(settings.release), closest(settings.release, world.releases))


def _service_names(settings: Settings, world: World) -> Iterator[Fault]:
    for name in settings.services:
        if name not in world.services:
            hint = closest(name, world.services) or f"Services: {', '.join(sorted(world.services))}."
            yield Fault((("services", name),), "the name of a service", repr(name), hint)


def _domain(settings: Settings, _: World) -> Iterator[Fault]:
    if settings.domain.rpartition(".")[2] == "localhost":
        yield Fault(("domain",), "a domain that resolvers ask their servers for", repr(settings.domain))


def _apart(settings: Settings, _: World) -> Iterator[Fault]:
    one, other = settings.networks.containers, settings.networks.provider
    if one.overlaps(other):
        keys = ("networks.containers", "networks.provider")
        yield Fault(keys, "two networks that do not overlap", f"{one} for containers, {other} for provider")


_CIDR = "content.networks.private.cidr"


def _tenant(key: str) -> Callable[[Settings, World], Iterator[Fault]]:
    def check(settings: Settings, _: World) -> Iterator[Fault]:
        network: IPv4Network = getattr(settings.networks, key)
        tenant = settings.content.networks.private
        if settings.content.enabled and network.overlaps(tenant.cidr):
            wanted = f"a network apart from {tenant.cidr}, which is the cloud's network {tenant.name!r}"
            yield Fault((_CIDR, f"networks.{key}"), wanted, str(network))

    return check


def _gateway(settings: Settings, _: World) -> Iterator[Fault]:
    gateway, provider = settings.networks.gateway, settings.networks.provider
    if gateway and not _host(gateway, provider):
        yield Fault(("networks.provider", "networks.gateway"), f"an address for a host in {provider}", str(gateway))


def _pool_end(end: str) -> Callable[[Settings, World], Iterator[Fault]]:
    def check(settings: Settings, _: World) -> Iterator[Fault]:
        address: IPv4Address | None = getattr(settings.networks.floating, end)
        provider = settings.networks.provider
        if address and not _host(address, provider):
            keys = ("networks.provider", f"networks.floating.{end}")
            yield Fault(keys, f"an address for a host in {provider}", str(address))

    return check


_POOL = ("networks.provider", "networks.gateway", "networks.floating.first", "networks.floating.last")


def _pool_size(settings: Settings, _: World) -> Iterator[Fault]:
    networks = derived.networks(settings.networks)
    first, last = networks.floating_first, networks.floating_last
    size = int(last) - int(first) + 1
    if size < derived.LEAST_POOL or last >= networks.provider.broadcast_address:
        wanted = f"at least {derived.LEAST_POOL} floating IPs inside {networks.provider}"
        yield Fault(_POOL, wanted, f"the pool from {first} to {last}")


def _pool_gateway(settings: Settings, _: World) -> Iterator[Fault]:
    networks = derived.networks(settings.networks)
    first, last = networks.floating_first, networks.floating_last
    if first <= networks.gateway <= last:
        yield Fault(
            _POOL,
            f"the gateway {networks.gateway} outside the floating IPs",
            f"the pool from {first} to {last}",
            f"Let the pool begin at {networks.gateway + 1}." if networks.gateway < last else "",
        )


def _dns(settings: Settings, _: World) -> Iterator[Fault]:
    networks = derived.networks(settings.networks)
    dns, keys = networks.dns, ("networks.containers", *_POOL, "networks.dns")
    offset = int(dns) - int(networks.containers.network_address)
    if not (_host(dns, networks.containers) or _host(dns, networks.provider)):
        found = f"{dns}, which is outside"
        yield Fault(keys, f"an address for a host in {networks.containers} or {networks.provider}", found)
    elif 0 < offset < SERVICES_END and offset != derived.DNS_OFFSET:
        free = networks.containers.network_address + derived.DNS_OFFSET
        yield Fault(keys, "an address of its own", f"{dns}, which is kept for services", f"{free} is free.")
    elif dns == networks.gateway or networks.floating_first <= dns <= networks.floating_last:
        taken = "which is the gateway's" if dns == networks.gateway else "which is in the pool of floating IPs"
        yield Fault(keys, "an address of its own", f"{dns}, {taken}")


def _no_loop(settings: Settings, _: World) -> Iterator[Fault]:
    networks = derived.networks(settings.networks)
    for place, server in enumerate(settings.dns_servers or ()):
        if server in (networks.dns, networks.gateway):
            yield Fault((f"dns_servers.{place}",), "resolvers other than the cloud's own", str(server))


SHARED = PurePosixPath("/var/lib/hotstack-os")
"""The one directory of a box that another box can be given parts of."""


def _nodes_in_boxes(settings: Settings, _: World) -> Iterator[Fault]:
    if not settings.nodes:
        return
    if settings.target != "box":
        yield Fault(("target", "nodes"), "the target box, where a cloud has further nodes", settings.target)
    volumes = derived.paths(settings.paths).volumes
    if not volumes.is_relative_to(SHARED):
        keys = ("nodes", "paths.data", "paths.volumes")
        yield Fault(keys, f"a directory below {SHARED}, which several nodes can share", str(volumes))


def _node_names(settings: Settings, _: World) -> Iterator[Fault]:
    if settings.name in settings.nodes:
        yield Fault(
            (f"nodes.{settings.name}",), "a name other than the cloud's, which is its first node's", settings.name
        )


def _node_addresses(settings: Settings, _: World) -> Iterator[Fault]:
    networks = derived.networks(settings.networks)
    owners = {networks.gateway: "the gateway", networks.dns: "the cloud's DNS"}
    for name, address in derived.nodes(settings.nodes, networks).items():
        key = f"nodes.{name}.address"
        if not _host(address, networks.provider):
            yield Fault((key,), f"an address for a host in {networks.provider}", str(address))
        elif networks.floating_first <= address <= networks.floating_last:
            yield Fault((key,), "an address outside the pool of floating IPs", str(address))
        elif address in owners:
            yield Fault((key,), "an address of its own", f"{address}, which is that of {owners[address]}")
        owners.setdefault(address, name)


def _host(address: IPv4Address, network: IPv4Network) -> bool:
    return network.network_address < address < network.broadcast_address


_PORTS = tuple(f"ports.{field.alias}" for field in Ports.model_fields.values())


def _ports(settings: Settings, _: World) -> Iterator[Fault]:
    owners: dict[int, str] = {}
    taken = TAKEN | (BETWEEN if settings.nodes else {})
    for key, port in settings.ports.model_dump(by_alias=True).items():
        mine = f"ports.{key}"
        if port in taken:
            yield Fault((mine,), "a port that is free on the gateway", f"{port}, which is that of {taken[port]}")
        elif port in owners:
            yield Fault((owners[port], mine), "each port once", f"{port} for {owners[port]} and {mine}")
        owners.setdefault(port, mine)


def _paths_apart(settings: Settings, _: World) -> Iterator[Fault]:
    paths = derived.paths(settings.paths)
    named = {"paths.instances": paths.instances, "paths.volumes": paths.volumes, "paths.mounts": paths.mounts}
    for key, path in named.items():
        if paths.data.is_relative_to(path):
            yield Fault(("paths.data", key), "a directory that does not hold the data directory", f"{path}")
    pairs = [(a, b) for place, a in enumerate(named) for b in list(named)[place + 1 :]]
    for one, other in pairs:
        if _nested(named[one], named[other]):
            yield Fault((one, other), f"{one} and {other} apart", f"{named[one]} and {named[other]}")


def _paths_free(settings: Settings, world: World) -> Iterator[Fault]:
    paths = derived.paths(settings.paths)
    kept = [paths.data / name for name in SUBDIRECTORIES]
    for name in ("data", "instances", "volumes", "mounts"):
        path: PurePosixPath = getattr(paths, name)
        keys = ("paths.data", f"paths.{name}")
        if name != "data" and (taken := [other for other in kept if _nested(path, other)]):
            yield Fault(keys, "a directory of its own", f"{path}; services keep their data in {taken[0]}")
        if taken := [other for other in world.homes if _nested(path, other)]:
            yield Fault(keys, "a directory apart from this program's own", f"{path} and {taken[0]}")


def _nested(one: PurePosixPath, other: PurePosixPath) -> bool:
    return one.is_relative_to(other) or other.is_relative_to(one)


_PATHS = ("paths.data", "paths.instances", "paths.volumes", "paths.mounts")

RULES = (
    Rule(("release",), _release),
    Rule((), _service_names),
    *SERVICE_RULES,
    Rule(("domain",), _domain),
    Rule((_CIDR, "networks.containers"), _tenant("containers")),
    Rule((_CIDR, "networks.provider"), _tenant("provider")),
    *CONTENT_RULES,
    Rule(("networks.containers", "networks.provider"), _apart),
    Rule(("networks.provider", "networks.gateway"), _gateway),
    Rule(("networks.provider", "networks.floating.first"), _pool_end("first")),
    Rule(("networks.provider", "networks.floating.last"), _pool_end("last")),
    Rule(_POOL, _pool_size),
    Rule(_POOL, _pool_gateway),
    Rule(("networks.containers", *_POOL, "networks.dns"), _dns),
    Rule((*_POOL, "networks.containers", "networks.dns"), _no_loop),
    Rule(("target", "nodes", "paths.data", "paths.volumes"), _nodes_in_boxes),
    Rule(("name", "nodes"), _node_names),
    Rule(("nodes", *_POOL, "networks.dns"), _node_addresses),
    Rule((), _ports),
    Rule(_PATHS, _paths_apart),
    Rule(_PATHS, _paths_free),
)
