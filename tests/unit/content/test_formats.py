"""Formats of disks are told by their headers, as the specifications have them."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from hotstack_os.content.formats import check, found_in
from hotstack_os.errors import HotstackError

FILES = {
    "qcow2": b"QFI\xfb\0\0\0\3" + bytes(1024),
    "vmdk": b"KDMV\1\0\0\0" + bytes(1024),
    "vdi": b"<<< Oracle VM VirtualBox Disk Image >>>\n".ljust(64, b"\0")
    + b"\x7f\x10\xda\xbe"
    + bytes(8)
    + b"\1\0\0\0"
    + bytes(1024),
    "vhd": bytes(4096) + b"conectix".ljust(512, b"\0"),
    "vhdx": b"vhdxfile" + bytes(1024),
    "iso": bytes(0x8000) + b"\1CD001\1" + bytes(2048),
    "raw": bytes(4096),
}


@pytest.fixture(params=FILES)
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Path]:
    path = tmp_path / "disk"
    path.write_bytes(FILES[request.param])
    return request.param, path


def test_a_format_is_told_by_its_signature(disk: tuple[str, Path]) -> None:
    name, path = disk
    assert found_in(path) == name


def test_another_format_than_said_is_refused_with_what_to_do(disk: tuple[str, Path]) -> None:
    name, path = disk
    said = "vmdk" if name == "qcow2" else "qcow2"
    with pytest.raises(HotstackError, match=rf"in the format {said}; found {name}\b") as refused:
        check("mine", path, said)
    more = "qemu-img convert" if name.startswith("vhd") else "content.images.mine.disk-format"
    assert more in refused.value.hint


@pytest.mark.parametrize("content", [b"", b"x", b"hello\n"])
def test_a_short_file_is_raw(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "disk").write_bytes(content)
    assert found_in(tmp_path / "disk") == "raw"


def test_an_iso_image_may_be_a_raw_disk(tmp_path: Path) -> None:
    (tmp_path / "disk").write_bytes(FILES["iso"])
    check("mine", tmp_path / "disk", "raw")


def qcow2(*, version: int = 3, backing: int = 0, features: int = 0) -> bytes:
    head = b"QFI\xfb" + struct.pack(">IQI", version, backing, 0) + bytes(52)
    return head + (struct.pack(">Q", features) if version >= 3 else b"") + bytes(1024)


def vmdk(description: str, kind: str = "monolithicSparse") -> bytes:
    text = f'# Disk DescriptorFile\nversion=1\nparentCID=ffffffff\ncreateType="{kind}"\n{description}\nddb.uuid = "x"\n'
    return (b"KDMV" + bytes(24) + struct.pack("<QQ", 1, 4)).ljust(512, b"\0") + text.encode().ljust(2048, b"\0")


def vdi(kind: int) -> bytes:
    return bytes(64) + b"\x7f\x10\xda\xbe" + struct.pack("<III", 0x10001, 400, kind) + bytes(512)


EXTENT = 'RW 4096 SPARSE "disk.vmdk"'


@pytest.mark.parametrize(
    ("kind", "content", "why"),
    [
        ("qcow2", qcow2(backing=104), "a layer above another file (a backing file)"),
        ("qcow2", qcow2(version=2, backing=72), "a layer above another file (a backing file)"),
        ("qcow2", qcow2(features=1 << 2), "a header whose data are in another file"),
        ("qcow2", b"QFI\xfb\0\0\0\3", "a header that is cut short"),
        ("qcow2", qcow2()[:74], "a header whose data are in another file"),
        (
            "vmdk",
            b'# Disk DescriptorFile\ncreateType="monolithicFlat"\nRW 1 FLAT "/etc/shadow" 0\n',
            "a description of",
        ),
        ("vmdk", vmdk('RW 4096 FLAT "/etc/shadow" 0'), "an extent in a file elsewhere"),
        ("vmdk", vmdk(f'{EXTENT}\nRW 1 FLAT "other" 0'), "2 extents"),
        ("vmdk", vmdk(""), "0 extents"),
        ("vmdk", vmdk(EXTENT, "monolithicFlat"), "the kind 'monolithicflat'"),
        ("vmdk", vmdk(EXTENT, "twoGbMaxExtentSparse"), "the kind 'twogbmaxextentsparse'"),
        ("vmdk", vmdk(f'parentFileNameHint="base.vmdk"\n{EXTENT}'), "a layer above another file"),
        ("vmdk", vmdk(EXTENT).replace(b"parentCID=ffffffff", b"parentCID=12345678"), "a layer above another file"),
        ("vmdk", b"KDMV" + bytes(1024), "no description of what it is"),
        ("vdi", vdi(4), "a layer above another file, or none that QEMU knows"),
    ],
)
def test_a_disk_that_is_not_all_in_its_file_is_refused(kind: str, content: bytes, why: str, tmp_path: Path) -> None:
    path = tmp_path / "disk"
    path.write_bytes(content)
    with pytest.raises(HotstackError) as refused:
        check("mine", path, kind)
    assert refused.value.found.startswith(why)
    assert f"qemu-img convert -f {kind} -O qcow2 {path}" in refused.value.hint


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("qcow2", qcow2()),
        ("qcow2", qcow2(version=2)),
        ("qcow2", qcow2(features=1)),
        ("vmdk", vmdk(EXTENT)),
        ("vmdk", vmdk('RDONLY 4096 SPARSE "call-me-stream.vmdk"', "streamOptimized")),
        ("vdi", vdi(1)),
        ("vdi", vdi(2)),
    ],
)
def test_a_whole_disk_is_taken(kind: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / "disk").write_bytes(content)
    assert found_in(tmp_path / "disk") == kind
    check("mine", tmp_path / "disk", kind)


@pytest.mark.parametrize(("kind", "name"), [("vhd", "vpc"), ("vhdx", "vhdx")])
def test_a_disk_that_no_server_boots_from_comes_with_how_to_convert_it(kind: str, name: str, tmp_path: Path) -> None:
    path = tmp_path / "disk"
    path.write_bytes(FILES[kind])
    with pytest.raises(HotstackError, match=f"found {kind}") as refused:
        check("mine", path, "qcow2")
    assert f"qemu-img convert -f {name} -O qcow2 {path} NEW.qcow2" in refused.value.hint


def test_what_is_no_file_is_called_what_it_is(tmp_path: Path) -> None:
    for path, found in ((tmp_path, "a directory"), (tmp_path / "none", "no such file"),
                        (Path("/dev/null"), "something else than a file")):  # fmt: skip
        with pytest.raises(HotstackError) as refused:
            check("mine", path, "raw")
        assert refused.value.found == found
        assert refused.value.hint == "Correct content.images.mine.file."
