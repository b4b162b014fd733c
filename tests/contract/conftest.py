from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from hotstack_os.box import Box, BoxSpec
from hotstack_os.exec import Host
from hotstack_os.exec.agent import AgentHost
from integration.box.machines import box_rootfs, me


@pytest.fixture(scope="session")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    if os.geteuid() != 0:
        pytest.skip("a box needs root")
    box = Box(BoxSpec("contract", box_rootfs(), tmp_path_factory.mktemp("boxes") / "contract"))
    box.create()
    box.boot()
    yield box
    box.remove()


@pytest.fixture(params=["here", "box"])
def host(request: pytest.FixtureRequest) -> Iterator[Host]:
    """The same contract for every kind of machine."""
    host = AgentHost("here") if request.param == "here" else request.getfixturevalue("box").host()
    yield host
    host.close()


@pytest.fixture
def scratch(host: Host, tmp_path: Path) -> Iterator[str]:
    """A directory on the host, for this test."""
    path = str(tmp_path / "scratch")
    host.make_directory(path, mode=0o755, owner=me(host), group=me(host))
    yield path
    host.remove(path)
