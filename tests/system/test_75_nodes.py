"""A second node: it joins, its servers talk to the others and move, and it goes without a trace."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from hotstack_os.content.api import Api
from hotstack_os.deploy import members
from hotstack_os.deploy.machine import node_of
from hotstack_os.deploy.places import administrator, known_context
from hotstack_os.exec.wait import until
from system import servers as stack_of_servers
from system.conftest import CloudUnderTest
from system.servers import Server, Servers, between, checksum_errors, prepare
from system.test_40_control_plane import wait_for
from system.test_51_volumes import attach, detach

pytestmark = pytest.mark.long
NODE = "compute-1"
NODES = f"nodes: {{{NODE}: }}\n"
NEWEST = ("--os-compute-api-version", "2.74")


@pytest.fixture(scope="module")
def first(cloud: CloudUnderTest) -> str:
    """The first node's name."""
    return cloud.node("hostname").strip()


@pytest.fixture(scope="module")
def pair(cloud: CloudUnderTest, first: str) -> Iterator[CloudUnderTest]:
    """The cloud with a second node; it is gone afterwards, and the cloud as it was."""
    text, ports, rules = cloud.settings.read_text(), ports_of(cloud), rules_of(cloud)
    cloud.settings.write_text(text + NODES)
    try:
        cloud.run("up")
        assert len(ports_of(cloud) - ports) >= 2  # its cable, and the tunnel to it
        yield cloud
        assert traces(cloud) == {"compute": ["nova-compute"], "placement": [NODE], "network": AGENTS, "chassis": [NODE]}
    finally:
        cloud.settings.write_text(text)
        cloud.run("up", "--destroy", f"{first}:node/{NODE}")
    assert traces(cloud) == {"compute": [], "placement": [], "network": [], "chassis": []}
    assert [each["name"] for each in cloud.json("status")["nodes"]] == [first]
    assert f"{cloud.name}-{NODE}" not in {each["name"] for each in cloud.json("box", "list")["boxes"]}
    until(lambda: ports_of(cloud) == ports, f"the ports of before: {ports}", seconds=60, step=1)
    assert rules_of(cloud) == rules
    assert cloud.run("plan").returncode == 0


def ports_of(cloud: CloudUnderTest) -> set[str]:
    """Those of both bridges of the first node, but for those of networks and servers."""
    listed = cloud.shell("for bridge in hot-ex hot-int; do ovs-vsctl list-ports $bridge; done").split()
    return {name for name in listed if not name.startswith(("tap", "patch-"))}


def rules_of(cloud: CloudUnderTest) -> list[str]:
    """The packet filter's, without their order, which follows that of the containers' starts."""
    return sorted(cloud.node("nft", "--stateless", "list", "ruleset").splitlines())


AGENTS = ["neutron-ovn-agent", "ovn-controller"]


def traces(cloud: CloudUnderTest) -> dict[str, list[str]]:
    """What Nova, Placement, Neutron and OVN know of the second node."""
    with administration(cloud) as api:
        found = members.traces(api, NODE)
        known = [each["name"] for each in api.get("placement", "/resource_providers")["resource_providers"]]
    rows = [sorted(cloud.run("exec", "ovn-sb-db", "--", *BARE, table).stdout.split()) for table in CHASSIS]
    assert rows[0] == rows[1]
    return {
        "compute": found["compute"],
        "placement": [name for name in known if name == NODE],
        "network": sorted(found["network"]),
        "chassis": [name for name in rows[0] if name == NODE],
    }


CHASSIS = ("Chassis", "Chassis_Private")
BARE = ("ovn-sbctl", "--db=unix:/run/hotstack-os/ovn/sb.sock", "--bare", "--columns=name", "list")


@contextmanager
def administration(cloud: CloudUnderTest) -> Iterator[Api]:
    with node_of(cloud.wanted) as host:
        yield administrator(known_context(cloud.wanted), host)


@pytest.fixture(scope="module")
def spread(pair: CloudUnderTest, first: str) -> Iterator[Servers]:
    """Servers of which a is on the first node, b on the second, c is behind a router there."""
    with stack_of_servers.running(pair) as servers:
        for server, node in zip(servers, (first, NODE, NODE), strict=True):
            move(server, node)
        yield servers


def host_of(server: Server) -> str:
    return str(server.cloud.openstack("server", "show", f"server-{server.name}")["OS-EXT-SRV-ATTR:host"])


