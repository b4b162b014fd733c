"""The journal: what is ours survives any interruption, and nothing else is remembered."""

from __future__ import annotations

import errno
import json
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotstack_os.core import journal as module
from hotstack_os.core.journal import Cut, Journal, JournalUnwritable
from hotstack_os.core.model import Ledger, Owned, Ref, Resource, State
from hotstack_os.core.plan import Action, Verb
from hotstack_os.errors import HotstackError
from hotstack_os.hidden import Fingerprint, Hidden
from hotstack_os.whole import Damaged

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


def test_a_cut_last_line_is_dropped_by_the_next_writer(path: Path) -> None:
    journal = Journal(path)
    journal.begin(action("create"))
    whole = path.read_bytes()
    cut = whole + b'{"event": "begin", "verb": "cre'
    path.write_bytes(cut)
    again = Journal(path)
    assert (set(again.ledger), again.cuts) == ({ONE}, (Cut(2, last=True),))
    assert path.read_bytes() == cut
    again.begin(action("create", TWO))
    assert set(Journal(path).ledger) == {ONE, TWO}
    assert path.read_bytes().startswith(whole + b'{"time": ')


@pytest.mark.parametrize("keep", range(0, 160, 7))
def test_a_line_cut_anywhere_is_as_if_it_was_never_begun(path: Path, keep: int) -> None:
    Journal(path).begin(action("create"))
    path.write_bytes(path.read_bytes()[:-1][:keep])
    assert Journal(path).ledger == {}


def test_damage_in_the_middle_is_told_with_its_place(path: Path) -> None:
    journal = Journal(path)
    journal.begin(action("create"))
    path.write_text("not json\n" + path.read_text())
    with pytest.raises(
        HotstackError, match=f"wanted {path} as it was written; found in line 1 something that is no entry"
    ):
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


REFS = [Ref("file", f"/{name}", "node") for name in "abc"]
writes = st.lists(
    st.tuples(st.sampled_from(["begin", "done", "failed"]), st.sampled_from(["create", "update", "remove"]),
              st.sampled_from(REFS)),
    min_size=1, max_size=12,
)  # fmt: skip


def written(path: Path, steps: list[tuple[str, Verb, Ref]]) -> list[tuple[int, Ledger]]:
    """The size of the file, and the ledger, after each step; before the first one too."""
    journal, seen = Journal(path), list[tuple[int, Ledger]]()
    seen.append((0, {}))
    for event, verb, ref in steps:
        each = action(verb, ref, found={"value": ref.name}, needs=frozenset({TWO}))
        journal.failed(each, "Error") if event == "failed" else getattr(journal, event)(each)
        seen.append((path.stat().st_size, journal.ledger))
    return seen


@given(writes, st.floats(0, 1), st.sampled_from([b"", b"\0\0\0", b"\0\0\n"]))
def test_cut_at_any_byte_it_is_a_prefix_and_the_next_line_can_be_read(
    steps: list[tuple[str, Verb, Ref]], part: float, rubbish: bytes
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "journal"
        seen = written(path, steps)
        cut = round(part * seen[-1][0])
        before = path.read_bytes()[:cut] + rubbish
        path.write_bytes(before)
        whole = [ledger for size, ledger in seen if size <= cut][-1]
        again = Journal(path)
        assert again.ledger == whole
        assert path.read_bytes() == before  # who reads writes nothing
        again.begin(action("create", TWO))
        assert Journal(path).ledger == again.ledger == {**whole, TWO: Owned(TWO)}
        assert Journal(path).cuts == ()


@pytest.mark.parametrize("how", ["short", "full", "sync"])
def test_what_could_not_be_written_down_is_not_ours_and_leaves_no_piece(
    path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    journal = Journal(path)
    journal.begin(action("create"))
    whole, write = path.read_bytes(), os.write
    left = [20]

    def short(descriptor: int, data: bytes) -> int:
        if not left[0]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        count = write(descriptor, bytes(data)[: left[0]])
        left[0] = 0 if how == "full" else left[0]
        return count

    def unsynced(_: int) -> None:
        raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

    monkeypatch.setattr("hotstack_os.core.journal.os.fsync" if how == "sync" else "hotstack_os.core.journal.os.write",
                        unsynced if how == "sync" else short)  # fmt: skip
    if how == "short":
        journal.begin(action("create", TWO))
        assert set(Journal(path).ledger) == {ONE, TWO}
        return
    with pytest.raises(JournalUnwritable, match=rf"to write down in {path} .*\n  → Make room there"):
        journal.begin(action("create", TWO))
    assert (path.read_bytes(), set(journal.ledger)) == (whole, {ONE})
    monkeypatch.undo()
    journal.begin(action("create", TWO))
    assert set(Journal(path).ledger) == {ONE, TWO}


OLD = (
    '{"time": 1.0, "event": "begin", "verb": "create", "ref": "node:file//etc/one", "needs": [], "within": null,'
    ' "before": null}\n{"time": 2.0, "event": "done", "verb": "create", "ref": "node:file//etc/one"}\n'
)
GLUED = '{"time": 3.0, "event": "begin", "verb": "%s", "ref": "node:directory//etc", "nee{"time": 4.0, "event": "done"'


def test_lines_of_the_earlier_version_are_read(path: Path) -> None:
    path.write_text(OLD)
    journal = Journal(path)
    assert (set(journal.ledger), journal.cuts) == ({ONE}, ())
    journal.begin(action("create", TWO))
    assert set(Journal(path).ledger) == {ONE, TWO}


@pytest.mark.parametrize(("verb", "ours"), [("create", {ONE, TWO}), ("update", {ONE}), ("remove", {ONE})])
def test_a_line_that_the_earlier_version_wrote_on_after_a_cut_one_is_read(
    path: Path, verb: str, ours: set[Ref]
) -> None:
    tail = ', "verb": "create", "ref": "node:directory//etc"}\n'
    path.write_text(OLD + GLUED % verb + tail + OLD)
    journal = Journal(path)
    assert set(journal.ledger) == ours
    assert [(each.number, each.last) for each in journal.cuts] == [(3, False)]


def test_a_changed_letter_is_told_with_its_line_and_the_way_out(path: Path) -> None:
    journal = Journal(path)
    journal.begin(action("create"))
    journal.begin(action("create", TWO))
    lines = path.read_text().splitlines(keepends=True)
    for number, line in enumerate(lines):
        changed = [*lines]
        changed[number] = line.replace("node:", "nods:", 1)
        path.write_text("".join(changed))
        with pytest.raises(Damaged, match=f"in line {number + 1} an entry that does not fit its checksum") as error:
            Journal(path)
        assert f"sed -i {number + 1}d {path}" in error.value.hint


@pytest.mark.parametrize(
    "text", ["{}", "[]", '{"event": "begin", "ref": 1}', '{"event": "note", "ref": "a/b", "needs": 3}']
)
def test_an_entry_of_another_kind_is_damage(path: Path, text: str) -> None:
    path.write_text(f"{text}\n")
    with pytest.raises(Damaged, match="in line 1"):
        Journal(path)


def test_a_directory_in_its_place_is_said(path: Path) -> None:
    path.mkdir()
    with pytest.raises(Damaged, match=f"wanted {path} as it was written; found is a directory"):
        Journal(path)
