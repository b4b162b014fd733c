"""What a disk image is, told by its bytes: a wrong name for it would come out only when a server does not boot.

And whether it is all there is: a disk that names other files would make whoever opens it read those.
"""

from __future__ import annotations

import re
import struct
from pathlib import Path
from typing import BinaryIO

from hotstack_os.errors import HotstackError
from hotstack_os.settings.values import QEMU_NAMES

# Offset and bytes; QEMU's docs/interop/qcow2.rst, block/vmdk.c, block/vdi.c, block/vpc.c, block/vhdx.h; ECMA-119 §8.1.
_SIGNATURES = {
    "qcow2": ((0, b"QFI\xfb"),),
    "vmdk": ((0, b"KDMV"), (0, b"# Disk DescriptorFile")),
    "vdi": ((64, b"\x7f\x10\xda\xbe"),),
    "vhd": ((0, b"conectix"), (-512, b"conectix")),
    "vhdx": ((0, b"vhdxfile"),),
    "iso": ((0x8001, b"CD001"),),
}
_EXTERNAL_DATA = 1 << 2
"""Of qcow2's incompatible features: the data are in another file."""
_SECTOR, _LONGEST = 512, 1 << 20
_VMDK_TYPES = ("monolithicsparse", "streamoptimized")
"""Kinds of VMDK that are one file; Nova takes no others (its vmdk_allowed_types)."""
_VDI_TYPES = {1: "dynamic", 2: "static"}


def found_in(path: Path) -> str:
    """The disk format of a file, in Glance's words; "raw" for whatever has no signature."""
    size = path.stat().st_size
    with path.open("rb") as handle:
        for name, signatures in _SIGNATURES.items():
            for offset, signature in signatures:
                handle.seek(offset if offset >= 0 else max(size + offset, 0))
                if handle.read(len(signature)) == signature:
                    return name
    return "raw"


def instead(path: Path) -> str:
    """What there is where a file was expected."""
    if path.is_dir():
        return "a directory"
    return "something else than a file" if path.exists() else "no such file"


def check(name: str, path: Path, wanted: str) -> None:
    """Refuse what is no file, or not of the format that the settings say, or not the whole disk.

    An ISO image may be used as a raw disk.
    """
    if not path.is_file():
        hint = f"Correct content.images.{name}.file."
        raise HotstackError(f"the file {path} of the image {name}", instead(path), hint)
    found = found_in(path)
    if found != wanted and (found, wanted) != ("iso", "raw"):
        raise HotstackError(f"{path}, of the image {name}, in the format {wanted}", found, _how(name, path, found))
    if why := _elsewhere(path, wanted):
        hint = f"qemu-img convert -f {wanted} -O qcow2 {path} NEW.qcow2 makes one file of a disk that you trust."
        raise HotstackError(f"{path}, of the image {name}, to be a whole disk in one file", why, hint)


def _how(name: str, path: Path, found: str) -> str:
    key = f"content.images.{name}.disk-format"
    if found in QEMU_NAMES:
        return f"No server boots from it: qemu-img convert -f {QEMU_NAMES[found]} -O qcow2 {path} NEW.qcow2"
    if found == "raw":
        return f"Give another file, or set {key} to raw if it is a disk."
    return f"Set {key} to {found}, or give another file."


def _elsewhere(path: Path, kind: str) -> str:
    """Why a disk is not all in its file; empty where it is."""
    with path.open("rb") as handle:
        match kind:
            case "qcow2":
                return _qcow2(handle.read(104))
            case "vmdk":
                return _vmdk(handle)
            case "vdi":
                return _vdi(handle.read(80))
            case _:
                return ""


def _qcow2(header: bytes) -> str:
    if len(header) < 72:
        return "a header that is cut short"
    version, backing = struct.unpack(">IQ", header[4:16])
    if backing:
        return "a layer above another file (a backing file)"
    if version >= 3 and (len(header) < 80 or struct.unpack(">Q", header[72:80])[0] & _EXTERNAL_DATA):
        return "a header whose data are in another file"
    return ""


def _vmdk(handle: BinaryIO) -> str:
    header = handle.read(_SECTOR)
    if not header.startswith(b"KDMV"):
        return "a description of other files"
    if len(header) < 44:
        return "a header that is cut short"
    place, length = struct.unpack("<QQ", header[28:44])
    handle.seek(min(place * _SECTOR, 1 << 40))
    text = handle.read(min(length * _SECTOR, _LONGEST)).partition(b"\0")[0].decode("ascii", errors="replace").lower()
    kind = re.search(r'^createtype\s*=\s*"([^"]*)"', text, re.MULTILINE)
    if not kind or kind[1] not in _VMDK_TYPES:
        return f"the kind {kind[1][:40]!r}" if kind else "no description of what it is"
    if re.search(r"^parentfilenamehint\s*=|^parentcid\s*=\s*(?!f{8}\b)", text, re.MULTILINE):
        return "a layer above another file"
    extents = re.findall(r"^(?:rw|rdonly|noaccess)\s.*$", text, re.MULTILINE)
    if len(extents) != 1 or "/" in extents[0] or "\\" in extents[0]:
        return f"{len(extents)} extents" if len(extents) != 1 else "an extent in a file elsewhere"
    return ""


def _vdi(header: bytes) -> str:
    kind = struct.unpack("<I", header[76:80])[0] if len(header) == 80 else 0
    return "" if kind in _VDI_TYPES else "a layer above another file, or none that QEMU knows"
