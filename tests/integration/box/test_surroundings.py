"""A box made by somebody with a strict umask, below a symbolic link: what is in it is for all of its users."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from hotstack_os.box import Box, BoxSpec
from hotstack_os.exec import Command


@pytest.fixture
def strict() -> Iterator[None]:
    before = os.umask(0o077)
    yield
    os.umask(before)


def test_a_box_below_a_link_made_with_a_strict_umask(rootfs: Path, tmp_path: Path, strict: None) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    box = Box(BoxSpec("hot", rootfs, tmp_path / "link" / "hot"))
    try:
        box.create()
        box.boot()
        host = box.host()
        places = (
            "/",
            "/etc",
            "/etc/systemd",
            "/etc/tmpfiles.d",
            "/etc/systemd/journald.conf.d",
            "/var/lib/hotstack-os",
        )
        found = host.stat([*places, "/etc/hostname"])
        assert {path: oct(seen.mode) for path, seen in found.items() if seen} == {
            **dict.fromkeys(places, "0o755"),
            "/etc/hostname": "0o644",
        }
        as_nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "cat", "/etc/hostname")
        assert host.run(Command(as_nobody)).stdout == "hot\n"
        host.close()
    finally:
        box.remove()
