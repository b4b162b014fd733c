"""Who may do and reach what: the rights of each container and every door of a node, told from the catalogue. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product

from hotstack_os.catalogue import migration, resolve
from hotstack_os.catalogue.context import Context
from hotstack_os.catalogue.images import IMAGES
from hotstack_os.catalogue.spec import Service
from hotstack_os.hidden import Hidden

ANYWHERE, LOOPBACK = "*", "127.0.0.1"
CONSOLES = range(5900, 6100)
"""The ports at which QEMU shows servers' screens, from the first on, one for each server that runs."""


@dataclass(frozen=True, order=True)
class Door:
    """A socket at which somebody takes connections, or datagrams."""

    protocol: str
    address: str
    port: int

    def __str__(self) -> str:
        return f"{self.protocol} {self.address}:{self.port}"


@dataclass(frozen=True)
class Rights:
    """What a container may.

    Attributes:
        uid, user: it runs as; the name is that of its image.
        powers: Linux capabilities that it can have; None for all of them, and all devices.
        own_network: whether it is in the containers' network, else in the node's.
        doors: at which its processes listen, in that network.
        writes, reads: paths of the node that are mounted into it, beside its own configuration, which it reads.
        secrets: of the cloud, by name, that are in its configuration.
    """

    service: str
    uid: int
    user: str
    powers: frozenset[str] | None
    own_network: bool
    doors: frozenset[Door]
    writes: tuple[str, ...]
    reads: tuple[str, ...]
    secrets: tuple[str, ...]


def rights(service: Service, context: Context) -> Rights:
    """The rights of one service; all settings and facts are in `context`."""
    image = next(each for each in IMAGES if each.name == service.image)
    mounts = resolve.mounts(service, context)
    return Rights(
        service.name,
        service.uid,
        "root" if not service.uid or image.user is None else image.user.name,
        None if service.privileged else frozenset(service.capabilities),
        service.offset is not None,
        frozenset(_doors(service, context)),
        tuple(sorted(each.source for each in mounts if each.writable)),
        tuple(sorted(each.source for each in mounts if not each.writable)),
        tuple(sorted(_secrets(service, context))),
    )


def node_doors(services: Iterable[Service], context: Context) -> Mapping[Door, str]:
    """All doors in the first node's own network, but for `CONSOLES`, and whose they are."""
    found: dict[Door, str] = {}
    for each in services:
        if each.offset is None:
            found |= dict.fromkeys(_doors(each, context), each.name)
        found |= {Door("tcp", context.gateway, port): each.name for port in resolve.published(each, context)}
    if context.peers:
        found[Door("tcp", context.ip, migration.LIBVIRT_PORT)] = "libvirtd"
    return found


def _doors(service: Service, context: Context) -> Iterator[Door]:
    ports = {*resolve.published(service, context), context.ports[service.name]} - {0}
    addresses = [str(getattr(context, name)) for name in service.at] or [ANYWHERE]
    protocols = ("tcp", "udp") if service.udp else ("tcp",)
    yield from (Door(*each) for each in product(protocols, addresses, ports))
    yield from (Door("tcp", LOOPBACK, port) for port in service.loopback)


def _secrets(service: Service, context: Context) -> set[str]:
    """The names of all secrets that its configuration asks for."""
    asked: set[str] = set()

    def noting(known: Callable[[str], Hidden]) -> Callable[[str], Hidden]:
        def note(name: str) -> Hidden:
            asked.add(name)
            return known(name)

        return note

    resolve.render(service, replace(context, secret=noting(context.secret), fernet=noting(context.fernet)))
    return asked
