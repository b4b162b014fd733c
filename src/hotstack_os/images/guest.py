"""The test image: a guest of about 15 MB that boots in seconds, even without hardware virtualisation.

It is made of Debian packages only: the cloud kernel, BusyBox, Dropbear, and SYSLINUX to start them from a BIOS, or
systemd-boot from UEFI. The root is an initial RAM file system, made anew by every boot; the disk's FAT partition is
mounted at /disk and survives reboots.
What the guest does lies in files/guest/: DHCP on each card, metadata, SSH as root, user data, a shell on each console.
"""

from __future__ import annotations

import hashlib
import json
import lzma
import os
import re
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from hotstack_os.errors import HotstackError
from hotstack_os.exec import Command, run_here
from hotstack_os.exec.command import TAIL
from hotstack_os.images.bases import SUITE
from hotstack_os.images.builder import Event, Progress
from hotstack_os.images.guest_disk import Disk, Tree, ram_file_system
from hotstack_os.images.packages import Apt
from hotstack_os.images.store import Store

NAME = "hotstack-guest"
PREFIX = f"{NAME}: "
"""How lines of the guest begin on its console."""

KERNEL = "linux-image-cloud-amd64"
PACKAGES = ("busybox", "dosfstools", "dropbear-bin", "e2fsprogs", "util-linux")
"""What the guest consists of, besides its kernel."""

TOOLS = ("busybox", "kmod", "liblzma5", "mtools", "qemu-utils", "syslinux", "syslinux-common", "systemd-boot-efi")
"""What makes the image; kmod only recommends liblzma5, without which it cannot read drivers."""

PROGRAMS = (
    "usr/bin/busybox",
    "usr/sbin/dropbear",
    "usr/bin/dropbearkey",
    # What tests of clouds (Tempest) look at disks with: of these BusyBox has less, or nothing.
    "usr/bin/lsblk",
    "usr/sbin/blkid",
    "usr/sbin/mkfs",
    "usr/sbin/mkfs.fat",
    "usr/sbin/mke2fs",
)

MODULES: Mapping[str, str] = {
    "virtio_net": "network cards",
    "virtio_blk": "disks",
    "virtio_scsi": "disks of hw_scsi_model=virtio-scsi",
    "sd_mod": "SCSI and SATA disks",
    "ahci": "the config drive of a q35 machine",
    "ata_piix": "the config drive of a pc machine",
    "sr_mod": "CD-ROM",
    "isofs": "config drives",
    "vfat": "config drives, the image's own disk",
    "nls_cp437": "file names of FAT",
    "nls_ascii": "file names of FAT",
    "nls_utf8": "file names",
    "virtio_rng": "random numbers for SSH",
    "virtio_balloon": "statistics of memory for Nova",
    "evdev": "the power button",
    "button": "the power button",
    "8021q": "trunk ports",
    "dummy": "a network card of one's own",
}
"""Drivers that are loaded at the start, in this order; ext4 and virtio itself are built into the kernel."""
OPTIONS: Mapping[str, str] = {
    # It makes one by itself: Tempest takes every Ethernet card that a server has for a port's.
    "dummy": "numdummies=0",
}
"""Driver → how it is loaded."""

FILES = {
    "etc/inittab": "inittab",
    "etc/passwd": "passwd",
    "etc/rc": "rc",
    "etc/acpi/PWRF/00000080": "power",
    "usr/bin/curl": "curl",
    "usr/bin/sudo": "sudo",
    "usr/sbin/say": "say",
    "usr/lib/guest/dhcp": "dhcp",
    "usr/lib/guest/metadata": "metadata",
    "usr/lib/guest/network": "network",
}
"""Path in the guest → file of files/guest/."""

TEXTS = {
    "etc/group": "root:x:0:\nnogroup:x:65534:\n",
    "etc/nsswitch.conf": "hosts: files dns\n",
    "etc/shadow": "root:*:::::::\nnobody:*:::::::\n",
    "etc/shells": "/bin/sh\n",
    "etc/modules": "".join(f"{name} {OPTIONS.get(name, '')}".rstrip() + "\n" for name in MODULES),
}
LINKS = {
    "init": "bin/busybox",
    "etc/dropbear": "/disk/ssh",
    "etc/mtab": "/proc/mounts",
    "usr/sbin/mkfs.vfat": "mkfs.fat",
    "usr/sbin/mkfs.ext4": "mke2fs",
}
EMPTY = ("dev", "disk", "mnt", "root/.ssh", "run", "sys", "var/log")
MEBIBYTES = 48
LABEL = "HOTGUEST"
FORMAT = 2
"""Raised when images are made differently from the same data."""

