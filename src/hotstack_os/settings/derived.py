"""What follows from other settings. Total functions: they answer for every network that the schema lets through."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address
from pathlib import PurePosixPath
from types import MappingProxyType

from hotstack_os.settings.cloud import Networks, Paths
from hotstack_os.settings.content import FLAVORS, Content, ContentNetworks, Flavor, ImageSource, Names
from hotstack_os.settings.content_schema import Content as ContentSettings
from hotstack_os.settings.content_schema import ContentNetworks as ContentNetworkSettings
from hotstack_os.settings.schema import FurtherNode
from hotstack_os.settings.schema import Networks as NetworkSettings
from hotstack_os.settings.schema import Paths as PathSettings

DNS_OFFSET = 10
POOL = 71
LEAST_POOL = 4


def networks(settings: NetworkSettings) -> Networks:
    """All addresses of a cloud."""
    gateway = settings.gateway or settings.provider.network_address + 1
    first, last = _pool(settings, gateway)
    return Networks(
        containers=settings.containers,
        provider=settings.provider,
        gateway=gateway,
        dns=settings.dns or settings.containers.network_address + DNS_OFFSET,
        floating_first=first,
        floating_last=last,
        mtu=settings.mtu,
        vlans=settings.vlans,
    )


def _pool(settings: NetworkSettings, gateway: IPv4Address) -> tuple[IPv4Address, IPv4Address]:
    """The pool of floating IPs: above the gateway and below the last quarter, which is for further nodes.

    Below the gateway where above it is no room. Addresses that the user gave stay as they are.
    """
    low, high = int(settings.provider.network_address), int(settings.provider.broadcast_address)
    top = high - 1 - settings.provider.num_addresses // 4
    first = int(settings.floating.first or 0)
    last = int(settings.floating.last or 0)
    if not (first or last) and int(gateway) + LEAST_POOL > top:
        last = int(gateway) - 1
        return IPv4Address(max(low + 1, last - POOL + 1)), IPv4Address(last)
    first = first or int(gateway) + 1
    last = last or max(first, min(first + POOL - 1, top))
    return IPv4Address(first), IPv4Address(last)


def nodes(settings: Mapping[str, FurtherNode], networks: Networks) -> Mapping[str, IPv4Address]:
    """The address of each further node: its own, or the highest that nobody else was given."""
    given = {each.address for each in settings.values() if each.address}
    low, high = int(networks.provider.network_address), int(networks.provider.broadcast_address)
    downwards = (IPv4Address(number) for number in range(high - 1, low, -1))
    free = (each for each in downwards if each not in given | {networks.gateway, networks.dns})
    return MappingProxyType({name: each.address or next(free, networks.gateway) for name, each in settings.items()})


def paths(settings: PathSettings) -> Paths:
    """All directories of a node."""

    def below(name: str) -> PurePosixPath:
        return settings.data / name

    return Paths(
        data=settings.data,
        instances=settings.instances or below("nova-instances"),
        volumes=settings.volumes or below("cinder-nfs"),
        mounts=settings.mounts or below("nova-mnt"),
    )


def content(settings: ContentSettings) -> Content:
    """All that users find in a cloud."""
    own = {name: Flavor(**dict(each)) for name, each in (settings.flavors or {}).items()}
    return Content(
        enabled=settings.enabled,
        project=settings.project,
        user=settings.user,
        roles=None if settings.roles is None else tuple(settings.roles),
        quotas=MappingProxyType(settings.quotas.model_dump()),
        flavors=FLAVORS if settings.flavors is None else MappingProxyType(own),
        networks=_content_networks(settings.networks),
        ingress=tuple(settings.ingress),
        images=MappingProxyType({name: ImageSource(**dict(each)) for name, each in settings.images.items()}),
        test_image=settings.test_image.name if settings.test_image.enabled else None,
        key_name=settings.key.name,
        key_file=settings.key.file,
        credential=settings.credential,
    )


def _content_networks(settings: ContentNetworkSettings) -> ContentNetworks:
    return ContentNetworks(
        public=Names(settings.public.name, settings.public.subnet),
        public_dhcp=settings.public.dhcp,
        private=Names(settings.private.name, settings.private.subnet),
        private_cidr=settings.private.cidr,
        router=settings.router,
    )
