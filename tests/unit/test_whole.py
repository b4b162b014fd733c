"""A file is there as a whole or as it was."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from hotstack_os.errors import HotstackError
from hotstack_os.whole import Damaged, put, read


def test_a_file_is_replaced_with_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "file"
    put(path, "one\n")
    assert path.stat().st_mode & 0o777 == 0o644
    put(path, "zwölf\n", 0o600)
    assert path.read_bytes() == b"zw\xc3\xb6lf\n"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    path, other = tmp_path / "file", tmp_path / "other"
    other.write_text("another's\n")
    path.symlink_to(other)
    put(path, "ours\n")
    assert (path.read_text(), path.is_symlink(), other.read_text()) == ("ours\n", False, "another's\n")


def test_nothing_changes_when_writing_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    path = tmp_path / "file"
    put(path, "before\n")
    monkeypatch.setattr("hotstack_os.whole.os.fsync", full)
    with pytest.raises(HotstackError, match=f"to write {path}; found No space left on device\n  → Make room"):
        put(path, "after\n")
    assert path.read_text() == "before\n"
    assert list(tmp_path.iterdir()) == [path]


def test_what_the_machine_does_not_allow_is_said(tmp_path: Path) -> None:
    with pytest.raises(HotstackError, match=r"to write .*/nowhere/file; found No such file or directory$"):
        put(tmp_path / "nowhere" / "file", "text\n")


@pytest.mark.parametrize(("make", "found"), [(os.mkfifo, "something else than a file"), (os.mkdir, "is a directory")])
def test_what_is_no_file_is_damage_and_not_waited_for(tmp_path: Path, make: Callable[[Path], None], found: str) -> None:
    make(tmp_path / "journal.jsonl")
    with pytest.raises(Damaged) as refused:
        read(tmp_path / "journal.jsonl", "Restore it.")
    assert refused.value.found == found