_SOURCE = Path(__file__).parent / "files/guest"


def guest_digest() -> str:
    """16 hexadecimal digits over all that decides the image except the versions in Debian's archive."""
    files = {path.name: path.read_text() for path in sorted(_SOURCE.iterdir())}
    layout = (FILES, TEXTS, LINKS, EMPTY, PROGRAMS, MEBIBYTES, LABEL, FORMAT)
    parts = json.dumps((SUITE, KERNEL, PACKAGES, TOOLS, files, layout))
    return hashlib.sha256(parts.encode()).hexdigest()[:16]


def guest_path(store: Store) -> Path:
    """Where the test image is, or will be: a qcow2 for x86_64, BIOS, with a virtual size of `MEBIBYTES`."""
    return store.cache / "guest" / guest_digest() / f"{NAME}.qcow2"


def build_guest(store: Store, lines: tuple[str, ...], progress: Progress = lambda _: None) -> Path:
    """Make the test image unless it is there; returns its `guest_path`.

    `lines` are sources.list lines (`rootfs.package_sources`). Takes the store's lock, so the caller must not hold it;
    where the image is there, nothing is locked or changed. `progress` hears of the image as "guest".
    """
    done = guest_path(store)
    if done.is_file():
        return done
    _require_amd64()
    with store.locked(lambda: progress(Event("waiting", "store"))):
        if not done.is_file():
            _reported(store, lines, progress)
    return done


def _require_amd64() -> None:
    if os.uname().machine != "x86_64":
        raise HotstackError("a machine of architecture x86_64 for the test image", os.uname().machine)


def _reported(store: Store, lines: tuple[str, ...], progress: Progress) -> None:
    started = time.monotonic()
    progress(Event("started", "guest", ("never built here",)))
    try:
        _build(store, lines)
    except HotstackError as error:
        progress(Event("failed", "guest", seconds=time.monotonic() - started, error=error))
        raise
    progress(Event("finished", "guest", seconds=time.monotonic() - started))


def _build(store: Store, lines: tuple[str, ...]) -> None:
    work = store.work / "guest"
    work.mkdir()
    apt = Apt(store.cache / "apt")
    apt.update(lines, time.time())
    tools = package_tree(apt, TOOLS, work / "tools")
    tools.unpack(_kernel_archive(apt, work / "kernel"))
    root = tools.root / "tmp/root"
    _add_programs(package_tree(apt, PACKAGES, work / "packages"), root)
    version = _add_modules(tools, root)
    start = (_SOURCE / "syslinux.cfg").read_text()
    files = {
        "vmlinuz": (tools.root / f"boot/vmlinuz-{version}").read_bytes(),
        "initrd.gz": ram_file_system(root),
        "syslinux.cfg": start.encode(),
        # Where UEFI looks on a disk that it knows nothing of (UEFI 2.10, 3.5.1.1), and what is started from there.
        "EFI/BOOT/BOOTX64.EFI": (tools.root / "usr/lib/systemd/boot/efi/systemd-bootx64.efi").read_bytes(),
        "loader/entries/guest.conf": uefi_entry(start).encode(),
    }
    _publish(Disk(files, LABEL, MEBIBYTES).write(tools), guest_path(store))


def uefi_entry(syslinux: str) -> str:
    """The entry for systemd-boot (Boot Loader Specification) that starts what SYSLINUX's configuration starts."""
    said = dict(line.split(None, 1) for line in syslinux.splitlines() if len(line.split()) > 1)
    return f"linux /{said['KERNEL']}\ninitrd /{said['INITRD']}\noptions {said['APPEND']}\n"


def package_tree(apt: Apt, packages: Iterable[str], place: Path) -> Tree:
    """A new directory `place` with the packages, and all that they depend on, unpacked."""
    archives = place.with_name(f"{place.name}.debs")
    archives.mkdir()
    apt.fetch(apt.directory / "status", tuple(packages), archives)
    return Tree(place).prepare().unpack(archives)


