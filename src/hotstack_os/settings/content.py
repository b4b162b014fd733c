"""What is in a cloud when it is up, ready for its users; the settings of the room `content`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from pathlib import Path
from types import MappingProxyType

Properties = Mapping[str, str]


@dataclass(frozen=True)
class Flavor:
    """A size of servers: processors, MiB of memory, GB of disk, extra specs."""

    vcpus: int
    ram: int
    disk: int
    properties: Properties = field(default_factory=dict)


@dataclass(frozen=True)
class ImageSource:
    """An image of the cloud and where its bytes come from: a file of the operator's machine, or a URL.

    Attributes:
        file, url: exactly one of them is set.
        sha256: of the bytes, 64 hexadecimal digits; always there for a URL.
        disk_format: as Glance names it.
        visibility: as Glance names it.
        properties: of the image, such as hw_machine_type.
    """

    file: Path | None
    url: str | None
    sha256: str | None
    disk_format: str = "qcow2"
    visibility: str = "public"
    properties: Properties = field(default_factory=dict)


@dataclass(frozen=True)
class Names:
    """Names of a network and of its subnet."""

    network: str
    subnet: str


@dataclass(frozen=True)
class ContentNetworks:
    """The networks that the cloud begins with.

    Attributes:
        public: flat on the provider network, external and shared.
        public_dhcp: whether servers that are plugged into it get their address by DHCP.
        private: the project's own, behind the router.
        private_cidr: its addresses.
        router: the router's name.
    """

    public: Names
    public_dhcp: bool
    private: Names
    private_cidr: IPv4Network
    router: str


@dataclass(frozen=True)
class Content:
    """What is in the cloud for its users.

    Attributes:
        enabled: whether any of it is wanted.
        project, user: their names, in the default domain.
        roles: of the user in the project; None: `member` and those that components of the cloud bring for users.
        quotas: of the project, by the names of `QUOTAS`.
        flavors: by name; public.
        ingress: what the project's default security group lets in: "icmp", "tcp/22", "udp/5000-6000".
        images: by name.
        test_image: the name of the test image; None: there is none.
        key_name: the user's key pair.
        key_file: its public key on the operator's machine; None: a key is made in the cloud's state directory.
        credential: the name of the user's application credential.
    """

    enabled: bool
    project: str
    user: str
    roles: tuple[str, ...] | None
    quotas: Mapping[str, int]
    flavors: Mapping[str, Flavor]
    networks: ContentNetworks
    ingress: tuple[str, ...]
    images: Mapping[str, ImageSource]
    test_image: str | None
    key_name: str
    key_file: Path | None
    credential: str


FLAVORS: Mapping[str, Flavor] = MappingProxyType(
    {
        "hotstack.tiny": Flavor(1, 256, 1),
        "hotstack.small": Flavor(1, 2048, 20),
        "hotstack.medium": Flavor(2, 4096, 40),
        "hotstack.mlarge": Flavor(2, 6144, 60),
        "hotstack.large": Flavor(4, 8192, 80),
        "hotstack.xlarge": Flavor(8, 16384, 160),
        "hotstack.xxlarge": Flavor(12, 32768, 160),
        "hotstack.xxxlarge": Flavor(12, 49152, 160),
    }
)
"""The flavors of a cloud whose settings name none."""
