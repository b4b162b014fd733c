"""A disk that a BIOS starts Linux from: one FAT partition with the kernel, an initial RAM file system, and SYSLINUX."""

from __future__ import annotations

import gzip
import os
import stat
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from hotstack_os.exec import Command, Result, run_here

SECTOR = 512
_MIB = 1024 * 1024
_HEADS, _SECTORS = 16, 63
_BOOT_CODE = 440
_FAT16_LBA = 0x0E
# Where chmod and chown have nothing to say, time has nothing either: the first moment that FAT can express.
_EPOCH = "315532800"


@dataclass(frozen=True)
class Tree:
    """A directory that Debian packages are unpacked into; its programs run with it as their root directory.

    Nothing is configured and no script of a package runs. The tree must hold busybox; chroot(2) needs root.
    """

    root: Path

    def prepare(self) -> Tree:
        """Make the directories that merged-/usr packages expect (Debian's base-files)."""
        for name in ("bin", "sbin", "lib", "lib64"):
            (self.root / "usr" / name).mkdir(parents=True, exist_ok=True)
            (self.root / name).symlink_to(f"usr/{name}")
        for name in ("proc", "tmp"):
            (self.root / name).mkdir()
        (self.root / "bin/sh").symlink_to("busybox")
        return self

    def unpack(self, archives: Path) -> Tree:
        """Unpack every .deb of the directory."""
        for path in sorted(archives.glob("*.deb")):
            run_here(Command(("dpkg-deb", "--extract", str(path), str(self.root)), f"unpack {path.name}"))
        return self

    def run(self, *argv: str, purpose: str) -> Result:
        """Run a program of the tree in its /tmp, with a /proc of its own: SYSLINUX names files by /proc/…/fd."""
        apart = ("unshare", "--pid", f"--mount-proc={self.root}/proc", "--fork", "--kill-child")
        command = (*apart, "chroot", str(self.root), "sh", "-c", 'cd /tmp && exec "$@"', "sh", *argv)
        env = {"TMPDIR": "/tmp", "SOURCE_DATE_EPOCH": _EPOCH, "MTOOLS_SKIP_CHECK": "1"}  # noqa: S108 — the tree's own
        return run_here(Command(command, purpose, env=env, timeout=300))


def ram_file_system(root: Path) -> bytes:
    """The directory as a compressed initramfs: everything root's, without times (kernel: buffer-format.rst)."""
    entries = [_entry(number, path, root) for number, path in enumerate(sorted(root.rglob("*")), 1)]
    data = b"".join([*entries, _record("TRAILER!!!", 0, 0, b"")])
    return gzip.compress(data, 9, mtime=0)


def _entry(number: int, path: Path, root: Path) -> bytes:
    status = path.lstat()
    content = b""
    if stat.S_ISLNK(status.st_mode):
        content = os.fsencode(path.readlink())
    elif stat.S_ISREG(status.st_mode):
        content = path.read_bytes()
    return _record(str(path.relative_to(root)), number, status.st_mode, content)


def _record(name: str, number: int, mode: int, content: bytes) -> bytes:
    """One member in cpio(5)'s new portable format; hard links are stored as files of their own."""
    encoded = name.encode() + b"\0"
    fields = (number, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(encoded), 0)
    header = b"070701" + b"".join(b"%08x" % field for field in fields)
    return _padded(header + encoded) + _padded(content)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


@dataclass(frozen=True)
class Disk:
    """A disk to be.

    Attributes:
        files: path in the partition → content; syslinux.cfg must be among them.
        label: of the FAT file system, at most 11 characters.
        mebibytes: size of the whole disk, at least 18 (for FAT16).
    """

    files: dict[str, bytes]
    label: str
    mebibytes: int

    def write(self, tools: Tree) -> Path:
        """Make the disk with the tools' mtools, SYSLINUX and qemu-img; returns a compressed qcow2 in their /tmp."""
        place = tools.root / "tmp"
        with (place / "disk.raw").open("wb") as file:
            file.truncate(self.mebibytes * _MIB)
            file.write(self._boot_sector((tools.root / "usr/lib/SYSLINUX/mbr.bin").read_bytes()))
        part = f"disk.raw@@{_MIB}"
        for argv in self._formatting(part):
            tools.run(*argv, purpose="make the file system of the guest image")
        for directory in self._directories():
            (place / directory).mkdir()
            tools.run("mmd", "-i", part, f"::{directory}", purpose=f"make {directory} in the guest image")
        for name, content in self.files.items():
            (place / name).write_bytes(content)
            tools.run("mcopy", "-i", part, name, f"::{name}", purpose=f"copy {name} to the guest image")
        tools.run("syslinux", "--offset", str(_MIB), "--install", "disk.raw", purpose="install SYSLINUX")
        convert = ("qemu-img", "convert", "-c", "-f", "raw", "-O", "qcow2", "disk.raw", "disk.qcow2")
        tools.run(*convert, purpose="compress the guest image")
        return place / "disk.qcow2"

    def _directories(self) -> list[str]:
        """Those of the files, parents first."""
        parents = {str(parent) for name in self.files for parent in PurePosixPath(name).parents}
        return sorted(parents - {"."})

    def _formatting(self, part: str) -> Iterator[tuple[str, ...]]:
        start, sectors = _MIB // SECTOR, self._sectors
        geometry = ("-T", str(sectors), "-h", str(_HEADS), "-s", str(_SECTORS), "-H", str(start))
        yield ("mformat", "-i", part, *geometry, "-N", "48535447", "-v", self.label, "::")

    @property
    def _sectors(self) -> int:
        """Those of the one partition, which begins after a mebibyte and ends with the disk."""
        return (self.mebibytes - 1) * _MIB // SECTOR

    def _boot_sector(self, code: bytes) -> bytes:
        """SYSLINUX's boot code and a table of one active partition, whose CHS addresses say "see the LBA ones"."""
        beyond = b"\xfe\xff\xff"
        entry = struct.pack("<B3sB3sII", 0x80, beyond, _FAT16_LBA, beyond, _MIB // SECTOR, self._sectors)
        return code[:_BOOT_CODE].ljust(446, b"\0") + entry + bytes(48) + b"\x55\xaa"
