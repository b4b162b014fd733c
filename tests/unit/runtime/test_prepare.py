"""A directory of databases is filled once; what looks like data is never emptied."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from hotstack_os.catalogue.spec import Prepare
from hotstack_os.core.model import Absent, Present, Resource
from hotstack_os.errors import HotstackError
from hotstack_os.exec.agent import AgentHost
from hotstack_os.host import files
from hotstack_os.runtime import services
from hotstack_os.runtime.services import ServiceHandler
from unit.catalogue.world import compute_node

MARK, BEGUN = ".hotstack-os-prepared", ".hotstack-os-preparing"


@pytest.fixture
def host() -> Iterator[AgentHost]:
    here = AgentHost("local")
    yield here
    here.close()


class Preparing:
    """The preparation of a directory, which may be killed in its middle."""

    def __init__(self, host: AgentHost, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.killed = False
        self.runs = 0
        container = compute_node().containers["mariadb"]
        service = replace(container.service, prepare=Prepare(("fill",), str(directory)))
        self._container = replace(container, service=service)
        self._handler = ServiceHandler(host, {}, b"")
        self._directory = directory
        monkeypatch.setattr(services, "run_once", self._fill)

    def _fill(self, *_: object, **__: object) -> str:
        self.runs += 1
        assert {each.name for each in self._directory.iterdir()} == {BEGUN}  # it finds nothing of before
        (self._directory / "half").write_text("")
        if self.killed:
            raise KeyboardInterrupt
        (self._directory / "half").rename(self._directory / "whole")
        return ""

    def run(self) -> None:
        self._handler._prepare(self._container)


@pytest.fixture
def preparing(host: AgentHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Preparing:
    return Preparing(host, tmp_path, monkeypatch)


def names(directory: Path) -> set[str]:
    return {each.name for each in directory.iterdir()}


def test_an_empty_directory_is_filled_once(preparing: Preparing, tmp_path: Path) -> None:
    preparing.run()
    preparing.run()
    assert (names(tmp_path), preparing.runs) == ({MARK, "whole"}, 1)


def test_one_whose_filling_was_killed_is_begun_anew(preparing: Preparing, tmp_path: Path) -> None:
    preparing.killed = True
    with pytest.raises(KeyboardInterrupt):
        preparing.run()
    assert names(tmp_path) == {BEGUN, "half"}
    preparing.killed = False
    preparing.run()
    assert names(tmp_path) == {MARK, "whole"}


@pytest.mark.parametrize(
    ("left", "contents"),
    [((), "missing"), (("lost+found",), "missing"), ((BEGUN, "half"), "missing"), ((MARK,), "there"),
     (("ibdata1",), "there")],
)  # fmt: skip
def test_a_directory_tells_whether_it_was_filled(
    left: tuple[str, ...], contents: str, host: AgentHost, tmp_path: Path
) -> None:
    for each in left:
        (tmp_path / each).write_text("")
    filled, other = (files.directory(str(tmp_path), "lab", filled=each) for each in (True, False))
    handler = files.DirectoryHandler(host)
    seen = handler.observe([filled])[filled.ref]
    assert isinstance(seen, Present)
    assert seen.state["contents"] == contents
    assert handler.observe([Resource(filled.ref)]) == handler.observe([other])  # of others nobody asks it
    (away,) = handler.observe([files.directory(f"{tmp_path}/away", "lab", filled=True)]).values()
    assert away == Absent()


def test_data_without_a_mark_is_left_and_asked_about(preparing: Preparing, tmp_path: Path) -> None:
    (tmp_path / "ibdata1").write_text("precious")
    with pytest.raises(HotstackError, match="data without it") as refused:
        preparing.run()
    assert f"touch {tmp_path}/{MARK}" in refused.value.hint
    assert (names(tmp_path), preparing.runs) == ({"ibdata1"}, 0)
    (tmp_path / MARK).touch()
    preparing.run()
    assert (tmp_path / "ibdata1").read_text() == "precious"
