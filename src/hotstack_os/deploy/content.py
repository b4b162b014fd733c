"""What users find in the cloud when it is up, as resources: who needs what. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from hotstack_os.bootstrap import databases, identity
from hotstack_os.catalogue.context import Context
from hotstack_os.catalogue.neutron import PHYSICAL_NETWORK
from hotstack_os.content import credential, flavors, images, keypair, networks, quotas
from hotstack_os.content.neutron import ADMIN
from hotstack_os.core.model import Ref, Resource, State, Value
from hotstack_os.deploy.node import Node
from hotstack_os.deploy.provisions import NOT_YET
from hotstack_os.runtime import services
from hotstack_os.settings.content import Content, ImageSource

API_SERVICES = {
    "compute": ("nova-api", "/v2.1"),
    "placement": ("placement", ""),
    "network": ("neutron-server", "/v2.0"),
    "image": ("glance", "/v2"),
    "volume": ("cinder-api", "/v3"),
}
"""API → the service that answers it, and the path of its version."""
QUOTA_SERVICES = {"compute": "nova-api", "network": "neutron-server", "volume": "cinder-api"}
USER_ROLES = ("heat_stack_owner", "load-balancer_member", "creator")
"""Roles for users that components of a cloud may bring."""


def password(node: Node) -> str:
    """The name of the user's password among the secrets."""
    return password_of(node.context.cloud.content)


def password_of(content: Content) -> str:
    """The name of its user's password among the secrets."""
    return f"user-{content.user}"


def urls(context: Context) -> dict[str, str]:
    """Where the APIs themselves listen."""
    return {
        api: f"http://{context.address(service)}:{context.ports[service]}{path}"
        for api, (service, path) in API_SERVICES.items()
    }


def resources(node: Node, admin: Ref) -> Iterator[Resource]:
    """All of it; nothing where it is not wanted. `admin` is the administrator, as whom all of it is made."""
    if node.context.cloud.content.enabled:
        yield from _Content(node, node.context.cloud.content, admin).all()


def roles(node: Node) -> tuple[str, ...]:
    """The user's roles in the project."""
    wanted = node.context.cloud.content.roles
    brought = {role for component in node.components for role in component.roles}
    return ("member", *(role for role in USER_ROLES if role in brought)) if wanted is None else wanted


@dataclass(frozen=True)
class _Content:
    node: Node
    wanted: Content
    admin: Ref

    def all(self) -> Iterator[Resource]:
        yield from self._people()
        yield from self._sizes()
        yield from self._networks()
        yield from self._images()

    @property
    def _project(self) -> Ref:
        return self.node.ref(identity.IDENTITY, f"project/{self.wanted.project}")

    @property
    def _user(self) -> Ref:
        return self.node.ref(identity.IDENTITY, f"user/{self.wanted.user}")

    def _needs(self, *more: Ref) -> frozenset[Ref]:
        return frozenset({self.admin, *more})

    def _service(self, name: str) -> Ref:
        return self.node.ref(services.KIND, name)

    def _database(self, name: str) -> Ref:
        return self.node.ref(databases.DATABASE, name)

    def _thing(self, name: str, state: Mapping[str, Value], *needs: Ref) -> Resource:
        kind, _, rest = name.partition("/")
        return identity.thing(kind, rest, state, self.node.name, self._needs(*needs), self._database("keystone"))

    def _people(self) -> Iterator[Resource]:
        secret, name = self.node.context.secret, self.node.name
        mine = [self._thing(f"role/{each}", {}) for each in roles(self.node)]
        yield from mine
        yield self._thing(f"project/{self.wanted.project}", {"enabled": True})
        held = [f"{each}@{self.wanted.project}" for each in roles(self.node)]
        state = identity.user(secret(password(self.node)), held)
        yield self._thing(f"user/{self.wanted.user}", state, self._project, *(each.ref for each in mine))
        key = self.node.provisions.public_key
        compute = self._needs(self._service("nova-api"), self._user)
        yield keypair.key_pair(self.wanted.key_name, key, name, compute, self._database("nova_api"))
        yield credential.credential(
            self.wanted.credential,
            secret("application-credential"),
            name,
            self._needs(self._user, self._project),
            self._database("keystone"),
        )

    def _sizes(self) -> Iterator[Resource]:
        needs, within = self._needs(self._service("nova-api")), self._database("nova_api")
        for name, each in self.wanted.flavors.items():
            yield flavors.flavor(name, each, self.node.name, needs, within)
        for api, service in QUOTA_SERVICES.items():
            held = self._needs(self._service(service), self._project)
            yield quotas.quota(api, self.wanted.quotas, self.node.name, held, self._project)

    def _images(self) -> Iterator[Resource]:
        needs, within = self._needs(self._service("glance")), self._database("glance")
        wanted = dict(self.wanted.images)
        if self.wanted.test_image:
            wanted[self.wanted.test_image] = ImageSource(None, None, None)
        for name, source in wanted.items():
            found = self.node.provisions.images.get(name)
            yield images.image(name, source, found.sha256 if found else NOT_YET, self.node.name, needs, within)

    def _networks(self) -> Iterator[Resource]:
        wanted, node, within = self.wanted.networks, self.node.name, self._database("neutron")
        base = self._needs(self._service("neutron-server"))
        public = networks.network(wanted.public.network, node, base, within, owner=ADMIN, physical=PHYSICAL_NETWORK)
        outer = networks.subnet(wanted.public.subnet, self._outside(), node, base | {public.ref}, within)
        owned = base | {self._project}
        private = networks.network(wanted.private.network, node, owned, within, owner=self.wanted.project)
        inner = networks.subnet(wanted.private.subnet, self._inside(), node, owned | {private.ref}, within)
        yield from (public, outer, private, inner)
        # A gateway is bound to a chassis, and that is what ovn-controller reports.
        ends = owned | {public.ref, outer.ref, inner.ref, self._service("ovn-controller")}
        names = (wanted.public.network, wanted.private.subnet)
        yield networks.router(wanted.router, self.wanted.project, *names, node, ends, within)
        for text in self.wanted.ingress:
            yield networks.rule(text, node, owned, within)

    def _outside(self) -> State:
        given = self.node.context.cloud.networks
        return {
            "owner": ADMIN,
            "network": self.wanted.networks.public.network,
            "cidr": str(given.provider),
            "gateway": str(given.gateway),
            "dhcp": self.wanted.networks.public_dhcp,
            "dns": (str(given.dns),),
            "pool": f"{given.floating_first}-{given.floating_last}",
        }

    def _inside(self) -> State:
        cidr = self.wanted.networks.private_cidr
        first, last = cidr.network_address, cidr.broadcast_address
        return {
            "owner": self.wanted.project,
            "network": self.wanted.networks.private.network,
            "cidr": str(cidr),
            "gateway": str(first + 1),
            "dhcp": True,
            "dns": (str(self.node.context.cloud.networks.dns),),
            "pool": f"{first + 2}-{last - 1}",
        }
