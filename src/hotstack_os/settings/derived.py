"""What follows from other settings. Total functions: they answer for every network that the schema lets through."""

from __future__ import annotations

from ipaddress import IPv4Address
from pathlib import PurePosixPath

from hotstack_os.settings.cloud import Networks, Paths
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
