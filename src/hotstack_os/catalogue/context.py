"""What a component may ask when it says how it wants to be configured. Pure: the same questions, the same answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address

from hotstack_os.catalogue.spec import Api, Service
from hotstack_os.hidden import Hidden
from hotstack_os.settings.cloud import Cloud, ServiceSettings


@dataclass(frozen=True)
class Choice:
    """What was decided by trying it out on a node: the outcome, why, and on what versions it depends."""

    value: str
    reason: str
    versions: str = ""


@dataclass(frozen=True)
class Socket:
    """Where a service listens for those who have its directory mounted, and for nobody else."""

    directory: str
    mounted: str
    name: str

    @property
    def url(self) -> str:
        """How containers name it."""
        return f"unix:{self.mounted}/{self.name}"

    @property
    def on_node(self) -> str:
        """Its path on the node."""
        return f"{self.directory}/{self.name}"


SHUT = "/run/hotstack-os/shut"
"""Only root of the node gets through: sockets for whoever has their directory mounted lie below it."""
MEMCACHED = Socket(f"{SHUT}/memcached", "/run/memcached", "memcached.sock")


@dataclass(frozen=True)
class Facts:
    """What was found out about a node by looking, with the reason where a choice was made.

    Attributes:
        name: the node's name in the cloud, which stays when its host name changes; also its Open vSwitch system-id.
        cores: processors that its processes may use.
        datapath: of its bridges: "system" (kernel) or "netdev" (userspace).
        virt_type: how servers run: "kvm", or "qemu" where the processor cannot help.
        resolvers: name servers of the node itself, for dnsmasq to forward to.
    """

    name: str
    cores: int
    datapath: Choice
    virt_type: Choice
    resolvers: tuple[str, ...]


@dataclass(frozen=True)
class Context:
    """One cloud on one node, as seen by the catalogue."""

    cloud: Cloud
    facts: Facts
    secret: Callable[[str], Hidden]
    fernet: Callable[[str], Hidden]
    addresses: Mapping[str, IPv4Address]
    """service → its address in the container network; services on the node's network: the gateway address."""
    ports: Mapping[str, int]
    """service → the port at which it listens."""
    apis: tuple[tuple[Service, Api], ...] = ()
    """What HAProxy stands in front of."""
    queues: tuple[str, ...] = ()
    """RabbitMQ users of the cloud's components."""
    elsewhere: frozenset[str] = frozenset()
    """Services of the cloud that run on its first node, where this is a further one."""

    def address(self, service: str) -> str:
        """Where `service` itself listens, past HAProxy."""
        return str(self.addresses[service])

    @property
    def gateway(self) -> str:
        """The first node's address on hot-ex: published APIs, the servers' way out, the further nodes' to it."""
        return str(self.cloud.networks.gateway)

    @property
    def dns(self) -> str:
        """The servers' name server."""
        return str(self.cloud.networks.dns)

    @property
    def further(self) -> bool:
        """Whether this is a node beside the one that all APIs are on."""
        return self.facts.name in self.cloud.nodes

    @property
    def ip(self) -> str:
        """This node's own address on hot-ex: encapsulation, consoles, migrations."""
        return str(self.cloud.nodes.get(self.facts.name, self.cloud.networks.gateway))

    @property
    def peers(self) -> tuple[str, ...]:
        """The addresses of all other nodes."""
        everybody = (self.cloud.networks.gateway, *self.cloud.nodes.values())
        return tuple(str(each) for each in sorted(everybody) if str(each) != self.ip)

    def host(self, component: str) -> str:
        """The name under which an API is reached: keystone.hotstack-os.local."""
        return api_host(self.cloud, component)

    def url(self, api: str, path: str = "") -> str:
        """An API's public URL through HAProxy."""
        return api_url(self.cloud, api, path)

    def database_url(self, database: str, user: str) -> Hidden:
        """SQLAlchemy URL of a database with its user's password."""
        where = f"{self.address('mariadb')}:{self.ports['mariadb']}"
        return self.secret(f"database-{user}").derive(
            f"mysql+pymysql://{user}:", f"@{where}/{database}?charset=utf8mb4"
        )

    def transport_url(self, user: str) -> Hidden:
        """oslo.messaging URL of a RabbitMQ user of the cloud."""
        where = f"{self.address('rabbitmq')}:{self.ports['rabbitmq']}"
        return self.secret(f"rabbitmq-{user}").derive(f"rabbit://{user}:", f"@{where}//")

    def settings(self, service: str) -> ServiceSettings:
        """What the user said of this service."""
        return self.cloud.services.get(service, ServiceSettings())


HOSTS: Mapping[str, str] = {"novnc": "nova", "heat-cfn": "heat", "nova-metadata": "nova", "stats": "haproxy"}
"""APIs that share the host name of their component."""


def api_host(cloud: Cloud, component: str) -> str:
    """The name under which an API of a cloud is reached."""
    return f"{component}.{cloud.domain}"


def api_url(cloud: Cloud, api: str, path: str = "") -> str:
    """The public URL of an API of a cloud."""
    return f"http://{api_host(cloud, HOSTS.get(api, api))}:{cloud.ports[api]}{path}"
