"""Servers run on, and are reached, while the cloud around them is replaced, restarted and rebooted."""

from __future__ import annotations

import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from hotstack_os.exec.wait import until
from system.conftest import ROOT, CloudUnderTest
from system.servers import OPTIONS, Server, Servers, loss
from system.test_51_volumes import attach, binds, detach

STEP = 0.2
LEAST_SECONDS = 60
UPGRADED = ("nova", "neutron", "ovn")


@dataclass
class Watch:
    """What was seen of a server while something happened to the cloud."""

    sent: int = 0
    received: int = 0
    echoes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


@contextmanager
def watching(server: Server, seconds: int = LEAST_SECONDS) -> Iterator[Watch]:
    """A ping every 0.2 s, and one TCP connection with a line each way every 0.2 s, for at least so many seconds."""
    watch = Watch()
    done = threading.Event()
    ping = _ping(server, seconds)
    stream = threading.Thread(target=_stream, args=(server, watch, done))
    stream.start()
    try:
        yield watch
    finally:
        said, _ = ping.communicate(timeout=seconds + 60)
        watch.sent, watch.received = loss(said)
        done.set()
        stream.join()


def _ping(server: Server, seconds: int) -> subprocess.Popen[str]:
    argv = ["ping", "-q", "-i", str(STEP), "-c", str(int(seconds / STEP)), server.floating]
    return _on_node(server.cloud, argv, stdin=subprocess.DEVNULL)


def _on_node(cloud: CloudUnderTest, argv: list[str], stdin: int) -> subprocess.Popen[str]:
    enter = [str(ROOT / "hotstack-os"), "box", "enter", "--settings", str(cloud.settings), "--"]
    return subprocess.Popen(
        [*enter, *argv], env=cloud.environment, stdin=stdin, stdout=subprocess.PIPE, text=True, bufsize=1
    )


def _stream(server: Server, watch: Watch, done: threading.Event) -> None:
    """Lines through one SSH connection to `cat` and back; a line that does not come back is a problem."""
    argv = ["ssh", *OPTIONS.split(), f"root@{server.floating}", "cat"]
    with _on_node(server.cloud, argv, stdin=subprocess.PIPE) as process:
        assert process.stdin
        assert process.stdout
        number = 0
        while not done.wait(STEP):
            number += 1
            try:
                process.stdin.write(f"{number}\n")
                process.stdin.flush()
            except BrokenPipeError:
                watch.problems.append(f"the connection ended before line {number}")
                break
            answer = process.stdout.readline()
            if answer != f"{number}\n":
                watch.problems.append(f"line {number} came back as {answer!r}")
                break
            watch.echoes.append(answer)
        process.stdin.close()


def qemu(cloud: CloudUnderTest) -> str:
    """Every QEMU process with its start time in clock ticks since boot (proc(5), field 22 of stat)."""
    return cloud.shell("for pid in $(pgrep qemu-system); do cut -d ' ' -f 1,22 /proc/$pid/stat; done | sort")


def image_of(cloud: CloudUnderTest, service: str) -> str:
    return cloud.node("podman", "inspect", "--format", "{{.ImageName}}", f"hotstack-os-{service}").strip()


