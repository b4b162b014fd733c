"""Who gets through a node, tried with packets: a server, a container, and a network that the machine has besides."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest

from hotstack_os.exec import Command
from hotstack_os.exec.wait import until
from hotstack_os.network import firewall
from integration.handlers.conftest import Place
from unit.network.test_firewall import NETWORKS

SERVER, CONTAINER, FOREIGN = "10.1.0.130", "10.1.0.2", "192.0.2.2"
WIRES = {
    "server": ("hot-t", f"{NETWORKS.gateway}/25", SERVER, 25),
    "container": ("hot-c", "10.1.0.1/25", CONTAINER, 25),
    "foreign": ("lan", "192.0.2.1/24", FOREIGN, 24),
}
"""Name space → the node's end of its wire with its address, its own address and the network's length."""
NAT = f"""
table ip test_nat {{
  chain prerouting {{
    type nat hook prerouting priority dstnat;
    ip daddr {NETWORKS.gateway} tcp dport 5000 dnat to {CONTAINER}:8000
    ip daddr {NETWORKS.gateway} tcp dport 5001 dnat to {FOREIGN}:8000
  }}
}}
"""


@pytest.fixture(scope="module")
def wired(place: Place) -> Iterator[Place]:
    """A node that forwards, and publishes a container's port as podman does, and one of another network."""
    for name, (device, outer, address, length) in WIRES.items():
        place.sh(
            f"ip netns add {name} && ip link add {device} type veth peer name eth0 netns {name}"
            f" && ip address add {outer} dev {device} && ip link set {device} up"
            f" && ip -n {name} address add {address}/{length} dev eth0 && ip -n {name} link set lo up"
            f" && ip -n {name} link set eth0 up && ip -n {name} route add default via {outer.partition('/')[0]}"
        )
        if name != "server":
            serve = "python3 -m http.server 8000 --directory /srv"
            place.sh(f"systemd-run --unit=test-{name} ip netns exec {name} {serve}")
    before = place.sh("sysctl --values net.ipv4.ip_forward").strip()
    place.sh("sysctl -qw net.ipv4.ip_forward=1")
    place.host.write("/srv/nat.nft", NAT, mode=0o644)
    place.host.write("/srv/rules.nft", firewall.rules(NETWORKS, "hot-t", [5000]), mode=0o644)
    place.sh("nft -f /srv/nat.nft")
    for name in ("container", "foreign"):
        until(partial(gets, place, connect("", WIRES[name][2], 8000)), f"the listener in {name}", seconds=20)
    yield place
    place.sh(f"sysctl -qw net.ipv4.ip_forward={before}; nft delete table ip test_nat")
    for name in WIRES:
        place.sh(f"systemctl stop test-{name} 2> /dev/null; ip netns delete {name}")


def connect(name: str, address: str, port: int) -> str:
    """A shell line that succeeds if a TCP connection from a name space does."""
    prefix = f"ip netns exec {name} " if name else ""
    return f"{prefix}python3 -c 'import socket; socket.create_connection((\"{address}\", {port}), 2)' 2> /dev/null"


def gets(place: Place, line: str) -> bool:
    return place.host.run(Command(("sh", "-c", line), accept=frozenset({0, 1, 2}))).status == 0


def reach(place: Place) -> dict[str, bool]:
    ping = "ip netns exec {} ping -c1 -W1 {}"
    return {
        "a published port": gets(place, connect("server", str(NETWORKS.gateway), 5000)),
        "the container": gets(place, connect("server", CONTAINER, 8000)),
        "another network": gets(place, connect("server", FOREIGN, 8000)),
        "another network by ping": gets(place, ping.format("server", FOREIGN)),
        "another network by another's translation": gets(place, connect("server", str(NETWORKS.gateway), 5001)),
        "a server from there": gets(place, ping.format("foreign", SERVER)),
        "there from a container": gets(place, connect("container", FOREIGN, 8000)),
    }


def test_a_server_gets_to_published_ports_and_nowhere_else(wired: Place) -> None:
    assert set(reach(wired).values()) == {True}  # without rules all of it is possible
    wired.sh("nft -f /srv/rules.nft")
    try:
        refused = {what for what, possible in reach(wired).items() if not possible}
    finally:
        wired.sh(f"nft delete table inet {firewall.NAME}")
    assert refused == {
        "the container",
        "another network",
        "another network by ping",
        "another network by another's translation",
    }
