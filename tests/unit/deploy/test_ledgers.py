"""A journal that went, or lost its end, is told by what the newest generation knows of it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from hotstack_os.core.generations import Generations
from hotstack_os.core.journal import Journal
from hotstack_os.core.model import Ref, Resource
from hotstack_os.core.plan import Action, Plan
from hotstack_os.deploy import cloud as clouds
from hotstack_os.deploy.examine_state import examine_state
from hotstack_os.deploy.ledgers import FILE, GENERATIONS, journal_of
from hotstack_os.settings.loading import load
from hotstack_os.whole import Damaged

THINGS = [Resource(Ref("bridge", name, "lab")) for name in ("hot-int", "hot-ex")]


def carried_out(state: Path) -> list[bytes]:
    """What `up` leaves: a journal, and a generation that was recorded after it. The journal's lines."""
    journal = Journal(state / FILE)
    for thing in THINGS:
        action = Action("create", thing, None, ())
        journal.begin(action)
        journal.done(action)
    Generations(state / GENERATIONS).record(THINGS, "1", "up", journal=journal.last)
    return (state / FILE).read_bytes().splitlines(keepends=True)


def test_what_is_there_is_taken(tmp_path: Path) -> None:
    carried_out(tmp_path)
    assert journal_of(tmp_path).ledger.keys() == {thing.ref for thing in THINGS}


@pytest.mark.parametrize("left", [0, 1, 3])
def test_a_journal_without_its_end_is_damaged(tmp_path: Path, left: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each line that is left is whole, so that no checksum tells it."""
    ticks = iter(range(1, 100))
    monkeypatch.setattr(time, "time", lambda: float(next(ticks)))
    lines = carried_out(tmp_path)
    (tmp_path / FILE).write_bytes(b"".join(lines[:left]))
    with pytest.raises(Damaged, match="lost its end: generation 1 was recorded after more"):
        journal_of(tmp_path)


def test_a_journal_that_is_gone_is_told_by_every_command_and_by_doctor(tmp_path: Path) -> None:
    cloud = load(None, {"HOTSTACK_STATE_DIR": str(tmp_path), "HOTSTACK_NAME": "lab"}, {})
    cloud.state.mkdir()
    carried_out(cloud.state)
    (cloud.state / FILE).unlink()
    with pytest.raises(Damaged, match="is gone: generation 1"):
        clouds._planned(cloud)
    (told,) = [each for each in examine_state(cloud) if each.path == cloud.state / FILE]
    assert "is gone" in told.found
    assert "backup" in told.todo
    assert not told.remade


def test_whoever_removes_a_box_begins_a_new_journal(tmp_path: Path) -> None:
    cloud = load(None, {"HOTSTACK_STATE_DIR": str(tmp_path), "HOTSTACK_NAME": "lab"}, {})
    cloud.state.mkdir()
    carried_out(cloud.state)
    clouds._begin_journal(cloud, "box remove")
    assert journal_of(cloud.state).ledger == {}
    newest = Generations(cloud.state / GENERATIONS).latest()
    assert newest
    assert newest.verb == "box remove"


def test_a_clock_that_was_put_back_damages_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    carried_out(tmp_path)
    monkeypatch.setattr(time, "time", lambda: 1.0)
    monkeypatch.setattr("hotstack_os.core.journal._LONG", 1)
    journal_of(tmp_path).compact()
    assert journal_of(tmp_path).ledger.keys() == {thing.ref for thing in THINGS}


def test_a_generation_of_before_says_nothing_and_is_followed_by_one_that_does(tmp_path: Path) -> None:
    carried_out(tmp_path)
    generations = Generations(tmp_path / GENERATIONS)
    for path in (tmp_path / GENERATIONS).iterdir():
        path.unlink()
    generations.record(THINGS, "1", "up", plan=Plan(()))
    journal = journal_of(tmp_path)
    assert generations.record(THINGS, "1", "up", plan=Plan(()), journal=journal.last).number == 2
    assert generations.record(THINGS, "1", "up", plan=Plan(()), journal=journal.last).number == 2
