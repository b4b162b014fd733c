"""The test image as data: what decides its digest, which drivers it takes, and the archive that its root becomes."""

from __future__ import annotations

import gzip
import os
import stat
import subprocess
from pathlib import Path

import pytest

from hotstack_os.errors import HotstackError
from hotstack_os.images import guest
from hotstack_os.images.guest import build_guest, guest_digest, guest_path, needed_modules
from hotstack_os.images.guest_disk import Disk, ram_file_system
from hotstack_os.images.store import Store

DEPENDENCIES = """\
kernel/net/8021q/8021q.ko.xz: kernel/net/802/mrp.ko.xz kernel/net/802/garp.ko.xz
kernel/net/802/mrp.ko.xz:
kernel/net/802/garp.ko.xz:
kernel/drivers/char/hw_random/virtio-rng.ko.xz:
kernel/fs/isofs/isofs.ko.xz:
"""
BUILTIN = "kernel/drivers/virtio/virtio.ko\nkernel/fs/ext4/ext4.ko\n"


def test_the_path_follows_the_digest_and_is_the_same_each_time(tmp_path: Path) -> None:
    path = guest_path(Store(tmp_path))
    assert path == tmp_path / "guest" / guest_digest() / "hotstack-guest.qcow2"
    assert path == guest_path(Store(tmp_path))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "value"),
    [("SUITE", "forky"), ("PACKAGES", ("busybox",)), ("TOOLS", ()), ("KERNEL", "linux-image-amd64"), ("FORMAT", 0)],
)
def test_the_digest_follows_all_that_decides_the_image(
    name: str, value: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = guest_digest()
    monkeypatch.setattr(guest, name, value)
    assert guest_digest() != before


def test_the_digest_follows_the_files_of_the_guest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {path.name: path.read_text() for path in (Path(guest.__file__).parent / "files/guest").iterdir()}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    before = guest_digest()
    monkeypatch.setattr(guest, "_SOURCE", tmp_path)
    assert guest_digest() == before
    (tmp_path / "rc").write_text("#!/bin/sh\n")
    assert guest_digest() != before


def test_every_file_of_the_guest_is_used_and_its_scripts_are_valid() -> None:
    source = Path(guest.__file__).parent / "files/guest"
    assert {path.name for path in source.iterdir()} == {*guest.FILES.values(), "syslinux.cfg"}
    scripts = [path for path in source.iterdir() if path.read_text().startswith("#!/bin/sh\n")]
    assert len(scripts) == 8
    for path in scripts:
        subprocess.run(["sh", "-n", path], check=True)


def test_an_image_that_is_there_is_not_touched(tmp_path: Path) -> None:
    store = Store(tmp_path)
    path = guest_path(store)
    path.parent.mkdir(parents=True)
    path.write_text("made")
    assert build_guest(store, ()) == path
    assert path.read_text() == "made"
    assert [one.name for one in tmp_path.iterdir()] == ["guest"]


def test_modules_come_with_what_they_need_and_built_in_ones_are_no_files() -> None:
    assert needed_modules(DEPENDENCIES, BUILTIN, ("8021q", "virtio_rng", "ext4")) == (
        "kernel/drivers/char/hw_random/virtio-rng.ko.xz",
        "kernel/net/802/garp.ko.xz",
        "kernel/net/802/mrp.ko.xz",
        "kernel/net/8021q/8021q.ko.xz",
    )


def test_a_driver_that_the_kernel_lacks_is_an_error() -> None:
    with pytest.raises(HotstackError) as caught:
        needed_modules(DEPENDENCIES, BUILTIN, ("8021q", "virtio_net"))
    assert caught.value.found == "none for virtio_net"


def _root(path: Path) -> Path:
    (path / "etc").mkdir(parents=True)
    (path / "etc/rc").write_text("#!/bin/sh\n")
    (path / "etc/rc").chmod(0o755)
    (path / "init").symlink_to("etc/rc")
    return path


def test_the_ram_file_system_is_root_s_and_knows_no_time(tmp_path: Path) -> None:
    one, two = _root(tmp_path / "one"), _root(tmp_path / "two")
    os.utime(two / "etc/rc", (1, 1))
    packed = ram_file_system(one)
    assert packed == ram_file_system(two)
    members = _members(gzip.decompress(packed))
    assert {name: stat.filemode(mode) for name, (mode, _) in members.items()} == {
        "etc": stat.filemode((one / "etc").stat().st_mode),
        "etc/rc": "-rwxr-xr-x",
        "init": "lrwxrwxrwx",
    }
    assert members["etc/rc"][1] == b"#!/bin/sh\n"
    assert members["init"][1] == b"etc/rc"


def _members(data: bytes) -> dict[str, tuple[int, bytes]]:
    """A reader of cpio(5)'s "newc": name → mode and content. Checks that all is root's and without a time."""
    found: dict[str, tuple[int, bytes]] = {}
    at = 0
    while True:
        assert data[at : at + 6] == b"070701"
        fields = [int(data[at + 6 + 8 * n : at + 14 + 8 * n], 16) for n in range(13)]
        _, mode, owner, group, _, changed, size, *_, length, _ = fields
        name = data[at + 110 : at + 109 + length].decode()
        begin = (at + 110 + length + 3) // 4 * 4
        if name == "TRAILER!!!":
            return found
        assert (owner, group, changed) == (0, 0, 0)
        found[name] = (mode, data[begin : begin + size])
        at = (begin + size + 3) // 4 * 4


def test_the_boot_sector_has_one_active_partition_to_the_end_of_the_disk() -> None:
    sector = Disk({}, "LABEL", 48)._boot_sector(b"\xeb" * 600)
    assert len(sector) == 512
    assert sector[:440] == b"\xeb" * 440
    assert sector[440:446] == bytes(6)
    assert sector[510:] == b"\x55\xaa"
    assert (sector[446], sector[450]) == (0x80, 0x0E)
    start, length = (int.from_bytes(sector[at : at + 4], "little") for at in (454, 458))
    assert (start, start + length) == (2048, 48 * 2048)
    assert sector[462:510] == bytes(48)


def test_uefi_starts_what_a_bios_starts() -> None:
    said = "DEFAULT guest\nLABEL guest\n  KERNEL vmlinuz\n  INITRD initrd.gz\n  APPEND console=tty0 quiet\n"
    assert guest.uefi_entry(said) == "linux /vmlinuz\ninitrd /initrd.gz\noptions console=tty0 quiet\n"
