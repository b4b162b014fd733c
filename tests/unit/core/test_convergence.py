"""Properties of plan and apply: for any desired state and any world."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotstack_os.core.apply import ApplyFailed, PlanInConflict, converge, make_plan, recall
from hotstack_os.core.journal import Journal
from hotstack_os.core.model import Ref, Resource, State
from hotstack_os.core.plan import Action, Plan
from hotstack_os.errors import HotstackError
from hotstack_os.hidden import Hidden
from unit.core.fakes import FakeWorld, Killed, memory

SECRET = "canary-7f3a"
REFS = [Ref(kind, name) for kind in "abc" for name in "1234"]
values = st.one_of(st.integers(0, 2), st.sampled_from(["x", "y"]), st.just(Hidden(SECRET, b"key")))
states = st.dictionaries(st.sampled_from("pqr"), values, max_size=3)


@dataclass(frozen=True)
class Case:
    desires: list[dict[Ref, Resource]]
    hides: dict[Ref, Ref]


@st.composite
def desires(draw: st.DrawFn, hides: dict[Ref, Ref]) -> dict[Ref, Resource]:
    """A desired state without circles: needs go to earlier refs of a random order; doors are always needed."""
    chosen = draw(st.permutations(REFS))[: draw(st.integers(0, len(REFS)))]
    result: dict[Ref, Resource] = {}
    for ref in sorted(chosen):
        earlier = sorted(result)
        needs = set(draw(st.sets(st.sampled_from(earlier), max_size=3))) if earlier else set()
        door = hides.get(ref)
        if door is not None:
            if door not in result:
                continue
            needs.add(door)
        result[ref] = Resource(ref, draw(states), frozenset(needs))
    return result


@st.composite
def cases(draw: st.DrawFn) -> Case:
    hides = dict.fromkeys(draw(st.sets(st.sampled_from(REFS[4:]), max_size=3)), REFS[0])
    return Case([draw(desires(hides)) for _ in range(draw(st.integers(1, 3)))], hides)


def settle(fake: FakeWorld, desired: dict[Ref, Resource], path: Path) -> None:
    journal = Journal(path)
    converge(desired, make_plan(desired, fake.world(), journal), fake.world(), journal)


@given(cases())
def test_one_apply_converges_and_a_second_does_nothing(case: Case) -> None:
    with memory() as path:
        fake = FakeWorld(hides=case.hides)
        for desired in case.desires:
            settle(fake, desired, path)
            assert fake.things.keys() == desired.keys()
            fake.log.clear()
            settle(fake, desired, path)
            assert fake.log == []


@given(cases())
def test_needs_come_first_and_are_removed_last(case: Case) -> None:
    with memory() as path:
        fake = FakeWorld(hides=case.hides)
        desired = case.desires[0]
        settle(fake, desired, path)
        order = [ref for _, ref in fake.log]
        assert all(order.index(need) < order.index(ref) for ref in desired for need in desired[ref].needs)
        fake.log.clear()
        settle(fake, {}, path)
        gone = [ref for _, ref in fake.log]
        assert all(gone.index(ref) < gone.index(need) for ref in desired for need in desired[ref].needs)


@given(cases(), st.dictionaries(st.sampled_from(REFS), states))
def test_foreign_things_are_never_touched(case: Case, foreign: dict[Ref, State]) -> None:
    with memory() as path:
        fake = FakeWorld(things=dict(foreign), hides=case.hides)
        for desired in [*case.desires, {}]:
            with suppress(PlanInConflict, ApplyFailed):
                settle(fake, desired, path)
            for ref, state in foreign.items():
                assert fake.things[ref] == state
        assert not {ref for _, ref in fake.log} & foreign.keys()


@given(cases(), st.integers(1, 12))
def test_a_kill_after_any_change_is_made_good_by_the_next_run(case: Case, moment: int) -> None:
    with memory() as path:
        fake = FakeWorld(hides=case.hides)
        for desired in case.desires:
            fake.log.clear()
            fake.kill_after = moment
            with suppress(Killed):
                settle(fake, desired, path)
            fake.kill_after = None
            settle(fake, desired, path)
            assert fake.things.keys() == desired.keys()
        settle(fake, {}, path)
        assert fake.things == {}
        assert Journal(path).ledger == {}


@given(cases())
def test_no_secret_is_ever_shown(case: Case) -> None:
    with memory() as path:
        fake = FakeWorld(hides=case.hides)
        for desired in case.desires:
            plan = make_plan(desired, fake.world(), Journal(path))
            settle(fake, desired, path)
            said = "\n".join(plan.lines()) + json.dumps(plan.as_json()) + repr(plan) + path.read_text() if plan else ""
            assert SECRET not in said


def test_an_adopted_thing_is_given_back(tmp_path: Path) -> None:
    ref = Ref("a", "1")
    fake = FakeWorld(things={ref: {"p": 0}})
    settle(fake, {ref: Resource(ref, {"p": 1}, foreign="adopt")}, tmp_path / "journal")
    assert fake.things == {ref: {"p": 1}}
    settle(fake, {}, tmp_path / "journal")
    assert fake.things == {ref: {"p": 0}}
    assert Journal(tmp_path / "journal").ledger == {}


def test_what_lies_within_a_removed_container_is_forgotten_not_undone(tmp_path: Path) -> None:
    outer, inner = Ref("a", "1"), Ref("b", "1")
    desired = {outer: Resource(outer), inner: Resource(inner, needs=frozenset({outer}), within=outer)}
    fake = FakeWorld(hides={inner: outer})
    settle(fake, desired, tmp_path / "journal")
    fake.log.clear()
    fake.things.pop(inner)
    settle(fake, {}, tmp_path / "journal")
    assert fake.log == [("remove", outer)]
    assert Journal(tmp_path / "journal").ledger == {}


@given(cases(), st.data())
def test_undo_follows_the_needs_of_all_whoever_they_belong_to(case: Case, data: st.DataObject) -> None:
    """Whatever was there before, and whatever stays: of two things that go, the one that needs the other goes first."""
    desired = case.desires[0]
    foreign = data.draw(st.sets(st.sampled_from(sorted(desired)))) if desired else set()
    fake = FakeWorld(things={ref: desired[ref].state for ref in foreign})
    with memory() as path:
        settle(fake, desired, path)
        ours = Journal(path).ledger
        assert ours.keys() == desired.keys() - foreign
        keep = data.draw(st.sets(st.sampled_from(sorted(ours)))) if ours else set()
        journal = Journal(path)
        plan = make_plan({}, fake.world(), journal, keep)
        fake.log.clear()
        converge({}, plan, fake.world(), journal, keep=keep)
    gone = [ref for _, ref in fake.log]
    assert set(gone) == ours.keys() - keep
    needs = {ref: each.needs for ref, each in desired.items()}
    for ref in gone:
        below = _all_from(ref, needs)
        assert not [need for need in gone[: gone.index(ref)] if need in below]


def test_a_kill_leaves_needs_that_undo_can_follow(tmp_path: Path) -> None:
    """The switch was there before, and nothing of ours: the settings below it are restored after the bridge above."""
    settings, switch, bridge = Ref("a", "settings"), Ref("b", "switch"), Ref("c", "bridge")
    desired = {
        settings: Resource(settings, {"p": 1}, foreign="adopt"),
        switch: Resource(switch, {"p": 1}, frozenset({settings}), foreign="adopt"),
        bridge: Resource(bridge, {"p": 1}, frozenset({switch})),
    }
    fake = FakeWorld(things={settings: {"p": 0}, switch: {"p": 1}}, kill_after=2)
    with pytest.raises(Killed):
        settle(fake, desired, tmp_path / "journal")
    fake.kill_after = None
    fake.log.clear()
    settle(fake, {}, tmp_path / "journal")
    assert fake.log == [("remove", bridge), ("restore", settings)]


def test_needs_that_an_earlier_revision_did_not_write_down_are_recalled_before_all_goes(tmp_path: Path) -> None:
    settings, switch, bridge = Ref("a", "settings"), Ref("b", "switch"), Ref("c", "bridge")
    desired = {
        settings: Resource(settings, {"p": 1}, foreign="adopt"),
        switch: Resource(switch, {"p": 1}, frozenset({settings}), foreign="adopt"),
        bridge: Resource(bridge, {"p": 1}, frozenset({switch})),
    }
    fake = FakeWorld(things={settings: {"p": 1}, switch: {"p": 1}, bridge: {"p": 1}})
    lines: tuple[dict[str, Any], ...] = (
        {"event": "begin", "verb": "update", "ref": "a/settings", "needs": [], "within": None, "before": {"p": 0}},
        {"event": "begin", "verb": "create", "ref": "c/bridge", "needs": ["b/switch"], "within": None, "before": None},
    )
    (tmp_path / "journal").write_text("".join(json.dumps(line) + "\n" for line in lines))
    journal = Journal(tmp_path / "journal")
    recall(desired, journal)
    assert Journal(tmp_path / "journal").ledger[bridge].needs == {switch, settings}
    settle(fake, {}, tmp_path / "journal")
    assert fake.log == [("remove", bridge), ("restore", settings)]


class Refusing(FakeWorld):
    """Lets nothing be removed for now."""

    firm = True

    def apply(self, action: Action) -> None:
        if self.firm and action.verb == "remove":
            raise HotstackError("to remove it", "not yet")
        super().apply(action)


def test_what_goes_along_stays_ours_where_the_removal_fails(tmp_path: Path) -> None:
    outer, inner, innermost = Ref("a", "1"), Ref("b", "1"), Ref("c", "1")
    desired = {
        outer: Resource(outer),
        inner: Resource(inner, needs=frozenset({outer}), within=outer),
        innermost: Resource(innermost, needs=frozenset({inner}), within=inner),
    }
    fake = Refusing()
    fake.firm = False
    settle(fake, desired, tmp_path / "journal")
    fake.firm = True
    with pytest.raises(ApplyFailed):
        settle(fake, {}, tmp_path / "journal")
    assert set(Journal(tmp_path / "journal").ledger) == set(desired)
    fake.firm = False
    settle(fake, {}, tmp_path / "journal")
    assert Journal(tmp_path / "journal").ledger == {}


@given(cases(), st.data())
def test_what_is_taken_along_is_needed_till_the_end(case: Case, data: st.DataObject) -> None:
    """Whoever needs a thing goes before what the thing goes along with: a network's file goes with its directory."""
    desired = {
        ref: replace(each, within=data.draw(st.sampled_from([None, *sorted(each.needs)])))
        for ref, each in case.desires[0].items()
    }
    with memory() as path:
        fake = FakeWorld()
        settle(fake, desired, path)
        plan = make_plan({}, fake.world(), Journal(path))
    ends = {ref: _end(ref, desired, plan) for ref in desired}
    pairs = {(ends[ref], ends[need]) for ref in desired for need in desired[ref].needs if ends[ref] != ends[need]}
    needs = {end: {need for ref, need in pairs if ref == end} for end in set(ends.values())}
    after = {action.ref: action.after for action in plan.actions}
    for ref, need in pairs:
        contradiction = ref in _all_from(need, needs)
        assert contradiction or ref in _all_from(need, after)


def _end(ref: Ref, desired: dict[Ref, Resource], plan: Plan) -> Ref:
    """The thing with whose removal this one is gone."""
    while plan.by_ref[ref].verb == "forget" and (within := desired[ref].within):
        ref = within
    return ref


def _all_from(start: Ref, graph: Mapping[Ref, Collection[Ref]]) -> set[Ref]:
    todo, seen = [start], set[Ref]()
    while todo:
        new = set(graph[todo.pop()]) - seen
        seen |= new
        todo += new
    return seen


def test_a_conflict_stops_the_plan_before_anything_is_done(tmp_path: Path) -> None:
    mine, foreign = Ref("a", "1"), Ref("b", "1")
    fake = FakeWorld(things={foreign: {"p": 0}})
    desired = {mine: Resource(mine), foreign: Resource(foreign, {"p": 1})}
    with pytest.raises(PlanInConflict, match="b/1 is there, not ours: p: 0 → 1"):
        settle(fake, desired, tmp_path / "journal")
    assert fake.log == []
