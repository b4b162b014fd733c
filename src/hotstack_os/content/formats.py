"""What a disk image is, told by its bytes: a wrong name for it would come out only when a server does not boot."""

from __future__ import annotations

from pathlib import Path

from hotstack_os.errors import HotstackError

# Offset and bytes; QEMU's docs/interop/qcow2.rst, block/vmdk.c, block/vdi.c, block/vpc.c, block/vhdx.h; ECMA-119 §8.1.
_SIGNATURES = {
    "qcow2": ((0, b"QFI\xfb"),),
    "vmdk": ((0, b"KDMV"), (0, b"# Disk DescriptorFile")),
    "vdi": ((64, b"\x7f\x10\xda\xbe"),),
    "vhd": ((0, b"conectix"), (-512, b"conectix")),
    "vhdx": ((0, b"vhdxfile"),),
    "iso": ((0x8001, b"CD001"),),
}


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


def check(name: str, path: Path, wanted: str) -> None:
    """Refuse a file that is not of the format that the settings say. An ISO image may be used as a raw disk."""
    found = found_in(path)
    if found == wanted or (found, wanted) == ("iso", "raw"):
        return
    hint = f"Set content.images.{name}.disk_format to {found}, or give another file."
    if found == "raw":
        hint = f"Give another file, or set content.images.{name}.disk_format to raw if it is a disk."
    raise HotstackError(f"{path}, of the image {name}, in the format {wanted}", f"{found}", hint)
