"""Quadlet files are put in place when their service changes, and read by systemd together."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import cast

import pytest

from hotstack_os.errors import HotstackError
from hotstack_os.exec import Command, Host, Result
from hotstack_os.exec.wait import until
from hotstack_os.runtime import quadlets


@dataclass
class Node:
    """Files, and a systemd that takes as long to read them as a test wants."""

    files: dict[str, str] = field(default_factory=dict)
    read: list[frozenset[str]] = field(default_factory=list)
    reading: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)

    def write(self, path: str, data: str, *, mode: int) -> None:
        assert mode == 0o644
        self.files[path] = data

    def make_directory(self, path: str, *, mode: int) -> None:
        pass

    def remove(self, path: str) -> None:
        for each in [each for each in self.files if each == path or each.startswith(f"{path}/")]:
            del self.files[each]

    def run(self, command: Command) -> Result:
        if command.argv == ("systemctl", "daemon-reload"):
            self.read.append(frozenset(self.files))
            self.reading.set()
            assert self.go_on.wait(20)
            return Result(command, 0, "", "", 0.1)
        assert command.argv == (quadlets.GENERATOR, "-dryrun")
        new = {path: text for path, text in self.files.items() if path.startswith(command.env["QUADLET_UNIT_DIRS"])}
        bad = [path for path, text in new.items() if "Wrong" in text]
        return Result(
            command, 1 if bad else 0, "", "".join(f'converting "{path}": unsupported key\n' for path in bad), 0.1
        )


def test_what_is_asked_for_while_systemd_reads_is_read_together() -> None:
    node, names = Node(), [f"service-{number}" for number in range(27)]
    units = quadlets.Units(cast("Host", node))
    with ThreadPoolExecutor(28) as pool:
        first = pool.submit(units.put, "first", "text")
        assert node.reading.wait(20)
        others = [pool.submit(units.put, name, "text") for name in names]
        try:
            until(lambda: len(units._next.changes) == len(names), "all to wait", seconds=20, step=0.01)
            assert not [each for each in others if each.done()]
        finally:
            node.go_on.set()
        for each in (first, *others):
            each.result(20)
    alone, together = node.read
    assert alone == {quadlets.path_of("first")}
    assert together == alone | {quadlets.path_of(name) for name in names}


def test_nobody_goes_on_before_systemd_has_read_his_unit() -> None:
    node = Node()
    units = quadlets.Units(cast("Host", node))
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(units.put, "one", "text")
        assert node.reading.wait(20)
        assert not asked.done()
        node.go_on.set()
        asked.result(20)
    units.remove("one")
    assert node.read == [{quadlets.path_of("one")}, frozenset()]


def test_a_unit_that_quadlet_refuses_is_told_and_does_not_replace_the_one_that_is_there() -> None:
    node = Node()
    node.go_on.set()
    units = quadlets.Units(cast("Host", node))
    units.put("one", "text")
    with pytest.raises(HotstackError, match="unsupported key"):
        units.put("one", "Wrong=yes")
    assert node.files == {quadlets.path_of("one"): "text"}
    assert len(node.read) == 1
    units.put("one", "another text")
    assert node.files == {quadlets.path_of("one"): "another text"}
