"""Target local: a bare machine becomes a cloud, from an installed package, and is afterwards what it was before."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import uv

from hotstack_os.box import Bind, Box, BoxSpec
from hotstack_os.box.podman import STORAGE_CONF
from hotstack_os.catalogue import registry
from hotstack_os.deploy.machine import box_spec
from hotstack_os.exec.wait import until
from hotstack_os.settings.loading import load
from system.conftest import ROOT, CloudUnderTest, make_cloud
from system.servers import CONNECT

PYTHON = "3.13"
"""Debian 13's."""
ENVIRONMENT = "/opt/hotstack-os"
# What others write all the time (useradd(8) and dpkg-statoverride(1) keep their files of before), and the caches that a
# cloud leaves on purpose.
ELSEWHERE = ("/proc", "/sys", "/dev", "/run", "/tmp", "/var/tmp", "/var/log", "/var/cache", "/var/lib/systemd",
             "/var/lib/containers", "/var/lib/apt", "/root/.cache", "/srv",
             "/var/lib/dpkg/statoverride-old", ENVIRONMENT)  # fmt: skip

STARTED = ("openvswitch-switch.service", "ovs-record-hostname.service", "polkit.service")
"""What begins with the first use of Open vSwitch and D-Bus, and goes on."""


@dataclass(frozen=True)
class BareMachine:
    """A machine with the packages of a node and nothing of ours but an installed package."""

    box: Box

    def run(self, *argv: str, timeout: float = 600) -> str:
        """Standard output; any other status than 0 fails the test with all that was said."""
        done = subprocess.run(
            self.box.enter_argv(argv),
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == 0, f"{argv}: status {done.returncode}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
        return done.stdout

    def hotstack(self, *words: str) -> str:
        """The installed command."""
        return self.run(f"{ENVIRONMENT}/bin/hotstack-os", *words)


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Our wheel and all that it needs, for the Python of the bare machine."""
    place = tmp_path_factory.mktemp("wheels")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
    subprocess.run([*pip, "wheel", "--no-deps", "-w", str(place), str(ROOT)], check=True)
    target = ["--python-version", PYTHON, "--only-binary=:all:", "--no-deps", "--require-hashes"]
    subprocess.run([*pip, "download", *target, "-d", str(place), "-r", str(ROOT / "requirements.lock")], check=True)
    shutil.copy(uv.find_uv_bin(), place / "uv")
    return place


@pytest.fixture(scope="module")
def machine(wheels: Path) -> Iterator[BareMachine]:
    template: CloudUnderTest = make_cloud("bare")
    template.run("images", "build", timeout=1800)
    cloud = load(template.settings, template.environment, registry.takes())
    home = template.settings.parent / "machine"
    binds = (Bind(str(cloud.cache), "/var/cache/hotstack-os", writable=True), Bind(str(wheels), "/srv/wheels"))
    box = Box(BoxSpec("bare", box_spec(cloud).rootfs, home, binds=binds, hostname="bare"))
    box.create()
    try:
        box.boot()
        bare = BareMachine(box)
        bare.run("rm", STORAGE_CONF)  # an ordinary machine has podman's defaults
        _install(bare)
        yield bare
    finally:
        box.remove()
        shutil.rmtree(template.settings.parent)


def _install(bare: BareMachine) -> None:
    tool = ("env", "UV_OFFLINE=1", "UV_NO_CONFIG=1", "UV_NO_CACHE=1", "/srv/wheels/uv")
    bare.run(*tool, "venv", "-q", "--python", f"/usr/bin/python{PYTHON}", ENVIRONMENT)
    where = ("--no-index", "--find-links", "/srv/wheels", "--python", f"{ENVIRONMENT}/bin/python")
    bare.run(*tool, "pip", "install", "-q", *where, "hotstack-os")


def snapshot(bare: BareMachine) -> dict[str, set[str]]:
    """Everything that a cloud could leave something in."""
    skipped = " ".join(f"-path {path} -prune -o" for path in ELSEWHERE)
    said = {
        "files": f"find / -xdev {skipped} '(' -type f -o -type l -o -type d ')' -printf '%p %m %u %g %l\\n'",
        "contents": "find /etc -type f -not -name '*-' -not -path /etc/openvswitch/conf.db -exec sha256sum {} +",
        "capabilities": "getcap -r /usr/bin /usr/sbin 2> /dev/null",
        "overrides": "dpkg-statoverride --list",
        "interfaces": "ip -o addr | awk '{print $2, $4}'; ip -o link | awk '{print $2}'",
        "routes": "ip route; ip rule",
        "firewall": "nft list tables | grep -vx 'table inet netavark' || true",  # podman's, and stays with podman
        "switch": "ovs-vsctl --format=csv --columns=name list bridge; ovs-vsctl get open_vswitch . external_ids;"
        " ovs-vsctl get open_vswitch . other_config",
        "units": "systemctl list-unit-files --no-legend --state=enabled,enabled-runtime | awk '{print $1}'",
        "running": "systemctl list-units --no-legend --plain --type=service --state=active | awk '{print $1}'",
        "mounts": "cut -d ' ' -f 5 /proc/self/mountinfo | grep -v '^/run/netns$'",  # any program's, see ip-netns(8)
        "kernel": "sysctl net.ipv4.ip_forward",
        "containers": "podman ps --all --quiet",
        "lingering": "ls /var/lib/systemd/linger 2> /dev/null || true",
    }
    return {what: set(bare.run("sh", "-ec", script).splitlines()) for what, script in said.items()}


RESOLVER = "192.0.2.53"
ARCHIVE = r"""
set -eu
apt-get purge --yes less socat
rm -f /etc/apt/sources.list /etc/apt/sources.list.d/*
mkdir -p /srv/archive && cd /srv/archive
pack() {
    mkdir -p "/tmp/$1/DEBIAN"
    printf 'Package: %s\nVersion: 9999\nArchitecture: all\nMaintainer: nobody <nobody@localhost>\n%sDescription: x\n' \
        "$1" "$2" > "/tmp/$1/DEBIAN/control"
    dpkg-deb --build --root-owner-group "/tmp/$1" "$1.deb"
    { dpkg-deb --field "$1.deb"; printf 'Filename: ./%s.deb\nSize: %s\nSHA256: %s\n\n' \
        "$1" "$(stat -c %s "$1.deb")" "$(sha256sum "$1.deb" | cut -d ' ' -f 1)"; } >> Packages
}
pack less 'Depends: hot-along
'
pack hot-along ''
pack socat ''
pack hot-foreign 'Depends: socat
'
echo 'deb [trusted=yes] file:/srv/archive ./' > /etc/apt/sources.list
rm -rf /var/lib/apt/lists/*
"""
"""Two packages of a node are missing, and a little archive has them; nobody has read its list yet."""


def stock(machine: BareMachine) -> None:
    """What an ordinary Debian has and a box has not: Open vSwitch that starts by itself, a resolver of its own."""
    machine.run("sh", "-c", ARCHIVE)
    machine.run("systemctl", "enable", "openvswitch-switch.service")
    machine.run("systemctl", "start", *STARTED)
    upstream = f"mkdir -p /run/systemd/resolve; echo nameserver {RESOLVER} > /run/systemd/resolve/resolv.conf"
    machine.run(
        "sh", "-c", f"{upstream}; umount /etc/resolv.conf || true; echo nameserver 127.0.0.53 > /etc/resolv.conf"
    )


def installed(machine: BareMachine) -> set[str]:
    """The packages of the machine."""
    said = machine.run("dpkg-query", "--show", "--showformat=${db:Status-Status} ${Package}\n")
    return {line.split()[1] for line in said.splitlines() if line.startswith("installed ")}


@pytest.mark.long
def test_a_foreign_container_under_a_name_of_ours_stops_all_before_it_begins(machine: BareMachine) -> None:
    machine.run("podman", "create", "--name", "hotstack-os-mariadb", "--rootfs", "/srv/wheels", "true")
    try:
        done = subprocess.run(
            machine.box.enter_argv((f"{ENVIRONMENT}/bin/hotstack-os", "plan", "--target", "local")),
            capture_output=True, text=True, timeout=600, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert "hotstack-os-mariadb" in done.stdout + done.stderr
        assert "not ours" in done.stdout + done.stderr
        assert machine.run("podman", "ps", "--all", "--format", "{{.Names}}").split() == ["hotstack-os-mariadb"]
    finally:
        machine.run("podman", "rm", "hotstack-os-mariadb")


@pytest.mark.long
def test_a_bare_machine_becomes_a_cloud_and_is_itself_again(machine: BareMachine) -> None:
    stock(machine)
    before, packages = snapshot(machine), installed(machine)
    told = json.loads(machine.hotstack("up", "--target", "local", "--json"))
    assert told["address"] == "172.31.0.129"
    status = json.loads(machine.hotstack("status", "--json"))["services"]
    assert {each["health"] for each in status} == {"healthy"}
    assert {each["node"] for each in status} == {"bare"}
    machine.run("grep", "-r", f"server={RESOLVER}", "/etc/hotstack-os/config/dnsmasq")
    assert installed(machine) - packages == {"less", "hot-along", "socat"}
    machine.run("apt-get", "install", "--yes", "hot-foreign")
    _reach_a_server(machine)
    said = machine.hotstack("down", "--yes")
    assert "The package socat stays, for hot-foreign." in said
    assert installed(machine) - packages == {"hot-foreign", "socat"}
    assert packages <= installed(machine)
    machine.run("apt-get", "purge", "--yes", "hot-foreign", "socat")
    after = snapshot(machine)
    assert {what: after[what] ^ before[what] for what in before} == {what: set() for what in before}


def _reach_a_server(machine: BareMachine) -> None:
    """The key of the cloud's content is in its state directory; its security group lets SSH in."""

    def client(*words: str) -> Any:
        said = machine.hotstack("openstack", "--", "--os-cloud", "hotstack-os", *words, "-f", "json")
        return json.loads(said) if said.strip() else None

    def active() -> bool:
        server = client("server", "show", "first")
        assert "fault" not in server, server["fault"]
        return bool(server["status"] == "ACTIVE")

    create = ("server", "create", "--image", "hotstack-guest", "--flavor", "hotstack.tiny", "--network", "private")
    client(*create, "--key-name", "hotstack", "first")
    until(active, "the server to be active", seconds=120, step=1)
    address = client("floating", "ip", "create", "public")["floating_ip_address"]
    machine.hotstack(
        "openstack", "--", "--os-cloud", "hotstack-os", "server", "add", "floating", "ip", "first", address
    )
    key = "/var/lib/hotstack-os-clouds/hotstack-os/id_ed25519"

    said = ""

    def answers() -> bool:
        nonlocal said
        said = machine.run("sh", "-c", f"ssh -i {key} {CONNECT} root@{address} hostname 2>&1 || true")
        return said == "first\n"

    until(answers, f"the server's name over SSH from {address}", seconds=120, step=1, last=lambda: said)
