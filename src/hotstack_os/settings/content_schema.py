"""The settings of what users find in the cloud, as pydantic models."""

from __future__ import annotations

from ipaddress import IPv4Network
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from hotstack_os.settings import values
from hotstack_os.settings.section import Kind, Section, section, setting

_NAME = r"^[A-Za-z0-9]([A-Za-z0-9_. -]{0,62}[A-Za-z0-9])?$"
ThingName = Annotated[
    str,
    Field(strict=True, pattern=_NAME),
    Kind("a name of at most 64 letters, digits, spaces and _ . - that begins and ends with a letter or digit", "names"),
]
Cores = Annotated[int, Field(strict=True, ge=1, le=1024), Kind("a whole number from 1 to 1024")]
Mebibytes = Annotated[int, Field(strict=True, ge=1, le=2**24), Kind("a number of MiB, at least 1")]
Gigabytes = Annotated[int, Field(strict=True, ge=0, le=2**20), Kind("a number of GB, 0 or more")]
Limit = Annotated[int, Field(strict=True, ge=-1, le=2**31 - 1), Kind("a whole number, or -1 for no limit")]
Truth = Annotated[bool, Field(strict=True), Kind("true or false")]
Private = Annotated[IPv4Network, BeforeValidator(values.network(29)), Kind("an IPv4 network of /29 or larger")]
PropertyName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]{0,254}$"), Kind("a property's name")]
PropertyValue = Annotated[
    str,
    BeforeValidator(values.property_text),
    WithJsonSchema({"type": ["string", "number", "boolean"]}),
    Kind("a text, a number, true or false"),
]
LocalFile = Annotated[Path, BeforeValidator(values.local_file), Kind("an absolute path of a file of this machine")]
Url = Annotated[
    str, BeforeValidator(values.download), WithJsonSchema({"type": "string", "format": "uri"}),
    Kind("an http or https URL"),
]  # fmt: skip
Sha256 = Annotated[
    str,
    BeforeValidator(values.sha256),
    WithJsonSchema({"type": "string", "pattern": "^[0-9a-fA-F]{64}$"}),
    Kind("a SHA-256 checksum: 64 hexadecimal digits"),
]
DiskFormat = Annotated[
    Literal["qcow2", "raw", "iso", "vdi", "vmdk"],
    BeforeValidator(values.disk_format),
    Kind("one of qcow2, raw, iso, vdi, vmdk"),
]
Visibility = Annotated[
    Literal["public", "community", "shared", "private"], Kind("one of public, community, shared, private")
]
Ingress = Annotated[
    str,
    BeforeValidator(values.ingress),
    Kind("icmp, tcp/PORT, udp/PORT, tcp/FIRST-LAST or udp/FIRST-LAST", "icmp, tcp/PORT or udp/FIRST-LAST"),
]


class Flavor(Section):
    """A size of servers."""

    vcpus: Cores = setting(1, "Processors.")
    ram: Mebibytes = setting(2048, "Memory in MiB.")
    disk: Gigabytes = setting(20, "Disk in GB; 0 for as much as the image has.")
    properties: dict[PropertyName, PropertyValue] = Field(
        default_factory=dict, description="Extra specs.", json_schema_extra={"x-derived": "nothing"}
    )


class Image(Section):
    """An image and where its bytes come from."""

    file: LocalFile | None = setting(None, "Its file on this machine.", "nothing")
    url: Url | None = setting(None, "Where it is downloaded from, once; needs `sha256`.", "nothing")
    sha256: Sha256 | None = setting(
        None, "Checksum of its bytes. A file without one is read whole by every run.", "what the file has"
    )
    disk_format: DiskFormat = setting("qcow2", "Format of the disk.")
    visibility: Visibility = setting("public", "Who sees it.")
    properties: dict[PropertyName, PropertyValue] = Field(
        default_factory=dict, description="Properties of the image.", json_schema_extra={"x-derived": "nothing"}
    )


