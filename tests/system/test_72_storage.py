"""Everything people do with volumes beyond attaching them: sizes, snapshots, copies, images, and what is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from hotstack_os.exec.wait import until
from system.conftest import CloudUnderTest
from system.servers import Server, Servers, running
from system.test_40_control_plane import wait_for
from system.test_51_volumes import attach, detach

pytestmark = pytest.mark.long
DATA = 1_000_000
"""Bytes that are written at the start of a volume."""
NEWEST = ("--os-volume-api-version", "3.70")
"""Messages, the way back to a snapshot and growing in use came with microversions."""


@pytest.fixture(scope="module")
def servers(cloud: CloudUnderTest) -> Iterator[Servers]:
    """Of this module's own: those of the session have been removed when all modules run."""
    with running(cloud) as made:
        yield made


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


def fill(server: Server, device: str) -> str:
    """New random bytes at the start of a disk; their digest."""
    put = f"head -c {DATA} /dev/urandom > /tmp/data; dd if=/tmp/data of=/dev/{device} bs=64k 2> /dev/null; sync"
    return server.ssh(f"{put}; sha256sum < /tmp/data").split()[0]


def digest_of(server: Server, device: str) -> str:
    return server.ssh(f"head -c {DATA} /dev/{device} | sha256sum").split()[0]


def write(server: Server, volume: str) -> str:
    """New random bytes at the start of a volume; their digest."""
    digest = fill(server, attach(server, volume))
    detach(server, volume)
    return digest


def read(server: Server, volume: str) -> str:
    digest = digest_of(server, attach(server, volume))
    detach(server, volume)
    return digest


def programs(server: Server, directory: str) -> str:
    """Digests of what the guest's image is started from, in a directory where its file system is mounted."""
    own = '"./ssh/*"'  # what a server has put there
    return server.ssh(f"cd {directory} && find . -type f ! -path {own} ! -name kept | sort | xargs sha256sum")


def programs_on(server: Server, volume: str) -> str:
    """The same, of a volume that was made from the image."""
    server.ssh(f"mount -t vfat /dev/{attach(server, volume)}1 /mnt")
    found = programs(server, "/mnt")
    server.ssh("umount /mnt")
    detach(server, volume)
    return found


