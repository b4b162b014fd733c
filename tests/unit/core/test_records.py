"""States and refs as text, and back; generations as files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotstack_os.core import generations
from hotstack_os.core.encoding import from_json, state_from_json, to_json
from hotstack_os.core.generations import Generations
from hotstack_os.core.model import Ref, Resource, Value, same
from hotstack_os.hidden import Hidden
from unit.core.test_reasons import states

NOT_UTF8: Sequence[Literal["Cs"]] = ("Cs",)
"""Surrogates: no file holds them."""
kinds = st.text(st.characters(exclude_characters=":/", exclude_categories=NOT_UTF8), min_size=1)
nodes = st.text(st.characters(exclude_characters=":/", exclude_categories=NOT_UTF8))


@given(kinds, st.text(st.characters(exclude_categories=NOT_UTF8)), nodes)
def test_a_ref_is_read_back_from_its_text(kind: str, name: str, node: str) -> None:
    assert Ref.parse(str(Ref(kind, name, node))) == Ref(kind, name, node)


def test_names_may_hold_what_parts_the_others() -> None:
    assert Ref.parse("node:address/hot-ex/172.31.0.129/25") == Ref("address", "hot-ex/172.31.0.129/25", "node")
    assert Ref.parse("file/a:b") == Ref("file", "a:b", "")


@given(states)
def test_a_state_comes_back_from_json_as_the_same(state: dict[str, Value]) -> None:
    text = json.dumps(to_json(state))
    assert "canary-1" not in text
    assert same(state, state_from_json(json.loads(text)))


def test_truth_is_no_number() -> None:
    assert not same(True, 1)
    assert not same(("1",), (1,))
    assert from_json(to_json((True, 1, "1"))) == (True, 1, "1")


def test_a_secret_comes_back_as_its_fingerprint_alone() -> None:
    secret = Hidden("canary", b"key")
    back = from_json(to_json({"a": secret}))
    assert same({"a": secret}, back)
    assert not same({"a": Hidden("canary", b"another key")}, back)
    assert not same({"a": Hidden("other", b"key")}, back)


RESOURCE = Resource(Ref("file", "/a", "n"), {"text": Hidden("canary")}, frozenset({Ref("directory", "/", "n")}))


def test_a_generation_is_recorded_once_while_nothing_changes(tmp_path: Path) -> None:
    kept = Generations(tmp_path / "generations")
    assert kept.latest() is None
    first = kept.record([RESOURCE], "1.0")
    assert (first.number, kept.record([RESOURCE], "1.0").number) == (1, 1)
    assert kept.record([RESOURCE], "1.1").number == 2
    assert kept.record([], "1.1").number == 3
    assert [each.number for each in kept.last(2)] == [3, 2]
    assert kept.last(9)[-1].resources == {
        "n:file//a": {
            "state": {"text": {"$fingerprint": Hidden("canary").fingerprint.digest}},
            "needs": ["n:directory//"],
            "within": None,
        }
    }


def test_old_generations_are_pruned_and_numbers_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generations, "KEPT", 3)
    kept = Generations(tmp_path)
    for number in range(5):
        kept.record([Resource(Ref("a", str(number)))], "1")
    assert [each.number for each in kept.last(9)] == [5, 4, 3]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["000003.json", "000004.json", "000005.json"]


def test_generations_hold_no_secret_and_leave_no_half_file(tmp_path: Path) -> None:
    Generations(tmp_path).record([RESOURCE], "1")
    (only,) = tmp_path.iterdir()
    assert "canary" not in only.read_text()