def move(server: Server, node: str) -> None:
    """Migrate it while it runs, unless it is there."""
    if host_of(server) == node:
        return
    name = f"server-{server.name}"
    server.cloud.client(*NEWEST, "server", "migrate", "--live-migration", "--host", node, "--wait", name)
    assert host_of(server) == node
    server.wait(60)  # OVN on its new node has to tell the others where its floating IP is


def test_every_service_of_both_nodes_is_healthy(pair: CloudUnderTest, first: str) -> None:
    said = pair.json("status")
    assert {each["name"]: each["state"] for each in said["nodes"]} == {first: "running", NODE: "running"}
    there = {each["name"]: each["health"] for each in said["services"] if each["node"] == NODE}
    wanted = ("nova-ssh", "ovn-controller", "neutron-ovn-agent", "nova-compute")
    assert there == dict.fromkeys(wanted, "healthy")
    assert pair.run("plan").stdout.strip().endswith("Nothing to do.")


def test_the_first_box_is_not_removed_while_others_need_it(pair: CloudUnderTest) -> None:
    refused = pair.run("box", "remove", accept=(64,)).stderr
    assert "a cloud without further nodes" in refused
    assert {each["status"] for each in pair.json("box", "list")["boxes"]} == {"running"}


def test_doctor_names_a_node_that_hangs(pair: CloudUnderTest) -> None:
    def named() -> bool:
        found = pair.json("doctor", accept=(0, 1))["findings"]
        return any(f"services-of-{NODE}" in str(each) for each in found)

    leader = {each["name"]: each["leader"] for each in pair.json("box", "list")["boxes"]}[f"{pair.name}-{NODE}"]
    assert not named()
    os.kill(leader, signal.SIGSTOP)  # systemd alone: its services run on, and nobody can ask about them
    try:
        assert named()
    finally:
        os.kill(leader, signal.SIGCONT)
    until(lambda: not named(), "the node to answer", seconds=60, step=2)


def test_a_node_stays_that_nobody_has_named(pair: CloudUnderTest, first: str) -> None:
    text = pair.settings.read_text()
    pair.settings.write_text(text.replace(NODES, ""))
    try:
        assert "destroys the node" in pair.run("plan", accept=(3,)).stdout
        assert f"--destroy {first}:node/{NODE}" in pair.run("up", accept=(1,)).stderr
    finally:
        pair.settings.write_text(text)
    assert pair.run("plan").returncode == 0


def test_a_node_stays_while_nobody_can_say_whether_it_has_servers(pair: CloudUnderTest, first: str) -> None:
    text = pair.settings.read_text()
    pair.node("systemctl", "stop", "hotstack-os-nova-api.service")
    pair.settings.write_text(text.replace(NODES, ""))
    try:
        refused = pair.run("up", "--destroy", f"{first}:node/{NODE}", accept=(1,)).stderr
        assert f"Nova to say that the node {NODE} has no servers" in refused
        assert NODE in pair.node("podman", "exec", "hotstack-os-ovn-sb-db", *BARE, "Chassis")
    finally:
        pair.settings.write_text(text)
        pair.run("up")
    assert pair.run("plan").returncode == 0


def test_servers_on_both_nodes_talk_and_nothing_is_lost(spread: Servers) -> None:
    """Geneve between the nodes, at full size: what arrives is what was sent, and no segment had a wrong checksum."""
    digest = prepare(spread)
    before = [checksum_errors(server) for server in spread]
    assert between(spread.a, spread.b, 7001) == digest
    assert between(spread.b, spread.a, 7002) == digest
    assert between(spread.a, spread.c, 7003) == digest
    assert [checksum_errors(server) for server in spread] == before
    mtu = spread.cloud.wanted.networks.mtu - 58  # Geneve with OVN's option, UDP and IPv4
    assert {server.ssh("cat /sys/class/net/eth0/mtu") for server in spread} == {f"{mtu}\n"}
    spread.a.ssh(f"ping -c 3 -w 10 -s {mtu - 28} {spread.b.fixed}")
    for server in spread:
        assert "ready" in server.ssh("echo ready")
        metadata = server.ssh("curl -s http://169.254.169.254/latest/meta-data/instance-id")
        assert metadata.startswith("i-")


