"""Every kind of network and port that people use, with traffic on it: one stack with a card for each."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from hotstack_os.exec.wait import until
from system.conftest import CloudUnderTest
from system.servers import Server, loss, stack

pytestmark = pytest.mark.long
NUMBERS = {"x": 1, "y": 2, "z": 3}
CARDS = {"access": 1, "provider": 2, "parent": 3, "first": 4, "second": 5, "manual": 6, "isolated": 7, "slaac": 8,
         "stateful": 9, "far": 10}  # fmt: skip
LIMIT = 4000
"""Kilobits a second that x may send on the isolated network."""
PORT = 7000


@dataclass(frozen=True)
class Lab:
    """Three servers, and what their stack says of itself."""

    cloud: CloudUnderTest
    x: Server
    y: Server
    z: Server
    outputs: dict[str, Any]


@pytest.fixture(scope="module")
def lab(cloud: CloudUnderTest) -> Iterator[Lab]:
    template = (resources.files("system") / "networks.yaml").read_text()
    vlan = str(cloud.wanted.networks.vlans[0] + 5)
    with stack(cloud, "test-networks", template, vlan=vlan) as outputs:
        x, y, z = (Server(cloud, name, *outputs[name]) for name in NUMBERS)
        for server in (x, y, z):
            server.wait()
        yield Lab(cloud, x, y, z, outputs)


def mac(server: Server, network: str) -> str:
    """The address that the template gives to a server's card in a network."""
    return f"fa:16:3e:70:{CARDS[network]:02x}:{NUMBERS[server.name]:02x}"


def card(server: Server, network: str) -> str:
    """The name of a server's card in a network."""
    found = server.ssh(f"grep -l {mac(server, network)} /sys/class/net/eth*/address")
    return found.split("/")[4]


def addresses(server: Server, name: str) -> str:
    return server.ssh(f"ip address show dev {name}")


def gets(server: Server, name: str, text: str, seconds: float = 60) -> None:
    """Wait until a card has an address, and for IPv6 until nobody else was found to have it."""

    def has() -> bool:
        return text in (found := addresses(server, name)) and "tentative" not in found

    until(has, f"{text} on {name} of {server.name}", seconds=seconds, step=1, last=lambda: addresses(server, name))


def passes(server: Server, target: str, *options: str) -> int:
    """How many of five echo requests came back."""
    words = " ".join(options)
    said = server.ssh(f"ping -q -c 5 -W 2 {words} {target} || true")
    found = re.search(r"(\d+) packets transmitted, (\d+) packets received", said)
    assert found, said
    return int(found[2])


def add(server: Server, name: str, address: str) -> None:
    server.ssh(f"ip link set {name} up && ip address replace {address} dev {name}")


def test_a_port_has_the_addresses_that_were_asked_for(lab: Lab) -> None:
    name = card(lab.x, "access")
    assert "inet 192.168.70.11/24" in addresses(lab.x, name)
    assert mac(lab.x, "access") in addresses(lab.x, name)


def test_a_vlan_of_the_physical_network_carries_traffic_with_its_tag(lab: Lab) -> None:
    gets(lab.x, card(lab.x, "provider"), "192.168.71.11/24")
    gets(lab.y, card(lab.y, "provider"), "192.168.71.12/24")
    mtu = lab.cloud.wanted.networks.mtu  # nothing is put around its packets
    for server, other in ((lab.x, "192.168.71.12"), (lab.y, "192.168.71.11")):
        assert server.ssh(f"cat /sys/class/net/{card(server, 'provider')}/mtu") == f"{mtu}\n"
        assert passes(server, other, f"-s {mtu - 28}") == 5
    vlan = lab.cloud.wanted.networks.vlans[0] + 5
    outside = "ovs-vsctl --may-exist add-port hot-ex outside tag={} -- set interface outside type=internal"
    try:
        # Somebody else on that VLAN of the physical network; with another tag he is not heard.
        up = "ip address replace 192.168.71.200/24 dev outside; ip link set outside up"
        lab.cloud.shell(f"{outside.format(vlan)}; {up}")
        assert loss(lab.cloud.shell("ping -q -c 5 -i 0.3 192.168.71.11")) == (5, 5)
        lab.cloud.shell(f"ovs-vsctl set port outside tag={vlan + 1}")
        assert loss(lab.cloud.shell("ping -q -c 3 -W 1 192.168.71.11 || true")) == (3, 0)
    finally:
        lab.cloud.shell("ovs-vsctl --if-exists del-port outside")


