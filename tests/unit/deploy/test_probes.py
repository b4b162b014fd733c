"""Choices made by trying: their outcomes by what the node answers, and how long a guest is watched."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, cast

import pytest

from hotstack_os.catalogue.context import Choice, Facts
from hotstack_os.deploy import inventory, probes
from hotstack_os.exec import Command, Host, Result, run_here


@dataclass
class Node:
    """Answers in the order of what is tried; a path that is written stays until it is removed."""

    device: object = "a device"
    answers: list[tuple[int, str]] = field(default_factory=list)
    there: set[str] = field(default_factory=set)

    def stat(self, paths: list[str]) -> dict[str, Any]:
        return dict.fromkeys(paths, self.device)

    def write(self, path: str, data: bytes, *, mode: int) -> None:
        self.there.add(path)

    def remove(self, path: str) -> None:
        self.there.remove(path)

    def run(self, command: Command) -> Result:
        status, said = self.answers.pop(0)
        return Result(command, status, said, said, 0.5)


@pytest.mark.parametrize(
    ("node", "built", "chosen", "reason"),
    [
        (Node(device=None), True, "qemu", "there is no /dev/kvm"),
        (Node(), False, "qemu", "not built yet"),
        (Node(answers=[(0, "qemu-system-x86_64: no rights")]), True, "qemu", "no rights"),
        (Node(answers=[(0, "KVM internal error. Suberror: 1")]), True, "qemu", "KVM internal error"),
        (Node(answers=[(0, "")]), True, "qemu", "did not come up within 10 s"),
        (Node(answers=[(0, "hotstack-guest: services start [1.02s]")]), True, "kvm", "up after 0.5 s"),
    ],
)
def test_kvm_is_chosen_where_the_test_image_comes_up(
    tmp_path: Path, node: Node, built: bool, chosen: str, reason: str
) -> None:
    guest = tmp_path / "guest"
    if built:
        guest.write_bytes(b"disk")
    value, why = probes.virtualisation(cast("Host", node), guest)
    assert (value, reason in why) == (chosen, True), why
    assert not node.there
    assert not node.answers


@pytest.mark.parametrize(
    ("guest", "said"),
    [
        ("echo SeaBIOS; echo it is up now; exec sleep 60", "it is up now"),
        ("echo KVM internal error. Suberror: 1 >&2; exec sleep 60", "KVM internal error. Suberror: 1"),
        ("echo qemu-system-x86_64: no such thing >&2; exit 1", "qemu-system-x86_64: no such thing"),
        ("echo SeaBIOS; exec sleep 60", ""),
        ("exit 0", ""),
    ],
)
def test_a_guest_is_watched_until_it_is_up_or_cannot_be(tmp_path: Path, guest: str, said: str) -> None:
    argv = ("sh", "-c", probes._BOOT, "sh", str(tmp_path / "disk"), "30" if said else "1", "is up", "sh", "-c", guest)
    ran = run_here(Command(argv, "try", timeout=10, accept=frozenset(range(256))))
    assert ran.stdout.strip() == said
    assert ran.seconds < 5
    assert not list(tmp_path.iterdir())


def test_what_the_test_image_says_when_it_is_up_is_in_it() -> None:
    inside = (resources.files("hotstack_os.images") / "files/guest").iterdir()
    assert any(f"{probes.UP}" in each.read_text() for each in inside)


def test_facts_come_back_as_they_were_kept(tmp_path: Path) -> None:
    facts = Facts("a", 3, Choice("netdev", "because", "6.1"), Choice("qemu", "no device", "10"), ("192.0.2.1",))
    record = inventory.Record(tmp_path / "node.json")
    assert record.load() is None
    record.keep(facts)
    assert record.load() == facts
    assert json.loads(record.path.read_text())["name"] == "a"


@pytest.mark.parametrize(("versions", "asked"), [("6.1; 3.5", False), ("6.2; 3.5", True)])
def test_a_choice_is_made_again_for_other_versions_only(versions: str, *, asked: bool) -> None:
    known = Choice("netdev", "because", "6.1; 3.5")
    calls: list[str] = []

    def probe() -> tuple[str, str]:
        calls.append("asked")
        return "system", "now it can"

    chosen = inventory._settled(known, versions, probe)
    assert bool(calls) is asked
    assert chosen == (Choice("system", "now it can", versions) if asked else known)
