"""The nodes of a cloud and the ways to them: what shall be on each, and who handles it there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

from hotstack_os.catalogue import registry
from hotstack_os.catalogue.context import Choice, Context, Facts
from hotstack_os.catalogue.resolve import make_context
from hotstack_os.content.api import Api
from hotstack_os.core.handler import Handler, Key, World
from hotstack_os.core.journal import Journal
from hotstack_os.core.model import Absent, Observation, Ref, Resource, Unknown
from hotstack_os.core.plan import Action
from hotstack_os.deploy import boxes, content, local, members, provisions, standing, world
from hotstack_os.deploy.desired import desired
from hotstack_os.deploy.image_set import recipes_of
from hotstack_os.deploy.inventory import facts_of, name_of, survey
from hotstack_os.deploy.machine import machine_of
from hotstack_os.deploy.node import Node, access_of, make_node
from hotstack_os.errors import HotstackError
from hotstack_os.exec import Host
from hotstack_os.images.guest import guest_path
from hotstack_os.images.store import Store
from hotstack_os.settings.cloud import Cloud
from hotstack_os.settings.secrets import Vault

_UNSEEN = "no node to look at yet"
NOT_YET = Facts("node", 1, Choice("netdev", _UNSEEN), Choice("qemu", _UNSEEN), ())


@dataclass(frozen=True)
class Place:
    """A node, and the way to it; None where there is nothing yet to go to.

    `bare` is the way to a machine that lacks the programs by which a node is surveyed.
    """

    node: Node
    host: Host | None
    bare: Host | None = None

    def there(self) -> Host:
        """The way to a node that is known to be there."""
        assert self.host
        return self.host


def seen(
    cloud: Cloud, vault: Vault, opened: ExitStack, provided: provisions.Provisions | None = None
) -> tuple[Place, ...]:
    """The nodes of a cloud as far as they are there; reads only. Ways to them close with `opened`.

    `provided` as for `make`, here and below: whoever removes a cloud does not ask what it would be made of.
    """
    machine, known = machine_of(cloud), facts_of(cloud).load()
    if not machine.running:
        above = Place(make(cloud, known or replace(NOT_YET, name=cloud.name), vault, provided=provided), None)
    else:
        host = opened.enter_context(machine.host())
        if local.prepared(host):
            above = Place(make(cloud, _survey(cloud, host, known), vault, provided=provided), host)
        else:
            above = Place(make(cloud, replace(NOT_YET, name=name_of(host)), vault, provided=provided), None, host)
    return (above, *further(cloud, vault, opened, above, provided))


def first(cloud: Cloud, vault: Vault, opened: ExitStack, provided: provisions.Provisions | None = None) -> Place:
    """The first node, which runs."""
    host = opened.enter_context(machine_of(cloud).host())
    return Place(make(cloud, _survey(cloud, host, facts_of(cloud).load()), vault, provided=provided), host)


def further(
    cloud: Cloud, vault: Vault, opened: ExitStack, above: Place, provided: provisions.Provisions | None = None
) -> tuple[Place, ...]:
    """The further nodes beside the first, `above`, as far as they are there."""
    return tuple(_further(cloud, vault, opened, name, above.node.name, provided) for name in cloud.nodes)


def _further(
    cloud: Cloud, vault: Vault, opened: ExitStack, name: str, first: str, provided: provisions.Provisions | None
) -> Place:
    box, known = members.box_of(cloud, name), facts_of(cloud, name).load()
    if box.state().leader is None:
        return Place(make(cloud, known or replace(NOT_YET, name=name), vault, first, provided), None)
    host = box.host()
    opened.callback(host.close)
    return Place(make(cloud, _survey(cloud, host, known), vault, first, provided), host)


def _survey(cloud: Cloud, host: Host, known: Facts | None) -> Facts:
    return survey(host, known, guest_path(Store(cloud.cache)))


def make(
    cloud: Cloud, facts: Facts, vault: Vault, first: str = "", provided: provisions.Provisions | None = None
) -> Node:
    """A node of these facts; `first` names the first one where this is another.

    `provided` is what its content is made of; it is looked for where none is given.
    """
    store = Store(cloud.cache)
    references = {name: recipe.reference for name, recipe in recipes_of(cloud).items()}

    def heads(reference: str, project: str) -> tuple[str, ...]:
        record = store.record(reference)
        return record.schema[project] if record else ("known when the image is built",)

    every = registry.components(cloud)
    here = registry.FURTHER if first else every
    context = make_context(cloud, facts, every, vault.secret, vault.fernet, here)
    return make_node(context, here, references, heads, vault.key, provided or provisions.look(cloud), first)


def known_context(cloud: Cloud) -> Context:
    """The first node's context as of the last `up`."""
    facts = facts_of(cloud).load()
    if facts is None:
        raise HotstackError(f"the cloud {cloud.name}", "that it was never brought up", "Bring it up: hotstack-os up.")
    vault = Vault.open(cloud.state)
    return make_context(cloud, facts, registry.components(cloud), vault.secret, vault.fernet)


def administrator(context: Context, host: Host) -> Api:
    """The cloud's APIs, asked from its first node as the administrator."""
    return Api(host, access_of(context).admin(host), content.urls(context), "admin", "admin")


def desired_of(cloud: Cloud, places: Iterable[Place]) -> dict[Ref, Resource]:
    """Every resource of the cloud: its box, and what is on the nodes."""
    return boxes.resources(cloud) | {ref: each for place in places for ref, each in desired(place.node).items()}


def world_of(cloud: Cloud, places: Sequence[Place], journal: Journal) -> World:
    """Who handles what on the nodes; where a node is not there, or no longer wanted, nothing is found."""
    known = {place.node.name for place in places}
    found: dict[Key, Handler] = {
        (ref.node, ref.kind): Nothing() for ref in journal.ledger if ref.node and ref.node not in known
    }
    found["", boxes.BOX] = boxes.BoxHandler(cloud)
    for place in places:
        if place.host is None:
            owned = [ref for ref in journal.ledger if ref.node == place.node.name]
            unseen = Nothing(Unknown("its node is down") if owned else Absent())
            found |= {(ref.node, ref.kind): unseen for ref in (*desired(place.node), *owned)}
            if place.bare:
                found |= local.handlers(place.bare, place.node.name)
        else:
            found |= world.handlers(place.node, place.host, machine_of(cloud).client_argv)
    return World(found, standing.losses(cloud).rule)


class Nothing:
    """Handles every kind of thing on a node that is not there: there is nothing, or it cannot be seen now."""

    def __init__(self, answer: Observation = Absent()) -> None:  # noqa: B008 (a value that cannot change)
        self._answer = answer

    def observe(self, resources: Sequence[Resource]) -> Mapping[Ref, Observation]:
        return {each.ref: self._answer for each in resources}

    def apply(self, action: Action) -> None:
        raise AssertionError(f"{action.ref} on a node that does not exist")