@pytest.mark.parametrize(("network", "tag", "third"), [("first", 11, 73), ("second", 12, 74)])
def test_each_subport_of_a_trunk_is_in_its_own_network(lab: Lab, network: str, tag: int, third: int) -> None:
    parent, name = card(lab.x, "parent"), f"sub{tag}"
    lab.x.ssh(f"ip link add link {parent} name {name} type vlan id {tag}")
    lab.x.ssh(f"ip link set {name} address {mac(lab.x, network)}")
    add(lab.x, name, f"192.168.{third}.11/24")
    gets(lab.y, card(lab.y, network), f"192.168.{third}.12/24")
    assert passes(lab.x, f"192.168.{third}.12") == 5


def test_a_network_without_dhcp_gives_no_addresses(lab: Lab) -> None:
    name = card(lab.x, "manual")
    assert "inet " not in addresses(lab.x, name)
    add(lab.x, name, "192.168.75.11/24")
    add(lab.y, card(lab.y, "manual"), "192.168.75.12/24")
    assert passes(lab.x, "192.168.75.12") == 5


def test_only_addresses_that_are_allowed_may_be_used(lab: Lab) -> None:
    x, y = card(lab.x, "manual"), card(lab.y, "manual")
    add(lab.x, x, "192.168.75.11/24")
    add(lab.x, x, "192.168.75.200/24")
    for last in (12, 201, 202):
        add(lab.y, y, f"192.168.75.{last}/24")
    # x has no port security; y has, and one address pair.
    assert passes(lab.x, "192.168.75.12", "-I", "192.168.75.200") == 5
    assert passes(lab.y, "192.168.75.11", "-I", "192.168.75.202") == 5
    assert passes(lab.y, "192.168.75.11", "-I", "192.168.75.201") == 0


def test_options_of_dhcp_reach_the_server(lab: Lab) -> None:
    name = card(lab.x, "isolated")
    show = 'printf "#!/bin/sh\\nset\\n" > /tmp/show && chmod 755 /tmp/show'
    said = lab.x.ssh(f"{show} && udhcpc -f -q -n -i {name} -O bootfile -O tftp -s /tmp/show 2>&1")
    assert "http://192.168.76.12/boot.efi" in said
    assert re.search(r"tftp='?192\.168\.76\.12", said), said


def test_metadata_answers_on_a_network_without_a_router(lab: Lab) -> None:
    name = card(lab.x, "isolated")
    route = lab.x.ssh(f"ip route show dev {name} | grep 169.254.169.254").split()
    lab.x.ssh(f"ip route add 169.254.169.254/32 via {route[2]} dev {name} metric 0")
    try:
        said = lab.x.ssh("wget -q -O - http://169.254.169.254/openstack/latest/meta_data.json")
        assert '"name": "net-x"' in said
    finally:
        lab.x.ssh(f"ip route del 169.254.169.254/32 via {route[2]} dev {name} metric 0")


def test_ipxe_starts_from_usb_and_loads_by_http_what_dhcp_names(lab: Lab, tmp_path: Path) -> None:
    """Debian's iPXE, made from a CD that is a disk as well. Its script asks for something that only iPXE knows."""
    cloud, server = lab.cloud, ("192.168.76.12", 7015)
    where = "http://{}:{}".format(*server)
    subprocess.run(["apt-get", "download", "ipxe"], cwd=tmp_path, check=True, capture_output=True)
    subprocess.run(["dpkg-deb", "--extract", *map(str, tmp_path.glob("ipxe_*.deb")), "."], cwd=tmp_path, check=True)
    script = f'"#!ipxe\\nchain {where}/from-\\${{net0/mac:hexhyp}}\\n"'
    lab.y.ssh(f"mkdir -p /tmp/www && printf {script} > /tmp/www/start.ipxe")
    lab.y.ssh(f"httpd -f -vv -p {server[1]} -h /tmp/www > /tmp/httpd.log 2>&1 & echo $! > /tmp/httpd.pid")
    network = lab.cloud.openstack("port", "list", "--mac-address", mac(lab.x, "isolated"), "--long")[0]
    disk, option = tmp_path / "ipxe.usb", f"name=67,value={where}/start.ipxe"
    # Glance takes no CD for a disk: without its mark it is none. Its loader does not look at that.
    disk.write_bytes((tmp_path / "usr/lib/ipxe/ipxe.iso").read_bytes().replace(b"CD001", bytes(5)))
    made: list[tuple[str, ...]] = []
    try:
        usb = ("--disk-format", "raw", "--property", "hw_disk_bus=usb")
        cloud.client("image", "create", "--file", str(disk), *usb, "ipxe-usb")
        made.append(("image", "delete", "ipxe-usb"))
        of = cloud.openstack("port", "show", network["ID"])["network_id"]
        port = cloud.openstack("port", "create", "--network", of, "--extra-dhcp-option", option, "ipxe")
        made.append(("port", "delete", "ipxe"))
        given = ("--image", "ipxe-usb", "--flavor", "hotstack.tiny", "--port", port["id"], "--wait")
        cloud.client("server", "create", *given, "ipxe")
        made.append(("server", "delete", "--wait", "ipxe"))
        wanted = "/from-" + port["mac_address"].replace(":", "-")
        log = "cat /tmp/httpd.log"
        until(lambda: wanted in lab.y.ssh(log), wanted, seconds=120, step=2, last=lambda: lab.y.ssh(log))
    finally:
        for words in reversed(made):
            cloud.client(*words)
        lab.y.ssh("kill $(cat /tmp/httpd.pid)")


