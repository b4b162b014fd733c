"""The settings file as pydantic models: every key with its kind, its default and what it is for.

The base of all sections stands in `section`, what users of the cloud find in it in `content_schema`. Rules that need
more than one value stand in `rules`; what follows from other values, in `derived`.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainValidator, WithJsonSchema

from hotstack_os.settings import values
from hotstack_os.settings.content_schema import Content
from hotstack_os.settings.section import Kind, Section, section, setting

Name = Annotated[
    str,
    Field(strict=True, pattern=r"^[a-z]([a-z0-9-]{0,30}[a-z0-9])?$"),
    Kind("a name of at most 32 small letters, digits and hyphens that begins with a letter"),
]
Target = Annotated[Literal["box", "local"], Kind("box or local")]
Release = Annotated[
    str,
    BeforeValidator(values.release),
    WithJsonSchema({"type": ["string", "number"]}),
    Kind("an OpenStack release such as 2025.2"),
]
Region = Annotated[
    str,
    Field(strict=True, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"),
    Kind("a region of at most 64 letters, digits and _ . -"),
]
_LABEL = "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
Domain = Annotated[
    str,
    Field(strict=True, max_length=200, pattern=rf"^({_LABEL}\.)*[a-z]([a-z0-9-]{{0,61}}[a-z0-9])?$"),
    Kind("a DNS domain in small letters without a dot at its end"),
]
Containers = Annotated[IPv4Network, BeforeValidator(values.network(26)), Kind("an IPv4 network of /26 or larger")]
Provider = Annotated[IPv4Network, BeforeValidator(values.network(28)), Kind("an IPv4 network of /28 or larger")]
Address = Annotated[IPv4Address, BeforeValidator(values.address), Kind("an IPv4 address")]
Resolver = Annotated[IPv4Address, BeforeValidator(values.resolver), Kind("an IPv4 address", "IPv4 addresses")]
Mtu = Annotated[int, Field(strict=True, ge=1280, le=9216), Kind("a whole number from 1280 to 9216")]
Vlans = Annotated[
    tuple[int, int],
    PlainValidator(values.vlans),
    WithJsonSchema(
        {"type": "array", "items": {"type": "integer", "minimum": 1, "maximum": 4094}, "minItems": 2, "maxItems": 2}
    ),
    Kind("the first and the last VLAN id, from 1 to 4094, such as [100, 200]"),
]
Directory = Annotated[PurePosixPath, BeforeValidator(values.directory), Kind("an absolute path")]
Port = Annotated[int, Field(strict=True, ge=1, le=65535), Kind("a TCP port from 1 to 65535")]
Factor = Annotated[
    float, BeforeValidator(values.number), Field(strict=True, ge=0.1, le=100), Kind("a number from 0.1 to 100")
]
Count = Annotated[int, Field(strict=True, ge=1, le=64), Kind("a whole number from 1 to 64")]
Mirror = Annotated[
    str,
    BeforeValidator(values.mirror),
    WithJsonSchema({"type": "string", "format": "uri"}),
    Kind("an http, https or file URL"),
]
SectionName = Annotated[
    str,
    Field(pattern=r"^[^\[\]\s\x00-\x1f\x7f]([^\[\]\x00-\x1f\x7f]*[^\[\]\s\x00-\x1f\x7f])?$"),
    Kind("a section's name"),
]
OptionName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_]([A-Za-z0-9_. -]*[A-Za-z0-9_.-])?$"), Kind("an option's name")]
OptionValue = Annotated[
    str | int | float | bool,
    PlainValidator(values.option),
    WithJsonSchema({"type": ["string", "number", "boolean"]}),
    Kind("a text, a number, true or false"),
]


class Floating(Section):
    """The pool of floating IPs."""

    first: Address | None = setting(
        None, "First floating IP.", "the address after the gateway (172.31.0.130 by default)"
    )
    last: Address | None = setting(
        None,
        "Last floating IP, included. The addresses above it are for further nodes.",
        "the 71st address of the pool, or as far as three quarters of the network go (172.31.0.200 by default)",
    )


class Networks(Section):
    """Addresses of the cloud."""

    containers: Containers = setting(
        IPv4Network("172.31.0.0/25"),
        "The bridge of the containers; each service has a fixed address in it.",
    )
    provider: Provider = setting(
        IPv4Network("172.31.0.128/25"),
        "The network of the bridge hot-ex: the gateway, floating IPs and, above them, further nodes.",
    )
    gateway: Address | None = setting(
        None,
        "The node's address on hot-ex, at which all APIs listen and which is the servers' way out.",
        "the first address of the provider network (172.31.0.129 by default)",
    )
    dns: Address | None = setting(
        None,
        "Where servers find the cloud's DNS; an additional /32 address on hot-ex. Below the 64th address of the "
        "containers' network only the tenth is free for it.",
        "the tenth address of the containers' network (172.31.0.10 by default)",
    )
    floating: Floating = section(Floating, "The pool of floating IPs.")
    mtu: Mtu = setting(1500, "MTU of the physical network; tenant networks get what encapsulation leaves of it.")
    vlans: Vlans = setting((100, 200), "First and last VLAN id for provider networks.")


class Paths(Section):
    """Directories on every node, the same inside the containers that use them."""

    data: Directory = setting(PurePosixPath("/var/lib/hotstack-os"), "Everything that the cloud keeps.")
    instances: Directory | None = setting(None, "Disks of the servers (Nova's instances_path).", "DATA/nova-instances")
    volumes: Directory | None = setting(None, "Cinder's volumes, as files.", "DATA/cinder-nfs")
    mounts: Directory | None = setting(
        None, "Where attached volumes appear for Nova (its nfs_mount_point_base).", "DATA/nova-mnt"
    )


class Ports(Section):
    """TCP ports on the gateway's address."""

    keystone: Port = setting(5000, "Keystone: identity.")
    glance: Port = setting(9292, "Glance: images.")
    placement: Port = setting(8778, "Placement: resources.")
    nova: Port = setting(8774, "Nova: servers.")
    neutron: Port = setting(9696, "Neutron: networks.")
    cinder: Port = setting(8776, "Cinder: volumes.")
    heat: Port = setting(8004, "Heat: stacks.")
    heat_cfn: Port = setting(8000, "Heat's CloudFormation API: wait conditions and signals.")
    nova_metadata: Port = setting(8775, "Nova's metadata for servers.")
    novnc: Port = setting(6080, "Consoles of servers in the browser.")
    stats: Port = setting(8404, "HAProxy's statistics.")