def test_a_volume_grows_and_keeps_its_data(servers: Servers, made: Callable[..., str]) -> None:
    volume = made("volume", "--size", "1", "grows")
    digest = write(servers.a, volume)
    servers.cloud.client("volume", "set", "--size", "2", volume)
    wait_for(servers.cloud, ("volume",), volume, "status", "available", 60)
    device = attach(servers.a, volume)
    assert servers.a.ssh(f"cat /sys/block/{device}/size").strip() == str(2 * 1024**3 // 512)
    assert digest_of(servers.a, device) == digest
    # And once more while the server has it: the guest sees the new size without a reboot.
    servers.cloud.client(*NEWEST, "volume", "set", "--size", "3", volume)
    wanted = str(3 * 1024**3 // 512)
    until(lambda: servers.a.ssh(f"cat /sys/block/{device}/size").strip() == wanted, "3 GB", seconds=60, step=1)
    shown = wait_for(servers.cloud, ("volume",), volume, "status", "in-use", 60)
    assert shown["size"] == 3
    assert digest_of(servers.a, device) == digest
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
        started = programs(servers.a, "/disk")
        assert "syslinux.cfg" in started
        assert programs_on(servers.a, volume) == started
        assert programs_on(servers.c, again) == started
    finally:
        cloud.client("image", "delete", "from-volume")


def test_a_server_has_several_volumes_and_each_its_data(servers: Servers, made: Callable[..., str]) -> None:
    volumes = [made("volume", "--size", "1", name) for name in ("one", "other")]
    devices = [attach(servers.a, each) for each in volumes]
    digests = [fill(servers.a, each) for each in devices]
    assert digests[0] != digests[1]
    detach(servers.a, volumes[0])
    assert digest_of(servers.a, devices[1]) == digests[1]
    detach(servers.a, volumes[1])
    assert [read(servers.c, each) for each in volumes] == digests


def test_two_servers_cannot_have_one_volume(servers: Servers, made: Callable[..., str]) -> None:
    volume = made("volume", "--size", "1", "one-owner")
    digest = write(servers.a, volume)
    attach(servers.a, volume)
    refused = servers.cloud.client("server", "add", "volume", "server-c", volume, accept=(1,))
    assert "already attached" in refused.stderr
    detach(servers.a, volume)
    assert read(servers.c, volume) == digest


def test_a_volume_has_the_type_that_was_asked_for(servers: Servers) -> None:
    cloud = servers.cloud
    backend = cloud.openstack("volume", "backend", "pool", "list")[0]["Name"].partition("#")[2]
    cloud.client("volume", "type", "create", "--property", f"volume_backend_name={backend}", "here")
    try:
        volume = str(cloud.openstack("volume", "create", "--size", "1", "--type", "here", "typed")["id"])
        assert wait_for(cloud, ("volume",), volume, "status", "available", 60)["type"] == "here"
        cloud.client("volume", "delete", volume)
        wait_until_gone(servers, ("volume", "show", volume))
    finally:
        cloud.client("volume", "type", "delete", "here")


@pytest.mark.parametrize("wanted", ["volume_backend_name=nowhere", "multiattach=<is> True"])
def test_a_type_that_no_back_end_can_give_is_refused_and_says_so(servers: Servers, wanted: str) -> None:
    cloud = servers.cloud
    cloud.client("volume", "type", "create", "--property", wanted, "nowhere")
    try:
        lost = str(cloud.openstack("volume", "create", "--size", "1", "--type", "nowhere", "lost")["id"])
        until(lambda: cloud.openstack("volume", "show", lost)["status"] == "error", "no back end", seconds=60, step=1)
        assert lost not in cloud.shell(f"ls -R {cloud.wanted.paths.volumes}")
        messages = cloud.client(*NEWEST, "volume", "message", "list", "-f", "value").stdout.splitlines()
        (said,) = [line for line in messages if lost in line]
        assert "Could not find any available weighted backend" in said
        cloud.client("volume", "delete", lost)
        wait_until_gone(servers, ("volume", "show", lost))
    finally:
        cloud.client("volume", "type", "delete", "nowhere")


def capacity(cloud: CloudUnderTest) -> dict[str, float]:
    """What the scheduler knows of the back end, in GiB."""
    (pool,) = cloud.openstack("volume", "backend", "pool", "list", "--long")
    known = pool["Capabilities"]
    assert str(known["thin_provisioning_support"]) == "True"
    return {name: float(known[f"{name}_capacity_gb"]) for name in ("total", "free", "provisioned")}


def test_capacity_is_that_of_the_file_system(servers: Servers, made: Callable[..., str]) -> None:
    cloud, where = servers.cloud, servers.cloud.wanted.paths.volumes
    size = int(cloud.shell(f"df --output=size -B1 {where} | tail -1"))
    before = capacity(cloud)
    assert abs(before["total"] - size / 1024**3) < 1

    def told(name: str, more: float) -> None:
        """The back end tells every minute; others may use the disk meanwhile."""

        def so() -> bool:
            return abs(capacity(cloud)[name] - before[name] - more) < 1

        until(so, f"{more} GiB more are {name}", seconds=150, step=2, last=lambda: f"{before}, {capacity(cloud)}")

    made("volume", "--size", "5", "promised")
    told("provisioned", 5)
    told("free", 0)  # nobody has written to it
    taken = f"{where}/taken"
    try:
        cloud.shell(f"head -c 3G /dev/zero > {taken}")
        told("free", -3)
    finally:
        cloud.shell(f"rm -f {taken}")
