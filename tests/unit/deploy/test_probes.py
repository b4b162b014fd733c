"""Choices made by trying: their outcomes by what the node answers, and the boot sector that is tried."""

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


GOOD = (probes._DONE, "")


@pytest.mark.parametrize(
    ("node", "built", "chosen", "reason"),
    [
        (Node(device=None), True, "qemu", "there is no /dev/kvm"),
        (Node(), False, "qemu", "not built yet"),
        (Node(answers=[(1, "no rights")]), True, "qemu", "no rights"),
        (Node(answers=[GOOD, (0, "KVM internal error. Suberror: 1")]), True, "qemu", "KVM internal error"),
        (Node(answers=[GOOD, (0, "")]), True, "qemu", "did not come up within 15 s"),
        (Node(answers=[GOOD, (0, "hotstack-guest: services start [1.02s]")]), True, "kvm", "up after 0.5 s"),
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


def test_the_boot_sector_is_one_sector_that_a_bios_starts() -> None:
    sector = probes.boot_sector(20_000)
    assert len(sector) == 512
    assert sector[-2:] == b"\x55\xaa"
    assert (20_000).to_bytes(4, "little") in sector


def test_its_loop_leads_back_to_where_the_counter_is_kept() -> None:
    sector = probes.boot_sector(1)
    loop = sector.index(b"\x67\xe2")
    distance = int.from_bytes(sector[loop + 2 : loop + 3], signed=True)
    assert sector[loop + 3 + distance :].startswith(b"\x66\x51")  # push ecx


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