class Service(Section):
    """What the user wants of one service."""

    config: dict[SectionName, dict[OptionName, OptionValue]] = Field(
        default_factory=dict,
        description="Options laid over those that the program gives the service: section, option, value; the sections "
        "that a service has stand below. They are shown and recorded in clear, so they are no place for passwords.",
        json_schema_extra={"x-derived": "nothing"},
    )
    workers: Count | None = setting(None, "Worker processes, of a service that has them.", "the service's own default")
    threads: Count | None = setting(None, "Threads of each of its processes.", "the service's own default")


class FurtherNode(Section):
    """A node beside the one that all APIs are on."""

    address: Address | None = setting(
        None, "Its address on hot-ex.", "the highest of the provider network that is free (172.31.0.254 by default)"
    )


class Mirrors(Section):
    """Where packages come from."""

    debian: Mirror | None = setting(
        None, "Debian archive for boxes and images, without credentials.", "the archive that this machine itself uses"
    )


def _nothing_is_empty(value: Any) -> Any:
    return {} if value is None else value


class Settings(Section):
    """Settings of one hotstack-os cloud."""

    name: Name = setting("hotstack-os", "Name of the cloud, its box and its entries in clouds.yaml.")
    target: Target = setting("box", "Where the cloud runs: a box, or this machine itself.")
    release: Release = setting("2025.2", "OpenStack release that comes with this program. Left out: that of the cloud.")
    region: Region = setting("RegionOne", "Keystone's region.")
    domain: Domain = setting("hotstack-os.local", "DNS domain of the APIs: keystone.DOMAIN and so on.")
    networks: Networks = section(Networks, "Addresses of the cloud.")
    paths: Paths = section(Paths, "Directories on every node, the same inside the containers that use them.")
    ports: Ports = section(Ports, "TCP ports on the gateway's address.")
    services: dict[str, Annotated[Service, BeforeValidator(_nothing_is_empty)]] = Field(
        default_factory=dict,
        description="By name of the service: options, workers and threads that it shall have. A service that is off by "
        "default (nova-compute-fake) runs when it is named.",
    )
    nodes: dict[Name, Annotated[FurtherNode, BeforeValidator(_nothing_is_empty)]] = Field(
        default_factory=dict,
        description="Further nodes by name: each is a box that runs servers, and nothing else of the cloud.",
        json_schema_extra={"x-derived": "nothing"},
    )
    dns_servers: list[Resolver] | None = Field(
        None,
        alias="dns_servers",
        description="Resolvers to which the cloud's DNS passes on what it does not know; [] for none.",
        json_schema_extra={"x-derived": "the node's own resolvers"},
    )
    patience: Factor = setting(
        1.0,
        "How many times as long as usual everything may take before it counts as failed: 10 for an emulated machine. "
        "A service whose start can be seen to go on is waited for in any case. A change restarts the services.",
    )
    mirrors: Mirrors = section(Mirrors, "Where packages come from.")
    content: Content = section(Content, "What is in the cloud when it is up, ready for its users.")
