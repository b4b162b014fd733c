"""The test image, booted by a real QEMU without hardware virtualisation, with each kind of machine and of metadata."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hotstack_os.exec import wait
from hotstack_os.images.bases import BOX
from hotstack_os.images.builder import Event
from hotstack_os.images.guest import PREFIX, build_guest, guest_path, package_tree
from hotstack_os.images.packages import Apt
from hotstack_os.images.rootfs import package_sources, rootfs_path
from hotstack_os.images.store import Store

BOOT_SECONDS = 60.0
SCRIPT = '#!/bin/sh\necho "script says $((6 * 7)) to $(hostname)"\nexit 3\n'
MULTIPART = """\
Content-Type: multipart/mixed; boundary="==edge=="
MIME-Version: 1.0

--==edge==
Content-Type: text/cloud-config; charset="us-ascii"

#cloud-config
--==edge==
Content-Type: text/x-shellscript; charset="us-ascii"
Content-Transfer-Encoding: base64

IyEvYmluL3NoCmVjaG8gZGVjb2RlZCAkKCgyICsgMykpCg==
--==edge==
Content-Type: text/x-shellscript

#!/bin/sh
echo plain $((3 + 4))
--==edge==--
"""
# The metadata service of the machine below: QEMU runs it for each connection to 169.254.169.254:80. Like a real one
# it is not ready at once, and has no file that it was not given.
SERVICE = """\
#!/usr/bin/python3
import pathlib, sys
here = pathlib.Path("/mnt")
path = sys.stdin.readline().split()[1]
while sys.stdin.readline().strip():
    pass
with open(here / "asked", "a+") as asked:
    asked.write(path + "\\n")
    asked.seek(0)
    early = len(asked.readlines()) < 3
