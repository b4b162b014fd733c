"""All that the desired state of one node is made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from hotstack_os.bootstrap.identity import Access
from hotstack_os.bootstrap.tokens import FILE as TOKENS
from hotstack_os.bootstrap.tokens import Tokens
from hotstack_os.catalogue import infrastructure, resolve
from hotstack_os.catalogue.context import Context
from hotstack_os.catalogue.spec import Cell, Component, Database, Service
from hotstack_os.core.model import Ref
from hotstack_os.deploy.provisions import Provisions
from hotstack_os.runtime import services
from hotstack_os.runtime.quadlet import Container

Heads = Callable[[str, str], tuple[str, ...]]
"""(image reference, project) → Alembic heads."""


@dataclass(frozen=True)
class Node:
    """All that the desired state of one node is made of."""

    context: Context
    components: tuple[Component, ...]
    containers: Mapping[str, Container]
    heads: Heads
    key: bytes
    provisions: Provisions
    first: str = ""
    """The first node's name, where this is a further one."""

    @property
    def name(self) -> str:
        return self.context.facts.name

    @property
    def services(self) -> dict[str, Service]:
        """Every service of the node by name."""
        return {each.name: each for component in self.components for each in component.services}

    @property
    def databases(self) -> dict[str, Database]:
        """Every database by name."""
        return {each.name: each for component in self.components for each in component.databases}

    @property
    def cells(self) -> dict[str, Cell]:
        """Every cell of Nova by name."""
        return {each.name: each for component in self.components for each in component.cells}

    @property
    def access(self) -> Access:
        """How Keystone is reached from the node."""
        return access_of(self.context)

    def ref(self, kind: str, name: str) -> Ref:
        """The name of a thing on this node."""
        return Ref(kind, name, self.name)

    def service(self, name: str) -> Ref:
        """The name of a service, on this node or, where it runs there only, on the first."""
        return Ref(services.KIND, name, self.first if name in self.context.elsewhere else self.name)


def access_of(context: Context) -> Access:
    """How Keystone is reached from a node: at its own address, as its first user."""
    url = f"http://{context.address('keystone')}:{context.ports['keystone']}/v3"
    kept = Tokens(context.cloud.state / TOKENS)
    return Access(url, context.url("keystone", "/v3"), context.secret("keystone-admin"), context.cloud.region, kept)


def make_node(
    context: Context,
    components: Iterable[Component],
    images: Mapping[str, str],
    heads: Heads,
    key: bytes,
    provisions: Provisions | None = None,
    first: str = "",
) -> Node:
    """A node with its containers rendered. `images`: image name → reference; `first` of further nodes."""
    chosen = tuple(components)
    hosts = hosts_text(context)
    containers = {}
    for service in (each for component in chosen for each in component.services):
        rendered = resolve.render(service, context)
        started = replace(service, command=resolve.command(service, context))
        containers[service.name] = Container(
            started, images[service.image], rendered.public, rendered.secret, hosts, context
        )
    return Node(context, chosen, containers, heads, key, provisions or Provisions(), first)


def hosts_text(context: Context) -> str:
    """The hosts block of the node."""
    return resolve.hosts_block(context, infrastructure.host_names(context))
