"""Addresses on interfaces, and kernel switches of the network."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address

from hotstack_os.core.model import Absent, Observation, Present, Ref, Resource
from hotstack_os.core.plan import Action
from hotstack_os.exec import Command, Host

ADDRESS, ROUTE, SYSCTL = "address", "route", "sysctl"


def address(interface: str, cidr: str, node: str, needs: frozenset[Ref]) -> Resource:
    """An IPv4 address with prefix length on an interface."""
    return Resource(Ref(ADDRESS, f"{interface}/{cidr}", node), {"present": True}, needs)


def route(network: str, gateway: str, node: str, needs: frozenset[Ref]) -> Resource:
    """The way to a network."""
    return Resource(Ref(ROUTE, network, node), {"gateway": gateway}, needs)


def sysctl(name: str, value: str, node: str) -> Resource:
    """A kernel parameter, given back as it was found. Several numbers are parted by one space each."""
    return Resource(Ref(SYSCTL, name, node), {"value": value}, foreign="adopt")


def mac_of(address: str) -> str:
    """A MAC address (locally administered) that an IPv4 address always has, for what would have one by chance.

    Others remember who had an address: ovs-vswitchd for a quarter of an hour, for tunnels in its own datapath; kernels
    for half a minute (arp(7), base_reachable_time). What is made anew at an address would not be heard of until then.
    """
    return ":".join(f"{byte:02x}" for byte in (0x02, 0x68, *IPv4Address(address).packed))


class AddressHandler:
    """Names are interface/address/length. The interfaces are the cloud's own."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def observe(self, resources: Sequence[Resource]) -> Mapping[Ref, Observation]:
        shown = json.loads(self._host.run(Command(("ip", "-json", "-4", "address", "show"), "see addresses")).stdout)
        present = {
            f"{link['ifname']}/{each['local']}/{each['prefixlen']}"
            for link in shown
            for each in link.get("addr_info", ())
        }
        return {each.ref: Present({"present": True}) if each.ref.name in present else Absent() for each in resources}

    def apply(self, action: Action) -> None:
        interface, _, cidr = action.ref.name.partition("/")
        verb = "delete" if action.verb == "remove" else "replace"
        if verb == "delete":
            # Else the kernel takes along what was added later in the same network, and all routes with it.
            self._host.run(
                Command(("sysctl", "-qw", f"net.ipv4.conf.{interface}.promote_secondaries=1"), "keep others")
            )
        self._host.run(Command(("ip", "address", verb, cidr, "dev", interface), f"{verb} {cidr} on {interface}"))


class RouteHandler:
    """Names are networks."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def observe(self, resources: Sequence[Resource]) -> Mapping[Ref, Observation]:
        shown = json.loads(self._host.run(Command(("ip", "-json", "-4", "route", "show"), "see routes")).stdout or "[]")
        via = {str(each["dst"]): str(each.get("gateway", "")) for each in shown}
        return {
            each.ref: Present({"gateway": via[each.ref.name]}) if each.ref.name in via else Absent()
            for each in resources
        }

    def apply(self, action: Action) -> None:
        network = action.ref.name
        verb, words = ("delete", ()) if action.verb == "remove" else ("replace", ("via", _gateway(action)))
        self._host.run(Command(("ip", "route", verb, network, *words), f"{verb} the route to {network}"))


def _gateway(action: Action) -> str:
    return str(action.resource.state["gateway"])


class SysctlHandler:
    """Kernel parameters by their sysctl(8) name."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def observe(self, resources: Sequence[Resource]) -> Mapping[Ref, Observation]:
        paths = {each.ref: _path(each.ref.name) for each in resources}
        found = self._host.read(paths.values())
        return {ref: _parameter(found[path]) for ref, path in paths.items()}

    def apply(self, action: Action) -> None:
        setting = f"{action.ref.name}={action.resource.state['value']}"
        self._host.run(Command(("sysctl", "--quiet", "--write", setting), f"set {setting}"))


def _path(name: str) -> str:
    return f"/proc/sys/{name.replace('.', '/')}"


def _parameter(data: bytes | None) -> Observation:
    return Absent() if data is None else Present({"value": " ".join(data.decode().split())})
