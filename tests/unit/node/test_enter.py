"""Which process is taken for a container's first: one that still is what it was when it was looked at."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hotstack_os.node import enter

OWN = next(line[3:] for line in Path("/proc/self/cgroup").read_text().splitlines() if line.startswith("0::"))
UNIT = "hotstack-os-one.service"


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        yield child
        child.kill()


def candidates(monkeypatch: pytest.MonkeyPatch, group: str, number: int, numbers: str) -> None:
    """The container's control group names this process, whose numbers in its namespaces are these."""
    monkeypatch.setattr(enter, "inside", lambda _: iter([(group, number)]))
    real = enter.said
    monkeypatch.setattr(
        enter, "said", lambda about, name, word: numbers if word == "NSpid:" else real(about, name, word)
    )


def test_a_first_process_in_the_containers_group_is_taken(
    monkeypatch: pytest.MonkeyPatch, process: subprocess.Popen[bytes]
) -> None:
    candidates(monkeypatch, OWN, process.pid, f"{process.pid} 1")
    assert enter.first_process(UNIT)


@pytest.mark.parametrize(
    ("group", "numbers"), [("/system.slice/other", "7 1"), (OWN, "1"), (OWN, "7 12")], ids=["group", "node", "child"]
)
def test_another_process_is_refused(
    monkeypatch: pytest.MonkeyPatch, process: subprocess.Popen[bytes], group: str, numbers: str
) -> None:
    """A number that was the container's, and by now is somebody else's; one that shares the node's processes."""
    candidates(monkeypatch, group, process.pid, numbers)
    assert enter.first_process(UNIT) is None


def test_one_that_ends_while_it_is_looked_at_is_refused(
    monkeypatch: pytest.MonkeyPatch, process: subprocess.Popen[bytes]
) -> None:
    def ends(about: int, name: str, word: str) -> str:
        process.kill()
        process.wait()
        return OWN if word == "0::" else "7 1"

    monkeypatch.setattr(enter, "inside", lambda _: iter([(OWN, process.pid)]))
    monkeypatch.setattr(enter, "said", ends)
    assert enter.first_process(UNIT) is None


def test_a_unit_that_is_not_there_has_none() -> None:
    assert enter.first_process("hotstack-os-nobody.service") is None
