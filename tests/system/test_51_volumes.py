"""Volumes: files that servers see as disks, one bind mount on the node as long as one of them is attached."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hotstack_os.exec.wait import until
from system.conftest import CloudUnderTest
from system.servers import Server, Servers
from system.test_40_control_plane import wait_for

NAMES = ("vol-one", "vol-two")


def binds(cloud: CloudUnderTest) -> list[str]:
    """The mount points below the place where volumes appear."""
    table = cloud.shell("cut -d ' ' -f 5 /proc/self/mountinfo")
    return [line for line in table.splitlines() if line.startswith(f"{cloud.wanted.paths.mounts}/")]


def attach(server: Server, volume: str) -> str:
    """The device that appears in the server."""
    before = disks(server)
    server.cloud.client("server", "add", "volume", f"server-{server.name}", volume)
    wait_for(server.cloud, ("volume",), volume, "status", "in-use", 60)
    (device,) = until(lambda: disks(server) - before, f"a disk in {server.name}", seconds=30, step=0.5)
    return device


def detach(server: Server, volume: str) -> None:
    server.cloud.client("server", "remove", "volume", f"server-{server.name}", volume)
    wait_for(server.cloud, ("volume",), volume, "status", "available", 60)


def disks(server: Server) -> set[str]:
    return set(server.ssh("ls /sys/block").split())


@pytest.fixture(scope="module")
def volumes(servers: Servers) -> Iterator[tuple[str, ...]]:
    cloud = servers.cloud
    for name in NAMES:
        cloud.openstack("volume", "create", "--size", "1", name)
    for name in NAMES:
        wait_for(cloud, ("volume",), name, "status", "available", 60)
    yield NAMES
    for name in NAMES:
        cloud.client("volume", "delete", name)
    until(lambda: not cloud.shell(f"ls {cloud.wanted.paths.volumes}"), "no file left in the share", seconds=60, step=1)


def test_what_one_server_writes_another_reads(servers: Servers, volumes: tuple[str, ...]) -> None:
    first, _ = volumes
    device = attach(servers.a, first)
    wrote = "head -c 5000000 /dev/urandom > /tmp/data; sha256sum < /tmp/data; "
    digest = servers.a.ssh(f"{wrote} dd if=/tmp/data of=/dev/{device} bs=1M 2> /dev/null; sync")
    detach(servers.a, first)
    assert disks(servers.a) & {device} == set()
    device = attach(servers.c, first)
    read = servers.c.ssh(f"dd if=/dev/{device} bs=1000 count=5000 2> /dev/null | sha256sum")
    assert read == digest
    detach(servers.c, first)


@pytest.mark.long
def test_one_mount_serves_them_all_and_goes_with_the_last(servers: Servers, volumes: tuple[str, ...]) -> None:
    cloud = servers.cloud
    first, second = volumes
    assert binds(cloud) == []
    attach(servers.a, first)
    attach(servers.c, second)
    assert len(binds(cloud)) == 1
    cloud.node("systemctl", "restart", "hotstack-os-nova-compute")
    assert len(binds(cloud)) == 1
    detach(servers.a, first)
    assert len(binds(cloud)) == 1
    detach(servers.c, second)
    assert binds(cloud) == []


def test_their_files_may_be_written_by_qemu(servers: Servers, volumes: tuple[str, ...]) -> None:
    modes = servers.cloud.shell(f"stat -c %a {servers.cloud.wanted.paths.volumes}/volume-*").split()
    assert set(modes) <= {"664", "666"}
    assert len(modes) == len(volumes)
