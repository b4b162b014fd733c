"""A cloud at a glance: its services, its nodes, and where its APIs are."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from hotstack_os.catalogue import registry
from hotstack_os.catalogue.context import Facts, api_url
from hotstack_os.catalogue.images import IMAGES
from hotstack_os.deploy import members, places, standing
from hotstack_os.deploy.inventory import choices, facts_of
from hotstack_os.deploy.machine import machine_of
from hotstack_os.deploy.provisions import Provisions
from hotstack_os.errors import HotstackError
from hotstack_os.health.status import ServiceStatus, service_status
from hotstack_os.images.store import Store
from hotstack_os.images.versions import version
from hotstack_os.runtime.quadlet import restart_digest
from hotstack_os.settings.cloud import Cloud
from hotstack_os.settings.releases import releases, remembered
from hotstack_os.settings.secrets import Vault
from hotstack_os.whole import Damaged


@dataclass(frozen=True)
class Choice:
    """Something that was chosen by probing the node, and why it came out like that."""

    name: str
    value: str
    reason: str


@dataclass(frozen=True)
class NodeStatus:
    """`state` is "running" or "down"; `address` its own on hot-ex, which for the first is that of the APIs."""

    name: str
    state: str
    address: str
    choices: tuple[Choice, ...]


@dataclass(frozen=True)
class Endpoint:
    """An API as Keystone's catalogue has it; `url` the public one."""

    name: str
    type: str
    url: str


@dataclass(frozen=True)
class Release:
    """`name` is that of the cloud, `origin` where it is remembered; `wanted` what the settings say."""

    name: str
    origin: str
    wanted: str


@dataclass(frozen=True)
class Overview:
    """`services` come with the version of the software that runs in them; they are empty when the node is down.

    `release` is None before the first `up`.
    """

    services: tuple[tuple[ServiceStatus, str], ...]
    nodes: tuple[NodeStatus, ...]
    endpoints: tuple[Endpoint, ...]
    release: Release | None = None

    @property
    def healthy(self) -> bool:
        """Whether there are services, all of them are healthy, and all nodes run."""
        up = all(node.state == "running" for node in self.nodes)
        return up and bool(self.services) and all(each.health == "healthy" for each, _ in self.services)

    def as_json(self) -> dict[str, Any]:
        """The stable form: see docs/JSON.md."""
        services = [{**vars(each), "version": software} for each, software in self.services]
        nodes = [{**vars(node), "choices": [vars(each) for each in node.choices]} for node in self.nodes]
        found = {"services": services, "nodes": nodes, "endpoints": [vars(each) for each in self.endpoints]}
        return {**found, "release": vars(self.release) if self.release else None}


NOTHING = Overview((), (), ())


def overview(cloud: Cloud) -> Overview:
    """What there is of the cloud at this moment; `NOTHING` before its first `up`. Reads only."""
    if not cloud.state.exists():
        return NOTHING
    names = _names(cloud)
    running = {name: _running(cloud, name) for name in names}
    services: list[ServiceStatus] = []
    for name in names if running[names[0]] else ():
        if running[name]:
            with members.way_to(cloud, name) as host:
                services += service_status(host, name, members.services(cloud, name), _wanted(cloud, name))
    found = cache(lambda reference: software(Store(cloud.cache), reference))
    versions = tuple((each, found(each.image)) for each in services)
    nodes = tuple(_node(cloud, name, running[name]) for name in names)
    return Overview(versions, nodes, endpoints(cloud), _release(cloud))


def _release(cloud: Cloud) -> Release | None:
    own = remembered(cloud.state)
    return Release(own.release, own.where, cloud.release) if own else None


def _names(cloud: Cloud) -> tuple[str, ...]:
    """As `members.nodes`; the cloud's own name where nobody can read the first one's."""
    known = _known(cloud, cloud.name)
    return (known.name if known else cloud.name, *cloud.nodes)


def _known(cloud: Cloud, name: str) -> Facts | None:
    """What is remembered of a node; a record that cannot be read is told by `doctor`, and hides nothing that runs."""
    try:
        return facts_of(cloud, name if name in cloud.nodes else "").load()
    except Damaged:
        return None


def _wanted(cloud: Cloud, name: str) -> dict[str, str]:
    """Service → what names all that it is to be started from, as far as that is known.

    What runs is told without it, so none of the files that it follows from stops us. The bytes of images and the
    public key do not enter it: nobody looks at them here.
    """
    first = _names(cloud)[0] if name in cloud.nodes else ""
    facts = _known(cloud, name)
    if facts is None or cloud.release not in releases():
        return {}
    try:
        standing.require_secrets(cloud)  # with others made up in their place, nothing would be as wanted
        node = places.make(cloud, facts, Vault.open(cloud.state), first, Provisions())
    except HotstackError:
        return {}
    return {service: restart_digest(each) for service, each in node.containers.items()}


def _running(cloud: Cloud, name: str) -> bool:
    if name in cloud.nodes:
        return members.box_of(cloud, name).state().leader is not None
    return machine_of(cloud).running


def _node(cloud: Cloud, name: str, running: bool) -> NodeStatus:
    facts = _known(cloud, name)
    made = tuple(Choice(what, each.value, each.reason) for what, each in choices(facts).items()) if facts else ()
    address = cloud.nodes.get(name, cloud.networks.gateway)
    return NodeStatus(name, "running" if running else "down", str(address), made)


def endpoints(cloud: Cloud) -> tuple[Endpoint, ...]:
    """The APIs of the cloud, in the order of the catalogue. Pure."""
    found = (each for component in registry.components(cloud) for each in component.endpoints)
    return tuple(Endpoint(each.name, each.type, api_url(cloud, each.api, each.path)) for each in found)


def software(store: Store, reference: str) -> str:
    """The version of what an image of ours is about; empty for others."""
    name = reference.rpartition("/")[2].partition(":")[0]
    image = next((each for each in IMAGES if each.name == name), None)
    return version(store, image, reference) if image else ""