file = here / "service" / path.lstrip("/")
status = "503 Not yet" if early else "200 OK" if file.is_file() else "404 Not Found"
body = file.read_text() if status == "200 OK" else ""
sys.stdout.write(f"HTTP/1.1 {status}\\r\\nContent-Length: {len(body)}\\r\\nConnection: close\\r\\n\\r\\n{body}")
"""


@dataclass(frozen=True)
class Room:
    """A root file system that has QEMU and SSH, with a directory of ours at its /mnt; mounts are private."""

    tree: Path
    directory: Path

    def argv(self, *argv: str) -> tuple[str, ...]:
        script = 'mount --bind "$1" "$2/mnt" && mount -t tmpfs tmpfs "$2/tmp" && root=$2 && shift 2'
        script += ' && exec chroot "$root" "$@"'
        return ("unshare", "--mount", "sh", "-c", script, "sh", str(self.directory), str(self.tree), *argv)

    def run(self, *argv: str, accept: tuple[int, ...] = (0,), seconds: float = 60) -> str:
        done = subprocess.run(self.argv(*argv), capture_output=True, text=True, timeout=seconds, check=False)
        assert done.returncode in accept, done.stderr
        return done.stdout


class Machine:
    """A running guest. Its console is a file, its monitor a socket, its SSH a port of 127.0.0.1."""

    def __init__(self, room: Room, kind: str, netdev: str, *extra: str) -> None:
        self.room, self.port = room, _free_port()
        options = {
            "-machine": f"{kind},accel=tcg",
            "-m": "256",
            "-display": "none",
            "-serial": "file:/mnt/console",
            "-qmp": "unix:/mnt/qmp,server=on,wait=off",
            "-netdev": f"user,id=first,hostfwd=tcp:127.0.0.1:{self.port}-:22,{netdev}",
            "-object": "rng-builtin,id=random",
        }
        devices = ("virtio-net-pci,netdev=first", "virtio-rng-pci,rng=random", "virtio-blk-pci,drive=root,bootindex=1")
        argv = ["qemu-system-x86_64", "-nodefaults", *(word for pair in options.items() for word in pair)]
        argv += ["-drive", "if=none,id=root,file=/mnt/disk.qcow2,format=qcow2", *extra]
        argv += [word for device in devices for word in ("-device", device)]
        self.started = time.monotonic()
        self.process = subprocess.Popen(room.argv(*argv))
        self.up = self.until_said("services start")

    def console(self) -> str:
        path = self.room.directory / "console"
        return path.read_text(errors="replace") if path.exists() else ""

    def until_said(self, text: str) -> float:
        """Wait for a line of the guest; returns the seconds since the start."""
        wait.until(lambda: text in self.console(), text, seconds=BOOT_SECONDS, last=lambda: self.console()[-3000:])
        return time.monotonic() - self.started

    def banner(self) -> str | None:
        """What the SSH server says first; None while there is none: QEMU accepts connections in its stead."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
                return connection.recv(100).decode(errors="replace") or None
        except (ConnectionError, TimeoutError):
            return None

    def ssh(self, script: str, accept: tuple[int, ...] = (0,)) -> str:
        options = ("StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "IdentityFile=/mnt/key", "BatchMode=yes")
        words = [word for option in (*options, "LogLevel=ERROR") for word in ("-o", option)]
        return self.room.run("ssh", *words, "-p", str(self.port), "root@127.0.0.1", script, accept=accept)

    def until_shell(self, script: str) -> None:
        """Wait until the script, run in the guest, succeeds."""
        wait.until(
            lambda: self.ssh(f"{{ {script}; }} > /dev/null 2>&1 && echo yes || true") == "yes\n",
            script,
            seconds=30,
            step=0.3,
            last=lambda: self.ssh("ip address; dmesg | tail -n 5"),
        )

    def ask(self, command: str, **arguments: Any) -> None:
        """A command of QMP; answers and events before its answer are skipped."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(self.room.directory / "qmp"))
            with connection.makefile("rw") as lines:
                lines.readline()
                for name, values in (("qmp_capabilities", {}), (command, arguments)):
                    lines.write(json.dumps({"execute": name, "arguments": values}) + "\n")
                    lines.flush()
                    answer = next(found for found in map(json.loads, lines) if found.keys() & {"return", "error"})
                    assert "return" in answer, answer

    def power_off(self) -> None:
        """Press the power button and wait for the end."""
        self.ask("system_powerdown")
        assert self.process.wait(30) == 0

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def image(store: Store) -> Path:
    """Made from nothing but packages."""
    return build_guest(store, package_sources(store, None))


@pytest.fixture(scope="module")
def new_room(cache: Store, image: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Room]:
    """Makes a directory with a disk and an SSH key."""
    tree = rootfs_path(cache, BOX) / "tree"
    if not (tree / "usr/bin/qemu-system-x86_64").exists():
        pytest.skip("build the root file system of boxes first")

    def make(name: str) -> Room:
        room = Room(tree, tmp_path_factory.mktemp(name))
        shutil.copy(image, room.directory / "disk.qcow2")
        room.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "a key", "-f", "/mnt/key")
        return room

    return make


def _metadata(room: Room, top: str, user_data: str) -> Path:
    directory = room.directory / top / "openstack/latest"
    directory.mkdir(parents=True)
    key = (room.directory / "key.pub").read_text()
    document = {"uuid": "1", "meta": {"note": "x"}, "public_keys": {"mine": key}, "hostname": "one.example"}
    (directory / "meta_data.json").write_text(json.dumps(document))
    (directory / "user_data").write_text(user_data)
    return room.directory / top


@pytest.fixture(scope="module")
def with_drive(new_room: Callable[[str], Room], store: Store) -> Iterator[Machine]:
    """A q35 machine with a config drive as Nova makes it, and no metadata service."""
    room = new_room("q35")
    content = _metadata(room, "drive", SCRIPT)
    maker = package_tree(Apt(store.cache / "apt"), ("busybox", "genisoimage"), room.directory / "iso")
    shutil.copytree(content, maker.root / "tmp/drive")
    flags = "-ldots -allow-lowercase -allow-multidot -l -quiet -J -r -V config-2 -o drive.iso drive"
    maker.run("genisoimage", *flags.split(), purpose="make a config drive")
    (maker.root / "tmp/drive.iso").rename(room.directory / "drive.iso")
    drive = ("-drive", "if=none,id=config,file=/mnt/drive.iso,format=raw,readonly=on", "-device", "ide-cd,drive=config")
    machine = Machine(room, "q35", "ipv4=on,ipv6=on", *drive, "-device", "pcie-root-port,id=slot1,chassis=1",
                      "-device", "pcie-root-port,id=slot2,chassis=2")  # fmt: skip
    yield machine
    machine.end()


@pytest.fixture(scope="module")
def with_service(new_room: Callable[[str], Room]) -> Iterator[Machine]:
    """A pc machine with a metadata service."""
    room = new_room("pc")
    _metadata(room, "service", MULTIPART)
    (room.directory / "serve").write_text(SERVICE)
    (room.directory / "serve").chmod(0o755)
    net = "net=169.254.0.0/16,host=169.254.0.2,dns=169.254.0.3,dhcpstart=169.254.0.15"
    machine = Machine(room, "pc", f"{net},guestfwd=tcp:169.254.169.254:80-cmd:/mnt/serve")
    yield machine
    machine.end()


def test_the_image_is_small_and_made_once(store: Store, image: Path) -> None:
    assert image == guest_path(store)
    assert 5_000_000 < image.stat().st_size < 20_000_000
    events: list[Event] = []
    before = image.stat()
    assert build_guest(store, (), events.append) == image
    assert (events, image.stat().st_mtime_ns) == ([], before.st_mtime_ns)
    assert list(store.work.iterdir()) == []


def test_ssh_answers_in_time_and_lets_the_key_in(with_drive: Machine) -> None:
    assert wait.until(with_drive.banner, "SSH", seconds=BOOT_SECONDS).startswith("SSH-2.0-dropbear")
    assert time.monotonic() - with_drive.started < BOOT_SECONDS
    seconds = with_drive.until_said("metadata done")
    print(f"services after {with_drive.up:.1f} s, metadata after {seconds:.1f} s")  # noqa: T201
    assert with_drive.ssh("id -un; hostname") == "root\none\n"


@pytest.mark.long
def test_uefi_starts_it_too(new_room: Callable[[str], Room]) -> None:
    room = new_room("uefi")
    room.run("cp", "/usr/share/OVMF/OVMF_VARS_4M.fd", "/mnt/variables")
    code = "if=pflash,unit=0,format=raw,readonly=on,file=/usr/share/OVMF/OVMF_CODE_4M.fd"
    machine = Machine(
        room, "q35", "ipv4=on", "-drive", code, "-drive", "if=pflash,unit=1,format=raw,file=/mnt/variables"
    )
    try:
        machine.until_said("services start")
    finally:
        machine.end()
    assert "BdsDxe: starting" in machine.console()


def test_user_data_of_a_config_drive_is_run_and_seen_on_the_console(with_drive: Machine) -> None:
    with_drive.until_said("metadata done")
    console = with_drive.console()
    assert re.search(rf"^{PREFIX}config drive /dev/sr0: name one, SSH keys 1 ", console, re.MULTILINE)
    assert "\nscript says 42 to one\n" in console
    assert f"{PREFIX}user data script ended with status 3 " in console


def test_metadata_of_the_service_is_read_once_it_is_ready(with_service: Machine) -> None:
    with_service.until_said("metadata done")
    console = with_service.console()
    assert f"{PREFIX}metadata service: name one, SSH keys 1 " in console
    assert re.search(r"\ndecoded 5\n.*\nplain 7\n", console, re.DOTALL)
    assert f"{PREFIX}user data part.1 is no script " in console
    assert (with_service.room.directory / "asked").read_text().count("meta_data.json") == 3
    assert with_service.ssh("hostname") == "one\n"


@pytest.mark.parametrize(("machine", "buses"), [("with_drive", ("slot1", "slot2")), ("with_service", ("pci.0",) * 2)])
def test_disks_and_cards_can_be_plugged_in(
    machine: str, buses: tuple[str, str], request: pytest.FixtureRequest
) -> None:
    guest: Machine = request.getfixturevalue(machine)
    guest.until_said("metadata done")
    with (guest.room.directory / "volume").open("wb") as file:
        file.truncate(64 * 1024 * 1024)
    guest.ask("blockdev-add", **{"driver": "file", "node-name": "volume", "filename": "/mnt/volume"})
    guest.ask("device_add", driver="virtio-blk-pci", drive="volume", id="disk2", bus=buses[0])
    guest.until_shell("test -b /dev/vdb")
    guest.ssh(
        "mke2fs /dev/vdb && mount /dev/vdb /mnt && echo kept > /mnt/file && umount /mnt && mount -t ext4 /dev/vdb /mnt"
    )
    assert guest.ssh("cat /mnt/file; umount /mnt") == "kept\n"
    guest.ask("netdev_add", type="user", id="second", net="10.9.0.0/24")
    guest.ask("device_add", driver="virtio-net-pci", netdev="second", id="card2", bus=buses[1])
    guest.until_shell("ip -4 address show eth1 | grep 'inet 10.9.0.15/24'")
    guest.ask("device_del", id="card2")
    guest.until_said("eth1 is gone")
    guest.ask("device_del", id="disk2")
    guest.until_shell("test ! -e /dev/vdb")


def test_a_lease_with_mtu_and_classless_routes_is_taken_whole(with_drive: Machine) -> None:
    with_drive.until_said("metadata done")
    lease = "interface=dummy0 ip=10.7.0.5 mask=24 mtu=1342 router=10.7.0.9 dns=10.7.0.3 search=cloud.example"
    routes = "169.254.169.254/32 10.7.0.2 0.0.0.0/0 10.7.0.1 10.8.0.0/16 0.0.0.0"
    assert "dummy" not in with_drive.ssh("ip link")  # its driver is there, and no card that nobody asked for
    with_drive.ssh(f"ip link add dummy0 type dummy; ip link set dummy0 up;"
                   f" env {lease} staticroutes='{routes}' /usr/lib/guest/dhcp bound")  # fmt: skip
    shown = with_drive.ssh("ip link show dummy0; ip -4 address show dummy0; ip route; cat /etc/resolv.conf")
    for wanted in (
        "mtu 1342",
        "inet 10.7.0.5/24",
        "default via 10.7.0.1 dev dummy0",
        "169.254.169.254 via 10.7.0.2 dev dummy0",
        "10.8.0.0/16 dev dummy0",
        "nameserver 10.7.0.3",
        "search cloud.example",
    ):
        assert wanted in shown
    assert "10.7.0.9" not in shown
    with_drive.ssh("env interface=dummy0 /usr/lib/guest/dhcp deconfig; rm /run/dns.dummy0; ip link del dummy0")


def test_ipv6_comes_by_itself_and_vlans_can_be_made(with_drive: Machine) -> None:
    with_drive.until_said("metadata done")
    with_drive.until_shell("ip -6 address show eth0 | grep 'inet6 fec0:'")
    with_drive.ssh("ip link add link eth0 name eth0.7 type vlan id 7 && ip link set eth0.7 up")
    assert "eth0.7@eth0" in with_drive.ssh("ip link; ip link del eth0.7")


def test_the_tools_that_tests_want_are_there(with_drive: Machine) -> None:
    with_drive.until_said("metadata done")
    tools = "ping nc wget sha256sum dd ip httpd nslookup udhcpc mke2fs mkdosfs awk timeout"
    assert with_drive.ssh(f"for one in {tools}; do command -v $one > /dev/null || echo $one; done") == ""
    with_drive.ssh("mkdir -p /tmp/www && echo served > /tmp/www/page && httpd -p 127.0.0.1:8080 -h /tmp/www")
    assert with_drive.ssh("wget -q -O - http://localhost:8080/page") == "served\n"


@pytest.mark.long
def test_the_disk_keeps_files_over_a_reboot_and_the_button_ends_it(with_service: Machine) -> None:
    with_service.until_said("metadata done")
    with_service.ssh("echo kept > /disk/note")
    key = with_service.ssh("dropbearkey -y -f /disk/ssh/dropbear_ed25519_host_key | grep ^ssh-")
    with_service.ssh("reboot", accept=(0, 255))
    wait.until(lambda: with_service.console().count("metadata done") == 2, "a second boot", seconds=BOOT_SECONDS)
    assert (
        with_service.ssh("cat /disk/note; dropbearkey -y -f /disk/ssh/dropbear_ed25519_host_key | grep ^ssh-")
        == f"kept\n{key}"
    )
    with_service.power_off()
    assert f"{PREFIX}power button " in with_service.console()


@pytest.mark.long
def test_the_button_ends_a_q35_machine_too(with_drive: Machine) -> None:
    with_drive.until_said("services start")
    with_drive.power_off()