@pytest.fixture(scope="module")
def later_release(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of the program whose images of compute services differ, as those of a later release would."""
    copy = tmp_path_factory.mktemp("later") / "hotstack-os"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".git", "__pycache__", ".*_cache"))
    catalogue = copy / "src/hotstack_os/catalogue/images.py"
    text = catalogue.read_text()
    for name in UPGRADED:
        before, found, after = text.partition(f'    "{name}",\n')
        assert found, name
        text = before + found + after.replace("steps=(", 'steps=("echo later > /etc/hotstack-os-release",', 1)
    catalogue.write_text(text)
    servers.cloud.run("images", "build", program=copy, timeout=1800)
    yield copy
    servers.cloud.run("up", timeout=900)


@pytest.fixture
def upgraded(servers: Servers, later_release: Path) -> Path:
    """The program that brought the cloud to where it is; nothing is left to do for it."""
    servers.cloud.run("up", program=later_release, timeout=900)
    return later_release


def test_an_upgrade_of_everything_on_a_compute_node_is_not_noticed(servers: Servers, later_release: Path) -> None:
    cloud = servers.cloud
    before, processes = image_of(cloud, "nova-compute"), qemu(cloud)
    assert len(processes.splitlines()) == 3
    with watching(servers.a) as seen:
        cloud.run("up", program=later_release, timeout=900)
    assert image_of(cloud, "nova-compute") != before
    for service in ("nova-compute", "ovn-controller", "neutron-ovn-agent"):
        release = cloud.node("podman", "exec", f"hotstack-os-{service}", "cat", "/etc/hotstack-os-release")
        assert release == "later\n"
    assert qemu(cloud) == processes
    assert_unnoticed(seen)


def assert_unnoticed(seen: Watch) -> None:
    """Not one packet was lost, and the connection went on."""
    assert seen.problems == []
    assert len(seen.echoes) > LEAST_SECONDS / STEP / 4
    assert (seen.received, seen.sent) == (LEAST_SECONDS / STEP, LEAST_SECONDS / STEP)


RESTARTS: dict[str, tuple[str, ...]] = {
    "libvirtd": ("systemctl", "--user", "--machine=hotstack@", "restart", "hotstack-os-libvirtd-session.service"),
    "the set-up unit": ("systemctl", "restart", "hotstack-os-infra-setup.service"),
}


@pytest.mark.long
@pytest.mark.parametrize("what", RESTARTS)
def test_a_restart_is_not_noticed(servers: Servers, what: str) -> None:
    cloud = servers.cloud
    processes = qemu(cloud)
    with watching(servers.b) as seen:
        cloud.node(*RESTARTS[what])
        until(lambda: len(domains(cloud)) == 3, "Nova to see its domains", seconds=60, step=1)
    assert qemu(cloud) == processes
    assert_unnoticed(seen)


def domains(cloud: CloudUnderTest) -> list[str]:
    listed = ("podman", "exec", "hotstack-os-nova-compute", "virsh", "list", "--name")
    return cloud.node(*listed, accept=(0, 1)).split()


def test_traffic_returns_after_a_restart_of_open_vswitch(servers: Servers) -> None:
    cloud = servers.cloud
    cloud.node("systemctl", "restart", "openvswitch-switch.service")
    for server in servers:
        server.wait(60)
    until_healthy(cloud)
    assert chassis(cloud) == 1


def chassis(cloud: CloudUnderTest) -> int:
    ask = ("ovn-sbctl", "--db=unix:/run/hotstack-os/ovn/sb.sock", "--columns=name", "--format=csv", "--no-headings")
    listed = cloud.node("podman", "exec", "hotstack-os-ovn-northd", *ask, "list", "chassis")
    return len(listed.split())


def until_healthy(cloud: CloudUnderTest, seconds: float = 180) -> None:
    def healthy() -> bool:
        said = cloud.json("status", accept=(0, 1))["services"]
        return bool(said) and all(each["health"] == "healthy" for each in said)

    until(healthy, "all services healthy", seconds=seconds, step=1)


@pytest.mark.long
def test_another_host_name_is_the_same_node(servers: Servers, upgraded: Path) -> None:
    cloud = servers.cloud
    old = cloud.node("hostname").strip()
    cloud.node("hostname", "from-dhcp")
    try:
        cloud.node("systemctl", "restart", "hotstack-os-ovn-controller", "hotstack-os-neutron-ovn-agent")
        cloud.run("plan", program=upgraded, accept=(0,))
        until_healthy(cloud)
        assert chassis(cloud) == 1
        servers.a.wait(30)
    finally:
        cloud.node("hostname", old)


@pytest.mark.long
def test_after_a_reboot_everything_is_as_before(servers: Servers, upgraded: Path) -> None:
    cloud = servers.cloud
    cloud.openstack("volume", "create", "--size", "1", "vol-kept")
    until(
        lambda: cloud.openstack("volume", "show", "vol-kept")["status"] == "available", "a volume", seconds=60, step=1
    )
    device = attach(servers.a, "vol-kept")
    servers.a.ssh(f"echo before the reboot > /tmp/mark; dd if=/tmp/mark of=/dev/{device} conv=fsync 2> /dev/null")
    cloud.run("box", "stop")
    cloud.run("box", "start")
    until_healthy(cloud)
    for server in servers:
        server.wait()
    assert servers.a.ssh(f"head -n 1 /dev/{device}") == "before the reboot\n"
    assert len(binds(cloud)) == 1
    assert chassis(cloud) == 1
    cloud.run("plan", program=upgraded, accept=(0,))
    detach(servers.a, "vol-kept")
    cloud.client("volume", "delete", "vol-kept")
