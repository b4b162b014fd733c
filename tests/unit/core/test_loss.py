"""Nothing is destroyed that was not named: not by a plan, and not by what is decided on while it is carried out."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotstack_os.core.apply import ApplyFailed, apply, converge, make_plan
from hotstack_os.core.handler import World
from hotstack_os.core.journal import Journal
from hotstack_os.core.loss import EVERYTHING, UnnamedLoss
from hotstack_os.core.model import Ledger, Ref, Resource
from hotstack_os.core.plan import Action, Plan
from unit.core.fakes import FakeWorld, memory

REFS = tuple(Ref(kind, name) for kind in "abc" for name in "12")


def rule(action: Action, ledger: Ledger) -> str:
    """Things of kind b hold data; what replaces p is lost as well."""
    if action.ref.kind != "b" or action.verb in ("create", "forget", "restore"):
        return ""
    return f"what {action.ref} holds"


def world(fake: FakeWorld) -> World:
    return World({("", kind): fake for kind in "abc"}, rule)


def settled(desired: dict[Ref, Resource], path: Path) -> FakeWorld:
    fake = FakeWorld()
    journal = Journal(path)
    converge(desired, make_plan(desired, world(fake), journal), world(fake), journal, named=EVERYTHING)
    fake.log.clear()
    return fake


states = st.dictionaries(st.sampled_from(REFS), st.integers(0, 1))


@given(states, states, st.sets(st.sampled_from(REFS)), st.sets(st.sampled_from(REFS)))
def test_no_plan_that_destroys_is_applied_without_its_refs_being_named(
    before: dict[Ref, int], after: dict[Ref, int], named: set[Ref], hidden: set[Ref]
) -> None:
    """Whatever can be observed beforehand, and whatever comes out later only."""
    door = Ref("a", "0")
    desired = {ref: Resource(ref, {"p": value}) for ref, value in after.items()}
    with memory() as path:
        fake = settled({ref: Resource(ref, {"p": value}) for ref, value in before.items()}, path)
        kept = {ref: dict(state) for ref, state in fake.things.items() if ref.kind == "b"}
        fake.hides = dict.fromkeys(hidden, door)
        journal = Journal(path)
        plan = make_plan(desired, world(fake), journal)
        fake.hides = {}  # what could not be seen can be when its turn comes
        if plan.unnamed(named):
            with pytest.raises(UnnamedLoss):
                apply(plan, world(fake), journal, named=named)
            assert fake.log == []
        else:
            with suppress(ApplyFailed):  # what was to be decided on, and turned out to be a loss
                apply(plan, world(fake), journal, named=named)
        lost = {ref for ref, state in kept.items() if fake.things.get(ref) != state}
        assert lost <= named


def test_what_is_lost_is_said_in_line_summary_and_json(tmp_path: Path) -> None:
    ref = Ref("b", "1")
    fake = settled({ref: Resource(ref)}, tmp_path / "journal")
    plan = make_plan({}, world(fake), Journal(tmp_path / "journal"))
    assert list(plan.lines()) == [
        "-! b/1",
        "    no longer wanted",
        "    ! destroys what b/1 holds",
        "Plan: 1 to remove, 1 of them to destroy what cannot be brought back.",
    ]
    assert [each["destroys"] for each in plan.as_json()["actions"]] == ["what b/1 holds"]


def test_the_refusal_names_each_ref_and_how_to_go_on(tmp_path: Path) -> None:
    wanted = {ref: Resource(ref) for ref in (Ref("b", "1"), Ref("b", "2"), Ref("c", "1"))}
    fake = settled(wanted, tmp_path / "journal")
    journal = Journal(tmp_path / "journal")
    plan = make_plan({}, world(fake), journal)
    with pytest.raises(UnnamedLoss, match="--destroy b/2") as refused:
        apply(plan, world(fake), journal, named={Ref("b", "1")})
    assert "--destroy b/1" not in str(refused.value)
    assert fake.log == []
    apply(plan, world(fake), journal, named={Ref("b", "1"), Ref("b", "2")})
    assert fake.things == {}


def test_an_unwanted_thing_that_cannot_be_seen_counts_as_lost(tmp_path: Path) -> None:
    ref = Ref("b", "1")
    fake = settled({ref: Resource(ref)}, tmp_path / "journal")
    fake.hides = {ref: Ref("a", "1")}
    plan = make_plan({}, world(fake), Journal(tmp_path / "journal"))
    assert [(each.verb, each.destroys) for each in plan.actions] == [("decide", "what b/1 holds")]


def test_a_plan_that_nobody_marked_is_marked_before_it_is_applied(tmp_path: Path) -> None:
    ref = Ref("b", "1")
    fake = settled({ref: Resource(ref)}, tmp_path / "journal")
    bare = Plan((Action("remove", Resource(ref), {}, ()),))
    with pytest.raises(UnnamedLoss):
        apply(bare, world(fake), Journal(tmp_path / "journal"))
    assert ref in fake.things


def test_what_comes_later_is_a_line_of_its_own() -> None:
    plan = Plan(then="decided on lab")
    assert list(plan.lines()) == ["? then: decided on lab", "Plan: the rest when it can be seen."]
    assert plan
    assert plan.as_json()["then"] == "decided on lab"


def test_what_is_ours_in_any_case_is_taken_over_without_a_conflict(tmp_path: Path) -> None:
    ref = Ref("a", "1")
    fake, journal = FakeWorld(things={ref: {"p": 0}}), Journal(tmp_path / "journal")
    desired = {ref: Resource(ref, {"p": 1}, foreign="ours")}
    converge(desired, make_plan(desired, world(fake), journal), world(fake), journal)
    assert fake.things == {ref: {"p": 1}}
    assert journal.ledger[ref].before is None  # it was never anybody else's
