"""Every format of disk that the settings take, from the file to a server that boots from it."""

from __future__ import annotations

import shutil
import struct
from collections.abc import Iterator
from typing import get_args

import pytest
import yaml

from hotstack_os.exec.wait import until
from hotstack_os.images.guest import PREFIX, guest_path
from hotstack_os.images.store import Store
from hotstack_os.settings.content_schema import DiskFormat
from system.conftest import CACHE, CloudUnderTest

pytestmark = pytest.mark.long

WORDS = "this is what the test planted on the disk"
SECTOR = 2048
DISKS = {
    "disk-qcow2": ("qcow2", ("-O", "qcow2")),
    "disk-raw": ("raw", ("-O", "raw")),
    "disk-vdi": ("vdi", ("-O", "vdi")),
    "disk-vmdk": ("vmdk", ("-O", "vmdk", "-o", "subformat=monolithicSparse")),
    "disk-vmdk-stream": ("vmdk", ("-O", "vmdk", "-o", "subformat=streamOptimized")),
}
"""Name of an image → its format, and how qemu-img makes it of the test image."""
ISO = "disk-iso"
NAMES = (*DISKS, ISO)
BOOT_SECONDS = 400


def iso() -> bytes:
    """A bootable CD (ECMA-119; El Torito): its boot sector writes WORDS to the serial port and halts."""
    code = bytes.fromhex("31c0 8ed8 fc be167c baf803 ac 84c0 7403 ee ebf8 f4 ebfd") + WORDS.encode() + b"\r\n\0"
    volume = bytearray(SECTOR)
    volume[:8] = b"\x01CD001\x01\0"
    volume[80:88] = struct.pack("<I", 24) + struct.pack(">I", 24)
    volume[128:132] = struct.pack("<H", SECTOR) + struct.pack(">H", SECTOR)
    boot = bytearray(SECTOR)
    boot[:39] = (b"\x00CD001\x01EL TORITO SPECIFICATION").ljust(39, b"\0")
    boot[71:75] = struct.pack("<I", 19)
    validation = bytearray(b"\x01".ljust(30, b"\0") + b"\x55\xaa")
    validation[28:30] = struct.pack("<H", -sum(struct.unpack("<16H", validation)) & 0xFFFF)
    catalogue = bytes(validation) + struct.pack("<BBHBBHI", 0x88, 0, 0, 0, 0, 4, 20)
    end = b"\xffCD001\x01"
    sectors = (*[b""] * 16, bytes(volume), bytes(boot), end, catalogue, code, *[b""] * 3)
    return b"".join(each.ljust(SECTOR, b"\0") for each in sectors)


@pytest.fixture(scope="module")
def images(cloud: CloudUnderTest) -> Iterator[dict[str, str]]:
    """Image → format, uploaded as the settings say; gone afterwards, as the settings say."""
    here, there = cloud.state / "box" / "data" / "disks", "/var/lib/hotstack-os/disks"
    here.mkdir()
    text = cloud.settings.read_text()
    try:
        shutil.copy(guest_path(Store(CACHE)), here / "guest")
        for name, (_, how) in DISKS.items():
            cloud.node("qemu-img", "convert", "-f", "qcow2", *how, f"{there}/guest", f"{there}/{name}")
        (here / ISO).write_bytes(iso())
        formats = {name: kind for name, (kind, _) in DISKS.items()} | {ISO: "iso"}
        wanted = {name: {"file": str(here / name), "disk-format": kind} for name, kind in formats.items()}
        cloud.configure(yaml.safe_dump({"content": {"images": wanted}}))
        cloud.run("up", timeout=1200)
        yield formats
    finally:
        shutil.rmtree(here)
        cloud.settings.write_text(text)
        gone = [word for name in NAMES for word in ("--destroy", f"{cloud.name}:image/{name}")]
        cloud.run("up", *gone, timeout=1200)


@pytest.fixture(scope="module")
def booting(cloud: CloudUnderTest, images: dict[str, str]) -> Iterator[None]:
    """A server of each image."""
    given = ("--flavor", "hotstack.tiny", "--network", "private")
    as_user = ("--os-cloud", cloud.name)
    try:
        for name in images:
            cloud.client(*as_user, "server", "create", "--image", name, *given, "--wait", name, timeout=900)
        yield
    finally:
        cloud.client(*as_user, "server", "delete", "--wait", *images, timeout=600, accept=(0, 1))


def test_every_format_that_the_settings_take_is_tried(images: dict[str, str]) -> None:
    (taken,) = (each for each in get_args(DiskFormat) if get_args(each))
    assert set(images.values()) == set(get_args(taken))


def test_glance_has_them_as_they_are(cloud: CloudUnderTest, images: dict[str, str]) -> None:
    found = {name: cloud.openstack("image", "show", name) for name in images}
    assert {name: each["disk_format"] for name, each in found.items()} == images
    assert {each["status"] for each in found.values()} == {"active"}


@pytest.mark.usefixtures("booting")
@pytest.mark.parametrize("name", NAMES)
def test_a_server_boots_from_it(name: str, cloud: CloudUnderTest) -> None:
    """Told by what only the system on the disk writes to the console."""
    words = WORDS if name == ISO else PREFIX

    def said() -> bool:
        console = cloud.client("--os-cloud", cloud.name, "console", "log", "show", name, accept=(0, 1)).stdout
        return words in console

    until(said, f"the system on {name} to write to its console", seconds=BOOT_SECONDS, step=2)


def test_a_disk_with_a_backing_file_is_refused_before_it_is_uploaded(cloud: CloudUnderTest) -> None:
    here, there = cloud.state / "box" / "data" / "layered", "/var/lib/hotstack-os/layered"
    here.mkdir()
    text = cloud.settings.read_text()
    try:
        cloud.node("qemu-img", "create", "-q", "-f", "raw", f"{there}/base", "1M")
        create = ("qemu-img", "create", "-q", "-f", "qcow2")
        cloud.node(*create, "-b", f"{there}/base", "-F", "raw", f"{there}/above")
        cloud.node(*create, "-o", f"data_file={there}/data", f"{there}/beside", "1M")
        cloud.node("qemu-img", "create", "-q", "-f", "vmdk", "-o", "subformat=monolithicFlat", f"{there}/flat", "1M")
        for file, kind, why in (
            ("above", "qcow2", "a backing file"),
            ("beside", "qcow2", "data are in another file"),
            ("flat", "vmdk", "a description of other files"),
        ):
            wanted = {"layered": {"file": str(here / file), "disk-format": kind}}
            cloud.configure(yaml.safe_dump({"content": {"images": wanted}}))
            done = cloud.run("up", accept=(1,))
            assert why in done.stderr
            assert f"qemu-img convert -f {kind} -O qcow2" in done.stderr
        assert "layered" not in {each["Name"] for each in cloud.openstack("image", "list")}
    finally:
        shutil.rmtree(here)
        cloud.settings.write_text(text)