class Quotas(Section):
    """Limits of the project."""

    cores: Limit = setting(96, "Processors of all servers.")
    ram: Limit = setting(300 * 1024, "Memory of all servers in MiB.")
    instances: Limit = setting(50, "Servers.")
    key_pairs: Limit = setting(100, "Key pairs of a user.")
    server_groups: Limit = setting(50, "Server groups.")
    networks: Limit = setting(200, "Networks.")
    subnets: Limit = setting(200, "Subnets.")
    ports: Limit = setting(1000, "Ports.")
    routers: Limit = setting(50, "Routers.")
    floating_ips: Limit = setting(100, "Floating IPs.")
    security_groups: Limit = setting(200, "Security groups.")
    security_group_rules: Limit = setting(2000, "Rules of all security groups.")
    volumes: Limit = setting(200, "Volumes.")
    gigabytes: Limit = setting(10_000, "Size of all volumes and snapshots in GB.")
    snapshots: Limit = setting(200, "Snapshots of volumes.")


class Public(Section):
    """The network that reaches the outside."""

    name: ThingName = setting("public", "Its name. It is flat on the provider network, external and shared.")
    subnet: ThingName = setting("public-subnet", "Name of its subnet, whose pool is that of the floating IPs.")
    dhcp: Truth = setting(False, "Whether servers that are plugged into it directly get their address by DHCP.")


class PrivateNetwork(Section):
    """The project's own network."""

    name: ThingName = setting("private", "Its name.")
    subnet: ThingName = setting("private-subnet", "Name of its subnet.")
    cidr: Private = setting(IPv4Network("192.168.100.0/24"), "Its addresses; the first is the router's.")


class ContentNetworks(Section):
    """Networks that the cloud begins with."""

    public: Public = section(Public, "The network that reaches the outside.")
    private: PrivateNetwork = section(PrivateNetwork, "The project's own network.")
    router: ThingName = setting("router1", "Name of the router between the two.")


class TestImage(Section):
    """The program's own test image."""

    enabled: Truth = setting(True, "Whether it is built and uploaded.")
    name: ThingName = setting("hotstack-guest", "Its name.")


class KeyPair(Section):
    """The user's key pair."""

    name: ThingName = setting("hotstack", "Its name.")
    file: LocalFile | None = setting(
        None, "File of this machine with the public key.", "a key is made: id_ed25519 in the cloud's state directory"
    )


class Content(Section):
    """What is in the cloud for its users."""

    enabled: Truth = setting(True, "Whether any of this is wanted.")
    project: ThingName = setting("hotstack", "The project that has all this.")
    user: ThingName = setting("hotstack", "Its user; the password is made and stands in clouds.yaml.")
    roles: list[ThingName] | None = Field(
        None,
        description="Roles of the user in the project.",
        json_schema_extra={"x-derived": "member, and what the cloud's components have for users (heat_stack_owner)"},
    )
    quotas: Quotas = section(Quotas, "Limits of the project.")
    flavors: dict[ThingName, Flavor] | None = Field(
        None,
        description="Sizes of servers by name; those that are given take the place of all default ones.",
        json_schema_extra={"x-derived": "hotstack.tiny, small, medium, mlarge, large, xlarge, xxlarge, xxxlarge"},
    )
    networks: ContentNetworks = section(ContentNetworks, "Networks that the cloud begins with.")
    ingress: list[Ingress] = Field(
        default_factory=lambda: ["icmp", "tcp/22"],
        description="What the project's default security group lets in from everywhere.",
        json_schema_extra={"x-derived": "[icmp, tcp/22]"},
    )
    images: dict[ThingName, Image] = Field(
        default_factory=dict, description="Images by name.", json_schema_extra={"x-derived": "nothing"}
    )
    test_image: TestImage = section(TestImage, "The program's own test image.")
    key: KeyPair = section(KeyPair, "The user's key pair.")
    credential: ThingName = setting("hotstack", "Name of the user's application credential (cloud-secret.yaml).")
