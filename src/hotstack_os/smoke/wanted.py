"""What the scenario takes from the settings of the cloud. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from hotstack_os.errors import HotstackError
from hotstack_os.settings.cloud import Cloud
from hotstack_os.settings.content import Flavor

PRIVATE = IPv4Network("192.168.0.0/16")


@dataclass(frozen=True)
class Wanted:
    """What the stack is made of, and what its guests must find.

    Attributes:
        image, flavor, public: names of the image, the flavor and the external network.
        dns: the cloud's name server.
        access, vlan: addresses of the stack's two networks.
        api, api_address: an API that guests ask by name (a host name with a port), and where that name leads to.
    """

    image: str
    flavor: str
    public: str
    dns: IPv4Address
    access: IPv4Network
    vlan: IPv4Network
    api: str
    api_address: IPv4Address

    @property
    def parameters(self) -> dict[str, str]:
        """Parameters of the template that do not change from run to run."""
        return {
            "image": self.image,
            "flavor": self.flavor,
            "public": self.public,
            "dns": str(self.dns),
            "access_cidr": str(self.access),
            "vlan_cidr": str(self.vlan),
        }


def wanted(cloud: Cloud) -> Wanted:
    """What a cloud's content makes of it; HotstackError where it has no test image to start."""
    content, networks = cloud.content, cloud.networks
    if not content.enabled or not content.test_image:
        missing = "content.test-image.enabled" if content.enabled else "content.enabled"
        raise HotstackError("a cloud with the test image", f"{missing}: false", "Set it to true and run up.")
    access, vlan, *_ = free_networks([networks.containers, networks.provider])
    return Wanted(
        image=content.test_image,
        flavor=smallest(content.flavors),
        public=content.networks.public.network,
        dns=networks.dns,
        access=access,
        vlan=vlan,
        api=f"keystone.{cloud.domain}:{cloud.ports['keystone']}",
        api_address=networks.gateway,
    )


def smallest(flavors: Mapping[str, Flavor]) -> str:
    """The name of the flavor with the least memory, processors and disk."""
    if not flavors:
        raise HotstackError("a flavor in the cloud's content", "none", "Name one in content.flavors.")
    return min(flavors, key=lambda name: (flavors[name].ram, flavors[name].vcpus, flavors[name].disk))


def free_networks(taken: Iterable[IPv4Network]) -> Iterator[IPv4Network]:
    """Private networks of 254 addresses that overlap nothing of the cloud's own."""
    used = tuple(taken)
    return (each for each in PRIVATE.subnets(new_prefix=24) if not any(each.overlaps(other) for other in used))