def _kernel_archive(apt: Apt, place: Path) -> Path:
    """A new directory with the package of the kernel that `KERNEL` stands for now, without its installation tools."""
    place.mkdir()
    apt.fetch_alone((KERNEL,), place)
    (meta,) = place.glob("*.deb")
    argv = ("dpkg-deb", "--field", str(meta), "Depends")
    needs = run_here(Command(argv, f"see what {KERNEL} needs")).stdout
    meta.unlink()
    named = re.match(r"linux-image-\S+", needs)
    if named is None:
        raise HotstackError(f"{KERNEL} to depend on a kernel", needs.strip() or "no dependency")
    apt.fetch_alone((named[0],), place)
    return place


def _add_programs(packages: Tree, root: Path) -> None:
    """Fill the guest's root, except for drivers."""
    Tree(root).prepare()
    for name in EMPTY:
        (root / name).mkdir(parents=True, exist_ok=True)
    for name in (*PROGRAMS, *_libraries(packages)):
        _add(root / name, (packages.root / name).read_bytes())
    for name, source in FILES.items():
        _add(root / name, (_SOURCE / source).read_bytes())
    for name, text in TEXTS.items():
        _add(root / name, text.encode(), mode=0o644)
    for name, target in LINKS.items():
        (root / name).symlink_to(target)
    Tree(root).run("/bin/busybox", "--install", "-s", purpose="give BusyBox its names in the guest image")
    # sshd's and Dropbear's rule: nobody else may write where keys are.
    for name in ("root", "root/.ssh"):
        (root / name).chmod(0o700)


def _add(path: Path, content: bytes, mode: int = 0o755) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(mode)


def _libraries(packages: Tree) -> list[str]:
    """The shared libraries of `PROGRAMS` with the loader, relative to the root, as the loader itself finds them."""
    (loader,) = (packages.root / "usr/lib64").glob("ld-linux*")
    found = {f"usr/lib64/{loader.name}"}
    for program in PROGRAMS:
        listed = packages.run(f"/lib64/{loader.name}", "--list", f"/{program}", purpose=f"list libraries of {program}")
        found |= {f"usr{path}" for path in re.findall(r"=> (/lib/\S+)", listed.stdout)}
    return sorted(found)


def _add_modules(tools: Tree, root: Path) -> str:
    """Put `MODULES` and those that they need into the guest's root, uncompressed; returns the kernel's version."""
    (home,) = (tools.root / "usr/lib/modules").iterdir()
    _index_modules(tools, "/", home.name)
    for name in needed_modules((home / "modules.dep").read_text(), (home / "modules.builtin").read_text()):
        content = (home / name).read_bytes()
        plain = lzma.decompress(content) if name.endswith(".xz") else content
        _add(root / "usr/lib/modules" / home.name / name.removesuffix(".xz"), plain, mode=0o644)
    for name in ("modules.builtin", "modules.order"):
        _add(root / "usr/lib/modules" / home.name / name, (home / name).read_bytes(), mode=0o644)
    _index_modules(tools, f"/{root.relative_to(tools.root)}", home.name)
    return home.name


def _index_modules(tools: Tree, base: str, version: str) -> None:
    done = tools.run("depmod", "--basedir", base, version, purpose="index drivers")
    if "ERROR" in done.stderr:  # depmod ends with status 0 all the same
        raise HotstackError("to index the drivers of the guest image", done.stderr[:TAIL])


def needed_modules(dependencies: str, builtin: str, wanted: Iterable[str] = MODULES) -> tuple[str, ...]:
    """The files, as modules.dep(5) names them, of the modules and of all that they need; built-in ones have none."""
    needs = {path: rest.split() for path, _, rest in (line.partition(":") for line in dependencies.splitlines())}
    by_name = {_module(path): path for path in needs}
    inside = {_module(path) for path in builtin.split()}
    missing = [name for name in wanted if name not in by_name and name not in inside]
    if missing:
        raise HotstackError(f"a kernel with {', '.join(wanted)}", f"none for {', '.join(missing)}")
    paths = [by_name[name] for name in wanted if name in by_name]
    return tuple(sorted({*paths, *(need for path in paths for need in needs[path])}))


def _module(path: str) -> str:
    """A module's name by its file: virtio-rng.ko.xz is virtio_rng."""
    return Path(path).name.partition(".ko")[0].replace("-", "_")


def _publish(made: Path, target: Path) -> None:
    """Put the image into the cache whole: a directory that exists holds a finished image."""
    part = made.parent / "guest"
    part.mkdir()
    made.chmod(0o644)
    made.replace(part / target.name)
    target.parent.parent.mkdir(exist_ok=True)
    part.replace(target.parent)
