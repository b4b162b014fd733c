"""Formats of disks are told by their headers, as the specifications have them."""

from __future__ import annotations

from pathlib import Path

import pytest

from hotstack_os.content.formats import check, found_in
from hotstack_os.errors import HotstackError

FILES = {
    "qcow2": b"QFI\xfb\0\0\0\3" + bytes(1024),
    "vmdk": b"KDMV\1\0\0\0" + bytes(1024),
    "vdi": b"<<< Oracle VM VirtualBox Disk Image >>>\n".ljust(64, b"\0") + b"\x7f\x10\xda\xbe" + bytes(1024),
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
    check("mine", path, name)


def test_another_format_than_said_is_refused_with_what_to_do(disk: tuple[str, Path]) -> None:
    name, path = disk
    said = "vmdk" if name == "qcow2" else "qcow2"
    with pytest.raises(HotstackError, match=rf"in the format {said}; found {name}\b") as refused:
        check("mine", path, said)
    assert "content.images.mine.disk_format" in str(refused.value)


@pytest.mark.parametrize("content", [b"", b"x", b"hello\n"])
def test_a_short_file_is_raw(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "disk").write_bytes(content)
    assert found_in(tmp_path / "disk") == "raw"


def test_an_iso_image_may_be_a_raw_disk(tmp_path: Path) -> None:
    (tmp_path / "disk").write_bytes(FILES["iso"])
    check("mine", tmp_path / "disk", "raw")