def test_a_volume_is_attached_on_either_node(spread: Servers) -> None:
    cloud = spread.cloud
    volume = str(cloud.openstack("volume", "create", "--size", "1", "between")["id"])
    try:
        wait_for(cloud, ("volume",), volume, "status", "available", 60)
        device = attach(spread.b, volume)
        spread.b.ssh(f"echo carried > /tmp/said; dd if=/tmp/said of=/dev/{device} 2> /dev/null; sync")
        detach(spread.b, volume)
        device = attach(spread.a, volume)
        assert spread.a.ssh(f"head -n 1 /dev/{device}") == "carried\n"
        detach(spread.a, volume)
    finally:
        cloud.client("volume", "delete", volume)


def test_a_server_moves_while_it_runs_with_its_volume(spread: Servers, first: str) -> None:
    cloud, server = spread.cloud, spread.b
    volume = str(cloud.openstack("volume", "create", "--size", "1", "travels")["id"])
    try:
        wait_for(cloud, ("volume",), volume, "status", "available", 60)
        device = attach(server, volume)
        server.ssh(
            f"echo before > /tmp/kept; echo along > /tmp/said; dd if=/tmp/said of=/dev/{device} 2> /dev/null; sync"
        )
        for node in (first, NODE):
            move(server, node)
            assert server.ssh("cat /tmp/kept") == "before\n"  # it did not boot anew
            assert server.ssh(f"head -n 1 /dev/{device}") == "along\n"
            spread.a.ssh(f"ping -c 3 -w 10 {server.fixed}")
        detach(server, volume)
    finally:
        cloud.client("volume", "delete", volume)


def test_a_server_that_is_off_moves_with_its_disk(spread: Servers, first: str) -> None:
    cloud, server = spread.cloud, spread.b
    move(server, NODE)
    server.ssh("echo kept > /disk/kept; sync")
    cloud.client("server", "stop", "server-b")
    wait_for(cloud, ("server",), "server-b", "status", "SHUTOFF", 90)
    cloud.client(*NEWEST, "server", "migrate", "--host", first, "--wait", "server-b")
    cloud.client("server", "migration", "confirm", "server-b")
    wait_for(cloud, ("server",), "server-b", "status", "SHUTOFF", 90)
    assert host_of(server) == first
    cloud.client("server", "start", "server-b")
    server.wait()
    assert server.ssh("cat /disk/kept") == "kept\n"


def test_the_node_comes_back_after_its_box_was_stopped(spread: Servers) -> None:
    cloud = spread.cloud
    move(spread.b, NODE)
    cloud.run("box", "stop", "--node", NODE)
    assert {each["name"]: each["state"] for each in cloud.json("status", accept=(1,))["nodes"]}[NODE] == "down"
    cloud.run("box", "start", "--node", NODE)
    until(lambda: cloud.run("status", accept=(0, 1)).returncode == 0, "a healthy cloud", seconds=90, step=2)
    for server in (spread.b, spread.c):  # servers that ran when the node went down run again when it is back
        server.wait()
    assert cloud.run("plan").returncode == 0


def test_all_boxes_are_stopped_and_started(spread: Servers) -> None:
    cloud = spread.cloud
    cloud.run("box", "stop")
    refused = cloud.run("box", "start", "--node", NODE, accept=(1,)).stderr
    assert f"the first node, {cloud.name}, to run" in refused
    cloud.run("box", "start")
    until(lambda: cloud.run("status", accept=(0, 1)).returncode == 0, "a healthy cloud", seconds=400, step=2)
    for server in spread:
        server.wait()
    assert cloud.run("plan").returncode == 0


def test_a_node_with_servers_is_not_removed_and_an_empty_one_can_be(spread: Servers, first: str) -> None:
    cloud = spread.cloud
    move(spread.b, NODE)
    text = cloud.settings.read_text()
    cloud.settings.write_text(text.replace(NODES, ""))
    try:
        refused = cloud.run("up", "--destroy", f"{first}:node/{NODE}", accept=(1,))
        assert "without servers" in refused.stderr
        assert "hotstack-os drain" in refused.stderr
        assert NODE in cloud.node("podman", "exec", "hotstack-os-ovn-sb-db", *BARE, "Chassis")
    finally:
        cloud.settings.write_text(text)
    assert cloud.run("plan").returncode == 0  # nothing was touched
    cloud.client("server", "stop", "server-c")
    wait_for(cloud, ("server",), "server-c", "status", "SHUTOFF", 90)
    said = cloud.run("drain", NODE).stdout
    assert f"{NODE} has no servers; 2 moved away" in said
    assert {host_of(server) for server in spread} == {first}
    cloud.client("server", "start", "server-c")
    for server in spread:
        server.wait(60)  # its new node tells the others where it is