def seconds_to_send(source: Server, target: Server, address: str, megabytes: int) -> float:
    """How long so many MB take from one server to the other."""
    port = 7010
    # BusyBox's nc ends when the other side has nothing more to say: the receiver keeps its mouth open.
    target.ssh(f"sleep 60 | nc -l -p {port} > /dev/null 2>&1 & sleep 0.5")
    began = time.monotonic()
    source.ssh(f"dd if=/dev/zero bs=1M count={megabytes} 2> /dev/null | nc {address} {port}")
    return time.monotonic() - began


def test_a_limit_of_bandwidth_is_kept(lab: Lab) -> None:
    sent = 4  # MB
    limited = seconds_to_send(lab.x, lab.y, "192.168.76.12", sent)
    free = seconds_to_send(lab.y, lab.x, "192.168.70.11", sent)
    rate = sent * 8 * 1024 * 1.024 / limited
    assert rate < LIMIT * 1.25, f"{rate:.0f} kbit/s of {LIMIT}"
    assert rate > LIMIT * 0.4, f"{rate:.0f} kbit/s of {LIMIT}"
    assert free < limited / 2


def test_ipv6_addresses_of_the_router_s_prefix(lab: Lab) -> None:
    target = lab.outputs["y_slaac"]
    gets(lab.x, card(lab.x, "slaac"), "inet6 fd00:70:")
    gets(lab.y, card(lab.y, "slaac"), f"inet6 {target}/64")
    assert passes(lab.x, target, "-6") == 5


def test_ipv6_addresses_by_dhcp(lab: Lab) -> None:
    takes = "[ -z \\$ipv6 ] || ip -6 address replace \\$ipv6/64 dev \\$interface"
    script = f'printf "#!/bin/sh\\n{takes}\\n" > /tmp/six; chmod 755 /tmp/six'
    for server in (lab.x, lab.y):
        name = card(server, "stateful")
        server.ssh(f"{script}; udhcpc6 -f -q -n -i {name} -s /tmp/six")
        gets(server, name, f"inet6 {lab.outputs[f'{server.name}_stateful']}/")
    assert passes(lab.x, lab.outputs["y_stateful"], "-6") == 5


def test_static_routes_lead_through_two_routers(lab: Lab) -> None:
    name = card(lab.z, "far")
    gets(lab.z, name, "192.168.79.13/24")
    # z is in x's network too; its answers are to go the way that the questions came.
    lab.z.ssh(f"ip route replace 192.168.70.11/32 via 192.168.79.1 dev {name}")
    assert passes(lab.x, "192.168.79.13") == 5
    # The third asks for an answer to UDP, which nobody lets in.
    hops = lab.x.ssh("traceroute -n -m 2 -w 2 -q 1 192.168.79.13")
    assert re.findall(r"^ *\d +([\d.]+)", hops, re.MULTILINE) == ["192.168.70.1", "192.168.78.200"], hops


def test_a_rule_may_name_a_group_of_servers(lab: Lab) -> None:
    lab.y.ssh(f"(while :; do echo welcome | nc -l -p {PORT} > /dev/null; done) > /dev/null 2>&1 & sleep 0.5")
    question = f"sleep 1 | nc -w 3 192.168.70.12 {PORT} || true"
    assert lab.x.ssh(question) == "welcome\n"
    assert lab.z.ssh(question) == ""


def port(lab: Lab, server: Server) -> str:
    """The id of the port by which a server is reached."""
    return str(lab.cloud.openstack("port", "list", "--mac-address", mac(server, "access"))[0]["ID"])


def test_a_floating_ip_moves_to_another_server(lab: Lab) -> None:
    def move(address: str, server: Server) -> None:
        lab.cloud.client("floating", "ip", "set", "--port", port(lab, server), address)

    def answers(address: str, name: str) -> None:
        there = Server(lab.cloud, name, "", address)
        until(lambda: there.ssh("hostname", accept=(0, 255)) == f"{name}\n", f"{name} at {address}", seconds=30, step=1)

    answers(lab.z.floating, "net-z")
    lab.cloud.client("floating", "ip", "unset", "--port", lab.x.floating)
    try:
        move(lab.z.floating, lab.x)
        answers(lab.z.floating, "net-x")
    finally:
        move(lab.z.floating, lab.z)
        move(lab.x.floating, lab.x)
    answers(lab.z.floating, "net-z")
    answers(lab.x.floating, "net-x")
