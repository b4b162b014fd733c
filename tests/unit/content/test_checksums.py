"""Files are read once as long as they are the same, and again when they are others."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest

from hotstack_os.content import checksums
from hotstack_os.content.checksums import Checksums

LIE = "0" * 64
"""Told of a file that was read before: whoever gives this as its checksum has not read it again."""


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "image.raw"
    path.write_bytes(b"disk")
    return path


@pytest.fixture
def kept(tmp_path: Path, image: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What an earlier command left, with a lie in it by which it is told that it was believed."""
    path = tmp_path / "checksums.json"
    first = Checksums(path)
    assert first.of(image) == digest(image)
    first.keep()
    path.write_text(json.dumps(dict.fromkeys(json.loads(path.read_text()), LIE)))
    monkeypatch.setattr(checksums, "_seen", {})  # this is another process
    return path


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_file_is_not_read_again_while_it_is_the_same(kept: Path, image: Path) -> None:
    assert Checksums(kept).of(image) == LIE


def test_within_a_command_every_node_asks_and_one_reads(kept: Path, image: Path) -> None:
    assert [Checksums(kept).of(image), Checksums(Path("/nothing")).of(image)] == [LIE, LIE]


def test_a_file_of_the_same_size_and_time_is_another(kept: Path, image: Path) -> None:
    before = image.stat()
    image.write_bytes(b"DISK")
    os.utime(image, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert Checksums(kept).of(image) == digest(image)


def test_another_file_under_the_name_is_read(kept: Path, image: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_bytes(b"else")
    other.rename(image)
    assert Checksums(kept).of(image) == digest(image)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"a": 1}', '{"a": "short"}', "\x00"])
def test_a_damaged_record_costs_a_look_and_nothing_else(kept: Path, image: Path, text: str) -> None:
    kept.write_text(text)
    again = Checksums(kept)
    assert again.of(image) == digest(image)
    again.keep()
    assert list(json.loads(kept.read_text()).values()) == [digest(image)]


def test_what_is_known_of_other_files_stays_and_of_this_one_the_newest(kept: Path, image: Path, tmp_path: Path) -> None:
    other = tmp_path / "second.raw"
    other.write_bytes(b"second")
    image.write_bytes(b"changed")
    both = Checksums(kept)
    both.of(other)
    both.keep()
    both.of(image)
    both.keep()
    assert sorted(json.loads(kept.read_text()).values()) == sorted([digest(image), digest(other)])
