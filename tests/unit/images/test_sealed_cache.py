"""What a service reads from memcached is what it has put there itself, or nothing."""

from __future__ import annotations

import base64
import importlib.util
import os
import pickle
from pathlib import Path
from typing import Any

import pytest

from hotstack_os.images.assemble import FILES

SPEC = importlib.util.spec_from_file_location("sealed_cache", FILES / "sealed_cache.py")
assert SPEC
assert SPEC.loader
module = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(module)


def sealed(directory: Path, name: str = "cache.key") -> Any:
    """A service with a key of its own."""
    path = directory / name
    path.write_text(base64.urlsafe_b64encode(os.urandom(32)).decode())
    return module.Sealed(str(path))


class Bomb:
    """Whoever unpickles it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (Path.touch, (self.path,))


@pytest.mark.parametrize("key", ["key", b"key"])
@pytest.mark.parametrize("value", [None, 0, "text", (b"bytes", {"a": {1, 2}})])
def test_its_own_values_come_back(tmp_path: Path, key: Any, value: Any) -> None:
    one = sealed(tmp_path)
    stored, flags = one.serialize("key", value)
    assert one.deserialize(key, stored, flags) == value


@pytest.mark.parametrize("flags", [0, 1, 16])
def test_a_pickle_is_not_unpickled(tmp_path: Path, flags: int) -> None:
    bomb = pickle.dumps(Bomb(tmp_path / "exploded"))
    assert sealed(tmp_path).deserialize("key", bomb, flags) is None
    assert not (tmp_path / "exploded").exists()
    pickle.loads(bomb)  # noqa: S301 (that is the point)
    assert (tmp_path / "exploded").exists()  # it would have been seen


def test_a_value_of_another_place_or_service_is_not_believed(tmp_path: Path) -> None:
    one, other = sealed(tmp_path), sealed(tmp_path, "other")
    stored, flags = one.serialize("key", "value")
    assert one.deserialize("another key", stored, flags) is None
    assert other.deserialize("key", stored, flags) is None


def test_a_value_that_was_changed_or_cut_is_not_believed(tmp_path: Path) -> None:
    one = sealed(tmp_path)
    stored, flags = one.serialize("key", "value")
    for place in range(len(stored)):
        changed = bytearray(stored)
        changed[place] ^= 1 << place % 8
        assert one.deserialize("key", bytes(changed), flags) is None
        assert one.deserialize("key", stored[:place], flags) is None


def test_nothing_of_a_value_is_seen(tmp_path: Path) -> None:
    one = sealed(tmp_path)
    first, second = (one.serialize("key", "password")[0] for _ in range(2))
    assert b"password" not in first
    assert first != second


def test_without_a_key_there_is_no_cache(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        module.Sealed(str(tmp_path / "cache.key"))
