"""The point of a cloud: servers boot, are reached through floating IPs, and reach what they may and nothing else."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from hotstack_os.exec.wait import until
from hotstack_os.images.guest import PREFIX
from system import servers as traffic
from system.conftest import ROOT, CloudUnderTest
from system.servers import Servers

HIDDEN = {"MariaDB": (3, 3306), "RabbitMQ": (4, 5672), "northbound": (33, 6641),
          "southbound": (34, 6642), "MariaDB's gateway": (None, 3306), "SSH of the node": (None, 22)}  # fmt: skip
"""Number of the container, or None for the node, and port."""


def test_they_have_their_names_and_user_data(servers: Servers) -> None:
    for server in servers:
        assert server.ssh("hostname").strip() == f"server-{server.name}"
    assert servers.a.ssh("cat /run/user-data") == "user data of server-a\n"


def test_they_are_told_by_the_metadata_service_and_by_a_config_drive(servers: Servers) -> None:
    console = {each.name: servers.cloud.client("console", "log", "show", f"server-{each.name}").stdout
               for each in servers}  # fmt: skip
    assert f"{PREFIX}metadata service: name server-a" in console["a"]
    assert f"{PREFIX}config drive" in console["b"]
    told = json.loads(servers.c.ssh("wget -q -O - http://169.254.169.254/openstack/latest/meta_data.json"))
    assert told["name"] == "server-c"


def test_they_are_configured_by_dhcp(servers: Servers) -> None:
    for server in servers:
        assert f" {server.fixed}/24 " in server.ssh("ip -4 addr show dev eth0")


def test_the_largest_packets_pass_whole(servers: Servers) -> None:
    # Geneve with OVN's option, UDP and IPv4 take 58 bytes of the physical network's; ICMP and IPv4 28 of a server's.
    mtu = servers.cloud.wanted.networks.mtu - 58
    for server in servers:
        assert server.ssh("cat /sys/class/net/eth0/mtu").strip() == str(mtu)
    for target in (servers.b.fixed, servers.c.fixed):
        said = servers.a.ssh(f"ping -q -c 3 -W 2 -s {mtu - 28} {target} || true")
        assert " 3 packets received" in said, said
        fragments = servers.a.ssh("grep -A 1 ^Ip: /proc/net/snmp")
        names, values = (line.split()[1:] for line in fragments.splitlines()[:2])
        assert dict(zip(names, values, strict=True))["FragCreates"] == "0", fragments
    whole = ("ping", "-q", "-c", "3", "-W", "2", "-M", "do", "-s", str(mtu - 28), servers.a.floating)
    assert traffic.loss(servers.cloud.node(*whole, accept=(0, 1))) == (3, 3)


def test_they_resolve_and_ask_the_apis(servers: Servers) -> None:
    wanted = servers.cloud.wanted
    url = f"http://keystone.{wanted.domain}:{wanted.ports['keystone']}/v3"
    assert '"version"' in servers.a.ssh(f"wget -q -O - {url}")


@pytest.mark.parametrize("what", HIDDEN)
def test_they_do_not_reach_what_is_behind_the_apis(servers: Servers, what: str) -> None:
    number, port = HIDDEN[what]
    host = servers.cloud.container(number) if number else servers.cloud.wanted.networks.gateway
    said = servers.c.ssh(f"nc -w 3 {host} {port} < /dev/null > /dev/null 2>&1 && echo open || echo closed")
    assert said == "closed\n"


def test_each_reaches_each_and_nothing_is_lost(servers: Servers) -> None:
    said = servers.cloud.shell(at_once([f"ping -q -c 20 -i 0.2 {server.floating}" for server in servers]))
    assert said.count("20 packets transmitted, 20 received") == 3, said
    said = servers.a.ssh(at_once([f"ping -q -c 10 {target.fixed}" for target in (servers.b, servers.c)]))
    assert said.count(" 10 packets received") == 2, said


def at_once(commands: list[str]) -> str:
    """A shell script that runs them at the same time."""
    return " & ".join([*commands, "wait"])


def test_a_security_group_lets_in_what_it_says_and_no_more(servers: Servers) -> None:
    inside, outside = traffic.PORTS[-1], traffic.PORTS[-1] + 1
    for port, wanted in ((inside, "open"), (outside, "closed")):
        servers.b.ssh(f"nc -l -p {port} > /dev/null 2>&1 < /dev/null &")
        said = servers.a.ssh(
            f"nc -w 3 {servers.b.fixed} {port} < /dev/null > /dev/null 2>&1 && echo open || echo closed"
        )
        assert said == f"{wanted}\n", port
    servers.b.ssh("killall nc", accept=(0, 1))


@contextmanager
def capture(cloud: CloudUnderTest, interface: str) -> Iterator[dict[str, Any]]:
    """What capture.py sees on an interface of the node while the block lasts."""
    program = (Path(__file__).parent / "capture.py").read_text()
    argv = [str(ROOT / "hotstack-os"), "box", "enter", "--settings", str(cloud.settings), "--"]
    seen: dict[str, Any] = {}
    with subprocess.Popen(
        [*argv, "python3", "-c", program, interface],
        env=cloud.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield seen
        said, _ = process.communicate("\n", timeout=60)
        seen.update(json.loads(said))


@pytest.fixture(scope="module")
def digest(servers: Servers) -> str:
    return traffic.prepare(servers)


def test_bytes_between_node_and_server_arrive_as_they_were_sent(servers: Servers, digest: str) -> None:
    with capture(servers.cloud, "hot-ex") as seen:
        assert traffic.push(servers.cloud, servers.a, 7000) == digest
        assert traffic.pull(servers.cloud, servers.a, 7001) == digest
    assert seen["segments"] > 100
    assert seen["wrong"] == 0


@pytest.mark.parametrize(
    ("names", "port"),
    [
        pytest.param("ab", 7002, id="one network"),
        pytest.param("ac", 7004, id="across the router", marks=pytest.mark.long),
    ],
)
def test_bytes_between_servers_arrive_as_they_were_sent(servers: Servers, digest: str, names: str, port: int) -> None:
    one, other = (getattr(servers, name) for name in names)
    assert traffic.between(one, other, port) == digest
    assert traffic.between(other, one, port + 1) == digest


def test_no_kernel_threw_a_segment_away_for_its_checksum(servers: Servers) -> None:
    assert [traffic.checksum_errors(server) for server in servers] == [0, 0, 0]


def test_their_disks_are_their_groups_and_qemu_has_no_powers(servers: Servers) -> None:
    cloud = servers.cloud
    for process in cloud.shell("pgrep qemu-system").split():
        status = cloud.shell(f"grep -E '^(Uid|CapEff)' /proc/{process}/status").split()
        assert status[status.index("CapEff:") + 1] == "0000000000000000"
        assert status[1] != "0"
    modes = cloud.shell(f"stat -c '%a %G' {cloud.wanted.paths.instances}/*/disk").splitlines()
    assert {mode.split()[0] for mode in modes} <= {"664", "644"}
    assert len(modes) == 3


def test_a_domain_of_the_hosts_own_libvirt_is_not_seen_by_nova(servers: Servers) -> None:
    domains = servers.cloud.node("podman", "exec", "hotstack-os-nova-compute", "virsh", "list", "--name").split()
    assert len(domains) == 3
    assert all(name.startswith("instance-") for name in domains)


def test_operators_commands_show_the_session(servers: Servers) -> None:
    """Those of HotStack-OS's users: its libvirtd is a user service, its socket is the kvm group's."""
    cloud = servers.cloud
    uid = cloud.node("id", "-u", "hotstack").strip()
    run = f"/run/user/{uid}"
    ask = ("runuser", "-u", "hotstack", "--", "env", f"XDG_RUNTIME_DIR={run}", "systemctl", "--user", "--no-pager")
    assert "active (running)" in cloud.node(*ask, "status", "hotstack-os-libvirtd-session.service")
    socket = f"{run}/libvirt/libvirt-sock"
    assert cloud.node("ls", "-l", socket).split()[:4:3] == ["srwxrwx---", "kvm"]
    assert "Linger=yes" in cloud.node("loginctl", "show-user", "hotstack").splitlines()
    outside = cloud.node("virsh", "-c", f"qemu:///session?socket={socket}", "list")
    inside = cloud.node("podman", "exec", "hotstack-os-nova-compute", "virsh", "list")
    assert inside == outside
    assert inside.count("running") == 3


def test_a_domain_of_the_system_libvirt_is_not_novas(servers: Servers) -> None:
    cloud, virsh = servers.cloud, ("virsh", "-c", "qemu:///system")
    domain = (
        "<domain type='qemu'><name>not-novas</name><memory unit='MiB'>64</memory><os><type>hvm</type></os></domain>"
    )
    cloud.node("systemd-run", "--quiet", "--unit=system-libvirtd", "/usr/sbin/libvirtd")
    try:
        until(lambda: "State" in cloud.node(*virsh, "list", accept=(0, 1)), "libvirt to answer", seconds=30, step=0.2)
        cloud.shell(f'echo "{domain}" > /run/domain.xml; virsh -c qemu:///system define /run/domain.xml')
        assert "not-novas" in cloud.node(*virsh, "list", "--all", "--name")
        assert "not-novas" not in cloud.node("podman", "exec", "hotstack-os-nova-compute", "virsh", "list", "--all")
        cloud.node("systemctl", "restart", "hotstack-os-nova-compute.service")
        until(lambda: healthy(cloud, "nova-compute"), "nova-compute healthy beside it", seconds=120, step=1)
        assert "not-novas" in cloud.node(*virsh, "list", "--all", "--name")
        cloud.node(*virsh, "undefine", "not-novas")
    finally:
        cloud.node("systemctl", "stop", "system-libvirtd.service")


def healthy(cloud: CloudUnderTest, service: str) -> bool:
    said = cloud.json("status", accept=(0, 1))["services"]
    return any(each["name"] == service and bool(each["health"] == "healthy") for each in said)
