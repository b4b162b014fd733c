"""Choices made by trying: their outcomes by what the node answers, and the boot sector that is tried."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hotstack_os.catalogue.context import Choice, Facts
from hotstack_os.deploy import inventory, probes


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
