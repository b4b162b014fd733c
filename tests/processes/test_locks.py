"""A lock that is held is the one that its path leads to, and goes with its holder."""

from __future__ import annotations

import fcntl
import os
import threading
from pathlib import Path

import pytest

from hotstack_os.exec import locks
from hotstack_os.exec.wait import WaitedTooLong


def test_a_lock_is_held_once(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    one = locks.taken(path)
    assert one is not None
    assert locks.taken(path) is None
    os.close(one)
    again = locks.taken(path)
    assert again is not None
    os.close(again)


def test_a_lock_that_went_while_it_was_opened_is_taken_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, flock = tmp_path / "lock", fcntl.flock
    removed: list[Path] = []

    def late(descriptor: int, how: int) -> None:
        if not removed:
            removed.append(path)
            path.unlink()
        flock(descriptor, how)

    monkeypatch.setattr("hotstack_os.exec.locks.fcntl.flock", late)
    held = locks.taken(path)
    assert held is not None
    assert os.path.samestat(os.fstat(held), path.stat())
    assert locks.taken(path) is None
    os.close(held)


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic link"):
        locks.taken(tmp_path / "lock")
    assert not (tmp_path / "elsewhere").exists()


def test_who_waits_says_so_once_and_gets_it_or_gives_up(tmp_path: Path) -> None:
    path, said = tmp_path / "lock", list[str]()
    held = locks.taken(path)
    assert held is not None
    with pytest.raises(WaitedTooLong, match=f"the lock {path}"), locks.locked(path, lambda: said.append("waits"), 0.3):
        pass
    freeing = threading.Timer(0.3, os.close, (held,))
    freeing.start()
    with locks.locked(path, lambda: said.append("waits"), 30.0):
        freeing.join()
        assert locks.taken(path) is None
    assert said == ["waits", "waits"]
