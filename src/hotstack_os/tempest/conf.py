"""tempest.conf of a cloud: what its settings say, and what it was seen to have. Pure.

Options and their meaning: tempest/config.py. Where an option says "feature", false means that Tempest skips the tests
of it; so each false one here has its reason, and docs/CONFORMANCE.md has the tests.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hotstack_os.catalogue import cinder, nova
from hotstack_os.catalogue.context import Context
from hotstack_os.catalogue.spec import Ini, Value
from hotstack_os.hidden import Hidden
from hotstack_os.render import ini

Section = Mapping[str, Value]
SECONDS = 300
"""How long a server, an image or a volume may take."""


@dataclass(frozen=True)
class Microversions:
    """The lowest and the highest that an API speaks."""

    lowest: str
    highest: str


@dataclass(frozen=True)
class Seen:
    """What there is in the cloud, by asking its APIs.

    Attributes:
        images, flavors: ids of the one that tests use, and of another.
        public_network: id and name of the network with the floating IPs.
        extensions: aliases of Neutron's API extensions.
        volume_extensions: aliases of Cinder's.
        compute, volume, placement: what these APIs speak.
        hypervisor: its type as Nova tells it.
    """

    images: tuple[str, str]
    flavors: tuple[str, str]
    public_network: tuple[str, str]
    extensions: tuple[str, ...]
    volume_extensions: tuple[str, ...]
    compute: Microversions
    volume: Microversions
    placement: Microversions
    hypervisor: str


@dataclass(frozen=True)
class Places:
    """Where things are on this machine.

    Attributes:
        work: the directory in which Tempest runs.
        image: the file of an image that boots.
    """

    work: Path
    image: Path


def tempest_conf(context: Context, seen: Seen, places: Places) -> Hidden:
    """The file, which holds the administrator's password."""
    return ini.whole(sections(context, seen, places), context.secret("keystone-admin"))


def sections(context: Context, seen: Seen, places: Places) -> Ini:
    """Its options."""
    return {
        "DEFAULT": {"log_file": str(places.work / "tempest.log"), "debug": True, "use_stderr": False},
        "oslo_concurrency": {"lock_path": str(places.work / "locks")},
        **_identity(context),
        **_compute(context, seen),
        **_network(seen),
        **_volume(seen),
        # Glance holds images to their formats. Whatever bytes there are make a raw one: with that format alone Tempest
        # makes up images without a lie, and skips no test for fear of one.
        "image": {"build_timeout": SECONDS, "disk_formats": ("raw",), "container_formats": ("bare",)},
        "image-feature-enabled": {
            "import_image": True,
            "os_glance_reserved": True,
            "image_format_enforcement": False,
        },
        "placement": _spoken(seen.placement),
        "validation": _validation(context),
        "scenario": {
            "img_file": str(places.image),
            "img_disk_format": "qcow2",
            # Its addresses are renewed by clients that run for each card by themselves (images/files/guest/network).
            "dhcp_client": "",
            # Its root is in memory; this is what survives a reboot, and is in a snapshot.
            "target_dir": "/disk",
        },
        "service_available": dict.fromkeys(("cinder", "neutron", "glance", "nova"), True)
        | {"swift": False, "horizon": False},
        "enforce_scope": dict.fromkeys(("nova", "neutron", "glance", "cinder", "keystone", "placement"), True),
    }


def _identity(context: Context) -> Ini:
    return {
        "auth": {
            "use_dynamic_credentials": True,
            "create_isolated_networks": True,
            "admin_username": "admin",
            "admin_project_name": "admin",
            "admin_domain_name": "Default",
            "admin_password": context.secret("keystone-admin"),
        },
        "identity": {
            "uri_v3": context.url("keystone", "/v3"),
            "auth_version": "v3",
            "region": context.cloud.region,
            "v3_endpoint_type": "public",
        },
        "identity-feature-enabled": {
            "trust": True,
            "access_rules": True,
            # No rules for passwords, and one domain's driver for all: Keystone's defaults.
            "security_compliance": False,
            "domain_specific_drivers": False,
        },
    }


def _compute(context: Context, seen: Seen) -> Ini:
    (flavor, flavor_alt), (image, image_alt) = seen.flavors, seen.images
    return {
        "compute": {
            "flavor_ref": flavor,
            "flavor_ref_alt": flavor_alt,
            "image_ref": image,
            "image_ref_alt": image_alt,
            "build_timeout": SECONDS,
            "hypervisor_type": seen.hypervisor,
            "min_compute_nodes": 1,
            **_spoken(seen.compute),
        },
        "compute-feature-enabled": {
            "console_output": True,
            "vnc_console": True,
            "metadata_service": True,
            "config_drive": True,
            "interface_attach": True,
            "snapshot": True,
            "pause": True,
            "suspend": True,
            "shelve": True,
            "rescue": True,
            "stable_rescue": True,
            # Nova's own since 26: a name with dots is no host name with a domain.
            "hostname_fqdn_sanitization": True,
            # Within one node only where Nova may.
            "resize": bool(nova.nova_conf(nova.CELL0)(context)["DEFAULT"].get("allow_resize_to_same_host", False)),
            # One node.
            "cold_migration": False,
            "live_migration": False,
            "shelve_migrate": False,
            # Needs an agent within the server.
            "change_password": False,
            # Needs Barbican.
            "attach_encrypted_volume": False,
            "swap_volume": True,
            # Cinder's NFS driver has no volumes for several servers.
            "volume_multiattach": False,
        },
    }


def _network(seen: Seen) -> Ini:
    identity, name = seen.public_network
    return {
        "network": {
            "public_network_id": identity,
            "floating_network_name": name,
            "project_networks_reachable": False,
            "build_timeout": SECONDS,
        },
        "network-feature-enabled": {
            "api_extensions": seen.extensions,
            "port_security": "port-security" in seen.extensions,
            "ipv6": True,
            "ipv6_subnet_attributes": True,
            "floating_ips": True,
        },
    }


def _volume(seen: Seen) -> Ini:
    return {
        "volume": {
            "build_timeout": SECONDS,
            "storage_protocol": "nfs",
            "vendor_name": "Open Source",
            "backend_names": cinder.BACKEND,
            **_spoken(seen.volume),
        },
        "volume-feature-enabled": {
            "api_extensions": seen.volume_extensions,
            "snapshot": True,
            "clone": True,
            "extend_volume_with_snapshot": True,
            # There is no cinder-backup, and one backend.
            "backup": False,
            "multi_backend": False,
            "extend_attached_volume": True,
            # The NFS driver cannot.
            "manage_volume": False,
            "manage_snapshot": False,
        },
    }


def _validation(context: Context) -> Section:
    return {
        "run_validation": True,
        "connect_method": "floating",
        "network_for_ssh": context.cloud.content.networks.public.network,
        "floating_ip_range": str(context.cloud.networks.provider),
        "image_ssh_user": "root",
        "image_alt_ssh_user": "root",
        "ssh_timeout": SECONDS,
        "ping_timeout": SECONDS,
    }


def _spoken(versions: Microversions) -> Section:
    return {"min_microversion": versions.lowest, "max_microversion": versions.highest}
