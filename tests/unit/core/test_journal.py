"""The journal: what is ours survives any interruption, and nothing else is remembered."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hotstack_os.core import journal as module
from hotstack_os.core.journal import Journal
from hotstack_os.core.model import Owned, Ref, Resource, State
from hotstack_os.core.plan import Action, Verb
from hotstack_os.errors import HotstackError
from hotstack_os.hidden import Fingerprint, Hidden

ONE, TWO = Ref("file", "/etc/one", "node"), Ref("directory", "/etc", "node")


def action(verb: Verb, ref: Ref = ONE, found: State | None = None, **more: object) -> Action:
    return Action(verb, Resource(ref, **more), found, ())  # type: ignore[arg-type]


def test_a_begun_creation_is_ours_even_if_it_was_never_done(path: Path) -> None:
    Journal(path).begin(action("create", needs=frozenset({TWO}), within=TWO))
    assert Journal(path).ledger == {ONE: Owned(ONE, frozenset({TWO}), TWO, None)}


def test_what_was_found_is_remembered_from_the_first_change_on(path: Path) -> None:
    journal = Journal(path)
    journal.begin(action("update", found={"value": "0", "many": ("a", 1, True, None)}))
    journal.done(action("update"))
    journal.begin(action("update", found={"value": "1"}))
    assert Journal(path).ledger[ONE].before == {"value": "0", "many": ("a", 1, True, None)}


@pytest.mark.parametrize("verb", ["remove", "restore", "forget"])
def test_what_was_undone_is_ours_no_more(path: Path, verb: Verb) -> None:
    journal = Journal(path)
    journal.begin(action("create"))
    journal.begin(action(verb))
    assert ONE in Journal(path).ledger
    journal.done(action(verb))
    assert Journal(path).ledger == journal.ledger == {}


def test_a_failed_removal_leaves_it_ours(path: Path) -> None:
    journal = Journal(path)
    journal.begin(action("create"))
    journal.begin(action("remove"))
    journal.failed(action("remove"), "CommandFailed")
    assert ONE in Journal(path).ledger


def test_a_cut_last_line_is_dropped_for_good(path: Path) -> None:
    journal = Journal(path)
    journal.begin(action("create"))
    whole = path.read_bytes()
    journal.begin(action("create", TWO))
    path.write_bytes(whole + b'{"event": "begin", "verb": "cre')
    again = Journal(path)
    assert set(again.ledger) == {ONE}
    assert path.read_bytes() == whole
    again.begin(action("create", TWO))
    assert set(Journal(path).ledger) == {ONE, TWO}


@pytest.mark.parametrize("keep", range(0, 160, 7))
def test_a_line_cut_anywhere_is_as_if_it_was_never_begun(path: Path, keep: int) -> None:
    Journal(path).begin(action("create"))
    path.write_bytes(path.read_bytes()[:-1][:keep])
    assert Journal(path).ledger == {}


def test_damage_in_the_middle_is_told_with_its_place(path: Path) -> None:
    journal = Journal(path)
    journal.begin(action("create"))
    path.write_text("not json\n" + path.read_text())
    with pytest.raises(HotstackError, match=r"journal entry in line 1 of .*journal"):
        Journal(path)


def test_needs_and_containers_are_brought_up_to_date(path: Path) -> None:
    journal = Journal(path)
    journal.begin(action("update", found={"value": "0"}))
    size = path.stat().st_size
    journal.note([Resource(ONE), Resource(TWO)])
    assert path.stat().st_size == size
    journal.note([Resource(ONE, needs=frozenset({TWO}), within=TWO)])
    assert Journal(path).ledger == {ONE: Owned(ONE, frozenset({TWO}), TWO, {"value": "0"})}


def test_a_long_journal_becomes_its_ledger(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LONG", 10)
    journal = Journal(path)
    journal.begin(action("update", found={"secret": Hidden("canary", b"key")}, needs=frozenset({TWO})))
    journal.begin(action("create", TWO))
    for _ in range(10):
        journal.begin(action("create", Ref("file", "/gone")))
        journal.done(action("remove", Ref("file", "/gone")))
    ledger = journal.ledger
    journal.compact()
    assert len(path.read_text().splitlines()) == 2
    assert Journal(path).ledger == journal.ledger == ledger
    assert ledger[ONE].before == {"secret": Fingerprint(Hidden("canary", b"key").fingerprint.digest)}
    assert path.stat().st_mode & 0o777 == 0o600
    journal.begin(action("create", Ref("file", "/late")))
    assert len(Journal(path).ledger) == 3


def test_a_short_journal_keeps_its_history(path: Path) -> None:
    journal = Journal(path)
    journal.begin(action("create"))
    journal.done(action("remove"))
    journal.compact()
    assert [json.loads(line)["event"] for line in path.read_text().splitlines()] == ["begin", "done"]


def test_no_secret_is_written(path: Path) -> None:
    journal = Journal(path)
    journal.begin(action("update", found={"password": Hidden("canary", b"key")}, state={"password": Hidden("canary")}))
    assert "canary" not in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600
