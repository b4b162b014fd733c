"""Everything people do with volumes beyond attaching them: sizes, snapshots, copies, images, and what is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from hotstack_os.exec.wait import until
from system.servers import Server, Servers
from system.test_40_control_plane import wait_for
from system.test_51_volumes import attach, detach

pytestmark = pytest.mark.long
DATA = 1_000_000
"""Bytes that are written at the start of a volume."""
NEWEST = ("--os-volume-api-version", "3.70")
"""Messages, the way back to a snapshot and growing in use came with microversions."""


@pytest.fixture
def made(servers: Servers) -> Iterator[Callable[..., str]]:
    """Makes volumes, snapshots and images by the words of the client; they go in the opposite order."""
    cloud, kept = servers.cloud, []

    def make(kind: str, *words: str, status: str = "available") -> str:
        identity = str(cloud.openstack(*kind.split(), "create", *words)["id"])
        kept.append((kind, identity))
        wait_for(cloud, tuple(kind.split()), identity, "status", status, 120)
        return identity

    yield make
    for kind, identity in reversed(kept):
        cloud.client(*kind.split(), "delete", identity)
        gone = (*kind.split(), "show", identity)
        wait_until_gone(servers, gone)


def wait_until_gone(servers: Servers, show: tuple[str, ...]) -> None:
    def gone() -> bool:
        return servers.cloud.client(*show, accept=(0, 1)).returncode == 1

    until(gone, f"{' '.join(show)} to find nothing", seconds=60, step=1)


def write(server: Server, volume: str) -> str:
    """New random bytes at the start of a volume; their digest."""
    device = attach(server, volume)
    put = f"head -c {DATA} /dev/urandom > /tmp/data; dd if=/tmp/data of=/dev/{device} bs=64k 2> /dev/null; sync"
    digest = server.ssh(f"{put}; sha256sum < /tmp/data").split()[0]
    detach(server, volume)
    return digest


def read(server: Server, volume: str) -> str:
    device = attach(server, volume)
    digest = server.ssh(f"head -c {DATA} /dev/{device} | sha256sum").split()[0]
    detach(server, volume)
    return digest


def test_a_volume_grows_and_keeps_its_data(servers: Servers, made: Callable[..., str]) -> None:
    volume = made("volume", "--size", "1", "grows")
    digest = write(servers.a, volume)
    servers.cloud.client("volume", "set", "--size", "2", volume)
    wait_for(servers.cloud, ("volume",), volume, "status", "available", 60)
    device = attach(servers.a, volume)
    assert servers.a.ssh(f"cat /sys/block/{device}/size").strip() == str(2 * 1024**3 // 512)
    assert servers.a.ssh(f"head -c {DATA} /dev/{device} | sha256sum").split()[0] == digest
    # And once more while the server has it: the guest sees the new size without a reboot.
    servers.cloud.client(*NEWEST, "volume", "set", "--size", "3", volume)
    wanted = str(3 * 1024**3 // 512)
    until(lambda: servers.a.ssh(f"cat /sys/block/{device}/size").strip() == wanted, "3 GB", seconds=60, step=1)
    shown = wait_for(servers.cloud, ("volume",), volume, "status", "in-use", 60)
    assert shown["size"] == 3
    assert servers.a.ssh(f"head -c {DATA} /dev/{device} | sha256sum").split()[0] == digest
    detach(servers.a, volume)


def test_snapshots_copies_and_the_way_back(servers: Servers, made: Callable[..., str]) -> None:
    volume = made("volume", "--size", "1", "original")
    first = write(servers.a, volume)
    snapshot = made("volume snapshot", "--volume", volume, "first")
    second = write(servers.a, volume)
    assert first != second
    from_snapshot = made("volume", "--snapshot", snapshot, "--size", "1", "from-snapshot")
    assert read(servers.c, from_snapshot) == first
    assert read(servers.a, volume) == second
    servers.cloud.client(*NEWEST, "volume", "revert", snapshot)
    wait_for(servers.cloud, ("volume",), volume, "status", "available", 60)
    assert read(servers.a, volume) == first


def test_a_clone_has_the_data_and_a_life_of_its_own(servers: Servers, made: Callable[..., str]) -> None:
    volume = made("volume", "--size", "1", "original")
    digest = write(servers.a, volume)
    clone = made("volume", "--source", volume, "--size", "1", "clone")
    assert read(servers.c, clone) == digest
    assert write(servers.a, volume) != digest
    assert read(servers.c, clone) == digest


def test_an_image_becomes_a_volume_and_a_volume_an_image(servers: Servers, made: Callable[..., str]) -> None:
    cloud = servers.cloud
    volume = made("volume", "--image", "hotstack-guest", "--size", "1", "from-image")
    shown = cloud.openstack("volume", "show", volume)
    assert shown["bootable"] is True
    cloud.client("image", "create", "--volume", volume, "--disk-format", "qcow2", "from-volume")
    try:
        wait_for(cloud, ("image",), "from-volume", "status", "active", 120)
        wait_for(cloud, ("volume",), volume, "status", "available", 60)
        again = made("volume", "--image", "from-volume", "--size", "1", "again")
        assert read(servers.a, again) == read(servers.c, volume)
    finally:
        cloud.client("image", "delete", "from-volume")


def test_two_servers_cannot_have_one_volume(servers: Servers, made: Callable[..., str]) -> None:
    volume = made("volume", "--size", "1", "one-owner")
    digest = write(servers.a, volume)
    attach(servers.a, volume)
    refused = servers.cloud.client("server", "add", "volume", "server-c", volume, accept=(1,))
    assert "already attached" in refused.stderr
    detach(servers.a, volume)
    assert read(servers.c, volume) == digest


def test_types_of_volumes_choose_the_back_end(servers: Servers, made: Callable[..., str]) -> None:
    made("volume", "--size", "1", "--type", "__DEFAULT__", "default-type")
    cloud = servers.cloud
    cloud.client("volume", "type", "create", "--property", "volume_backend_name=nowhere", "nowhere")
    try:
        lost = str(cloud.openstack("volume", "create", "--size", "1", "--type", "nowhere", "lost")["id"])
        until(lambda: cloud.openstack("volume", "show", lost)["status"] == "error", "no back end", seconds=60, step=1)
        messages = cloud.client(*NEWEST, "volume", "message", "list", "-f", "value").stdout
        assert lost in messages
        cloud.client("volume", "delete", lost)
        wait_until_gone(servers, ("volume", "show", lost))
    finally:
        cloud.client("volume", "type", "delete", "nowhere")


def test_capacity_is_that_of_the_file_system(servers: Servers) -> None:
    cloud = servers.cloud
    (pool,) = cloud.openstack("volume", "backend", "pool", "list", "--long")
    size = int(cloud.shell(f"df --output=size -B1 {cloud.wanted.paths.volumes} | tail -1"))
    assert abs(float(pool["Capabilities"]["total_capacity_gb"]) - size / 1024**3) < 1, pool
