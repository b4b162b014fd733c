"""The settings as the rest of the program sees them: validated, complete, immutable.

`loading.load()` makes a `Cloud` from the user's YAML file and environment, or raises one error that lists everything
wrong with them. Nothing above this room reads pydantic models, YAML or environment variables.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path, PurePosixPath
from typing import Literal

from hotstack_os.settings.content import Content

Scalar = str | int | float | bool
"""A value of an option in a user's settings."""

Options = Mapping[str, Mapping[str, Scalar]]
"""section → option → value, as in an oslo.config file."""


@dataclass(frozen=True)
class Networks:
    """Addresses of one cloud. Where the settings give none, all follow from the two networks.

    Attributes:
        containers: the podman bridge; a service's address in it is a function of (node, service).
        provider: the network of `hot-ex`, floating IPs and, above them, further nodes.
        gateway: the node's address on hot-ex: HAProxy's published ports, the servers' way out.
        dns: where servers find dnsmasq, an extra /32 on hot-ex (below `provider` in the default layout).
        floating_first, floating_last: the pool of floating IPs, both included.
        mtu: of the physical network (`GLOBAL_PHYSNET_MTU`).
        vlans: first and last VLAN id of provider networks.
    """

    containers: IPv4Network
    provider: IPv4Network
    gateway: IPv4Address
    dns: IPv4Address
    floating_first: IPv4Address
    floating_last: IPv4Address
    mtu: int
    vlans: tuple[int, int]


@dataclass(frozen=True)
class Paths:
    """Directories on every node; identical inside the containers that use them."""

    data: PurePosixPath
    instances: PurePosixPath
    volumes: PurePosixPath
    """CINDER_NFS_EXPORT_DIR: what the fake NFS share exports."""
    mounts: PurePosixPath
    """NOVA_NFS_MOUNT_POINT_BASE: where attached volumes appear."""


@dataclass(frozen=True)
class ServiceSettings:
    """What the user wants of one service."""

    config: Options = field(default_factory=dict)
    workers: int | None = None
    threads: int | None = None


@dataclass(frozen=True)
class Cloud:
    """One deployment as its user wants it.

    Attributes:
        name: names the state directory, the box and, by default, entries in clouds.yaml.
        target: "box" (a machine of its own on this one) or "local" (this machine).
        release: an OpenStack release for which a lock exists.
        region: Keystone's region id.
        domain: DNS domain of the APIs: `keystone.<domain>`.
        ports: API name → TCP port on `networks.gateway`; names as in `catalogue`: "keystone", "glance", …
        services: per service name, only those the user said something about.
        nodes: further node → its address on hot-ex; the first node has the gateway's, and a name of its own.
        dns_servers: resolvers that dnsmasq forwards to; None: those of the node.
        state: the cloud's state directory on the operator's machine (secrets, journal, generations, clouds.yaml).
        cache: root file systems, image store, locked environments; shared by all clouds of the machine.
        debian_mirror: where packages of boxes and images come from; None: where this machine's own come from.
        content: what its users find in it.
        patience: how many times as long as usual everything may take before it counts as failed.
    """

    name: str
    target: Literal["box", "local"]
    release: str
    region: str
    domain: str
    networks: Networks
    paths: Paths
    ports: Mapping[str, int]
    services: Mapping[str, ServiceSettings]
    nodes: Mapping[str, IPv4Address]
    dns_servers: tuple[IPv4Address, ...] | None
    state: Path
    cache: Path
    debian_mirror: str | None
    content: Content
    patience: float = 1.0
