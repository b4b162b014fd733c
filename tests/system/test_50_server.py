"""The point of a cloud: a server boots, is reached through a floating IP, and reaches what it may."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from hotstack_os.exec.wait import until
from hotstack_os.images.guest import PREFIX, build_guest
from hotstack_os.images.rootfs import package_sources
from hotstack_os.images.store import Store
from system.conftest import CloudUnderTest
from system.test_40_control_plane import wait_for

CACHE = Path(os.environ.get("HOTSTACK_CACHE_DIR", "/var/cache/hotstack-os"))
KEY = "/root/test-key"
MEGABYTES = 20
BOOT_SECONDS = 180


@dataclass(frozen=True)
class Server:
    """A server with a floating IP, reached from the node."""

    cloud: CloudUnderTest
    address: str

    def ssh(self, script: str, *, stdin: str = "/dev/null") -> str:
        """Standard output of a script in the server; `stdin` is a shell command's output or a file on the node."""
        options = "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -o ConnectTimeout=5"
        return self.cloud.shell(f"ssh -i {KEY} {options} -o BatchMode=yes root@{self.address} '{script}' < {stdin}")

    def answers(self) -> bool:
        try:
            return "ready" in self.ssh("echo ready")
        except AssertionError:
            return False


@pytest.fixture(scope="module")
def server(cloud: CloudUnderTest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of the test image on a tenant network behind a router."""
    store = Store(CACHE)
    guest = build_guest(store, package_sources(store, None))
    public_key = tmp_path_factory.mktemp("key") / "key.pub"
    public_key.write_text(cloud.shell(f"rm -f {KEY}; ssh-keygen -q -t ed25519 -N '' -f {KEY}; cat {KEY}.pub"))
    for words in (
        ("image", "create", "--disk-format", "qcow2", "--container-format", "bare", "--file", str(guest), "guest"),
        ("flavor", "create", "--ram", "256", "--disk", "1", "--vcpus", "1", "small"),
        ("keypair", "create", "--public-key", str(public_key), "key"),
        ("network", "create", "--external", "--provider-network-type", "flat",
         "--provider-physical-network", "provider", "outside"),
        ("subnet", "create", "--network", "outside", "--subnet-range", "172.31.0.128/25", "--gateway", "172.31.0.129",
         "--no-dhcp", "--allocation-pool", "start=172.31.0.130,end=172.31.0.140", "outside"),
        ("network", "create", "inside"),
        ("subnet", "create", "--network", "inside", "--subnet-range", "192.168.66.0/24",
         "--dns-nameserver", "172.31.0.10", "inside"),
        ("router", "create", "--external-gateway", "outside", "between"),
        ("security", "group", "create", "reachable"),
        ("security", "group", "rule", "create", "--protocol", "tcp", "--dst-port", "22", "reachable"),
        ("security", "group", "rule", "create", "--protocol", "icmp", "reachable"),
    ):  # fmt: skip
        cloud.openstack(*words)
    cloud.run("openstack", "router", "add", "subnet", "between", "inside")
    address = cloud.openstack("floating", "ip", "create", "outside")["floating_ip_address"]
    boot = ("--image", "guest", "--flavor", "small", "--network", "inside", "--key-name", "key")
    cloud.openstack("server", "create", *boot, "--security-group", "reachable", "web")
    wait_for(cloud, ("server",), "web", "status", "ACTIVE", 120)
    cloud.run("openstack", "server", "add", "floating", "ip", "web", address)
    reached = Server(cloud, address)
    until(reached.answers, f"SSH to {address}", seconds=BOOT_SECONDS, step=1)
    yield reached
    cloud.run("openstack", "server", "delete", "--wait", "web")


def test_it_is_reached_and_has_its_name(server: Server) -> None:
    assert server.ssh("hostname").strip() == "web"
    lost = server.cloud.node("ping", "-c", "20", "-i", "0.2", "-W", "2", server.address)
    assert " 0% packet loss" in lost


def test_it_resolves_and_asks_the_apis_and_nothing_behind_them(server: Server) -> None:
    assert "version" in server.ssh("wget -q -O - http://keystone.hotstack-os.local:5000/v3")
    for refused in ("172.31.0.3 3306", "172.31.0.4 5672", "172.31.0.33 6641"):
        assert server.ssh(f"nc -w 3 {refused} < /dev/null > /dev/null 2>&1 && echo open || echo refused") == "refused\n"


def test_bytes_arrive_as_they_were_sent_in_both_directions(server: Server) -> None:
    cloud = server.cloud
    cloud.shell(f"head -c {MEGABYTES}M /dev/urandom > /root/sent")
    wanted = cloud.shell("sha256sum < /root/sent").split()[0]
    assert server.ssh("cat > /tmp/sent; sha256sum /tmp/sent", stdin="/root/sent").split()[0] == wanted
    options = "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -o BatchMode=yes"
    back = cloud.shell(f"ssh -i {KEY} {options} root@{server.address} cat /tmp/sent | sha256sum")
    assert back.split()[0] == wanted


def test_its_console_tells_what_it_does(server: Server) -> None:
    assert PREFIX in server.cloud.run("openstack", "console", "log", "show", "web").stdout
