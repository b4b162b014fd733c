from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hotstack_os.box import Bind, Box, BoxSpec
from integration.box.machines import box_rootfs, empty_image_store

MakeBox = Callable[..., Box]


@pytest.fixture(scope="session")
def rootfs() -> Path:
    if os.geteuid() != 0:
        pytest.skip("a box needs root")
    return box_rootfs()


@pytest.fixture
def make_box(rootfs: Path, tmp_path: Path) -> Iterator[MakeBox]:
    """Boxes of this test, created and removed."""
    boxes = []

    def make(name: str = "hot", **spec: object) -> Box:
        boxes.append(Box(BoxSpec(name, rootfs, tmp_path / "boxes" / name, **spec)))  # type: ignore[arg-type]
        (tmp_path / "boxes").mkdir(exist_ok=True)
        boxes[-1].create()
        return boxes[-1]

    yield make
    for box in boxes:
        box.remove()


@pytest.fixture(scope="module")
def running(rootfs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    """One box for the tests that only look, or leave nothing behind."""
    place = tmp_path_factory.mktemp("running")
    store = empty_image_store(place / "store")
    (place / "seen").write_text("from outside\n", encoding="utf-8")
    (place / "shared").mkdir()
    binds = (Bind(str(place / "seen"), "/srv/seen"), Bind(str(place / "shared"), "/srv/shared", writable=True))
    box = Box(BoxSpec("hot1", rootfs, place / "hot1", store, binds, hostname="node1"))
    box.create()
    box.boot()
    yield box
    box.remove()
