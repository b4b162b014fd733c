"""Carrying out a plan when things go wrong: what can be done is done, and the rest is told."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from hotstack_os.core import apply as module
from hotstack_os.core.apply import ApplyFailed, NotConverged, PlanInConflict, Step, apply, converge, make_plan
from hotstack_os.core.diff import InconsistentDesire, diff
from hotstack_os.core.handler import World
from hotstack_os.core.journal import Journal
from hotstack_os.core.model import Absent, Foreign, Observation, Owned, Present, Ref, Resource, Unknown
from hotstack_os.core.plan import Action, Plan
from hotstack_os.errors import HotstackError
from unit.core.fakes import FakeWorld

A, B, C, D = (Ref("a", name) for name in "1234")


def chain(*refs: Ref) -> dict[Ref, Resource]:
    """Each needs the one before it."""
    pairs = zip(refs, [None, *refs], strict=False)
    return {ref: Resource(ref, needs=frozenset({need} if need else ())) for ref, need in pairs}


class Broken(FakeWorld):
    """Some things cannot be made."""

    broken: frozenset[Ref] = frozenset()

    def apply(self, action: Action) -> None:
        if action.ref in self.broken:
            raise HotstackError(f"to make {action.ref}", "canary in the works")
        super().apply(action)


def run(fake: FakeWorld, desired: dict[Ref, Resource], path: Path) -> list[Step]:
    steps: list[Step] = []
    journal = Journal(path)
    try:
        converge(desired, make_plan(desired, fake.world(), journal), fake.world(), journal, steps.append)
    finally:
        fake.steps = steps  # type: ignore[attr-defined]
    return steps


def test_a_failure_skips_dependents_and_lets_others_go_on(path: Path) -> None:
    fake = Broken()
    fake.broken = frozenset({B})
    desired = {**chain(A, B, C), D: Resource(D)}
    with pytest.raises(ApplyFailed) as caught:
        run(fake, desired, path)
    assert set(fake.things) == {A, D}
    assert set(caught.value.failures) == {B}
    assert "a/2: wanted to make a/2; found canary in the works" in caught.value.found
    assert "(1 actions that need these were not tried)" in caught.value.found
    assert "canary" not in path.read_text()


def test_the_next_run_goes_on_where_the_failed_one_ended(path: Path) -> None:
    fake = Broken()
    fake.broken = frozenset({B})
    desired = {**chain(A, B, C), D: Resource(D)}
    with pytest.raises(ApplyFailed):
        run(fake, desired, path)
    fake.broken = frozenset()
    fake.log.clear()
    run(fake, desired, path)
    assert fake.log == [("create", B), ("create", C)]


def test_steps_tell_beginning_end_and_failure(path: Path) -> None:
    fake = Broken()
    fake.broken = frozenset({B})
    with pytest.raises(ApplyFailed):
        run(fake, chain(A, B), path)
    steps: list[Step] = fake.steps  # type: ignore[attr-defined]
    assert [(step.action.ref, step.event) for step in steps] == [
        (A, "begin"), (A, "done"), (B, "begin"), (B, "failed"),
    ]  # fmt: skip
    assert "canary in the works" in str(steps[-1].error)


def test_a_failure_is_told_in_a_line_at_the_end_and_what_failed_alike_together(path: Path) -> None:
    output = "\n".join(f"line {number}" for number in range(50))
    failures: dict[Ref, Exception] = {
        Ref("file", f"/{number}", "n"): HotstackError("to write it", f"no room:\n{output}", "Make room.")
        for number in range(9)
    }
    failures[A] = OSError("another\nsecond line")
    said = str(ApplyFailed(failures, 3)).splitlines()
    assert said[0] == "wanted the plan to be carried out; found that 10 of its actions failed:"
    assert sorted(said[1:3]) == [
        f"  {A}: another",
        "  n:file//0, n:file//1, n:file//2, n:file//3, n:file//4 and 4 more: wanted to write it; found no room",
    ]
    assert said[3:] == ["  (3 actions that need these were not tried)", "  → Mend the cause and run the command again."]


def test_what_cannot_be_written_down_is_not_done_and_ends_the_run(path: Path) -> None:
    class Full(Journal):
        room = 2

        def _append(self, line: bytes) -> None:
            if not self.room:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            self.room -= 1
            super()._append(line)

    fake = FakeWorld()
    wanted = chain(A, B)
    journal = Full(path)
    with pytest.raises(ApplyFailed, match=r"to write down in .*No space left on device"):
        apply(make_plan(wanted, fake.world(), journal), fake.world(), journal)
    assert fake.log == [("create", A)]
    assert set(Journal(path).ledger) == {A}


def test_success_is_what_is_seen_afterwards(path: Path) -> None:
    class Liar(FakeWorld):
        def apply(self, action: Action) -> None:
            self.log.append((action.verb, action.ref))

    with pytest.raises(NotConverged, match=r"\+ a/1"):
        run(Liar(), chain(A), path)


def test_independent_actions_run_at_the_same_time(path: Path) -> None:
    meeting = threading.Barrier(3, timeout=10)

    class Slow(FakeWorld):
        def apply(self, action: Action) -> None:
            meeting.wait()
            super().apply(action)

    desired = {ref: Resource(ref) for ref in (A, B, C)}
    run(Slow(), desired, path)
    assert not meeting.broken


def test_an_interrupt_lets_running_actions_end_and_begins_no_other(path: Path) -> None:
    class Interrupted(FakeWorld):
        def apply(self, action: Action) -> None:
            super().apply(action)
            if action.ref == A:
                raise KeyboardInterrupt

    fake = Interrupted()
    desired = {**chain(A, B), **chain(C, D)}
    with pytest.raises(KeyboardInterrupt):
        run(fake, desired, path)
    assert B not in fake.things
    again = FakeWorld(things=fake.things)
    run(again, desired, path)
    assert set(again.things) == {A, B, C, D}
    assert ("create", A) not in again.log


def test_what_was_not_begun_at_an_interrupt_is_not_begun_after_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WORKERS", 1)
    interrupted = threading.Event()

    class Interrupted(FakeWorld):
        def apply(self, action: Action) -> None:
            super().apply(action)
            if action.ref == A:
                raise KeyboardInterrupt
            # The one worker is busy until the main thread has had its time to hear of it.
            interrupted.wait(0.3)

    fake = Interrupted()
    with pytest.raises(KeyboardInterrupt):
        run(fake, {ref: Resource(ref) for ref in (A, B, C, D)}, path)
    assert D not in fake.things


def test_a_conflict_found_only_on_the_way_stops_what_needs_it(path: Path) -> None:
    inner, late = Ref("b", "1"), Ref("c", "1")
    fake = FakeWorld(hides={inner: A})
    desired = chain(A, inner, late)
    desired[inner] = Resource(inner, {"p": 1}, frozenset({A}))

    class Surprise(FakeWorld):
        def apply(self, action: Action) -> None:
            super().apply(action)
            self.things.setdefault(inner, {"p": 0})

    fake = Surprise(hides={inner: A})
    with pytest.raises(ApplyFailed) as caught:
        run(fake, desired, path)
    assert isinstance(caught.value.failures[inner], PlanInConflict)
    assert fake.things == {A: {}, inner: {"p": 0}}
    assert set(Journal(path).ledger) == {A}


def test_what_is_seen_late_is_waited_for(path: Path) -> None:
    class Late(FakeWorld):
        looks = 0

        def _look(self, ref: Ref) -> Observation:
            if ref == B and A in self.things:
                self.looks += 1
                if self.looks < 2:
                    return Unknown("not yet")
            return super()._look(ref)

    fake = Late(hides={B: A})
    run(fake, chain(A, B), path)
    assert set(fake.things) == {A, B}


@pytest.mark.parametrize(("moves", "seen"), [(True, True), (False, False)])
def test_it_is_waited_for_as_long_as_anything_else_moves(
    path: Path, monkeypatch: pytest.MonkeyPatch, moves: bool, seen: bool
) -> None:
    """Services that start together answer errors until the last of them is there, however long that takes."""
    now = 0.0
    monkeypatch.setattr("hotstack_os.core.apply.time.monotonic", lambda: now)

    class Late(FakeWorld):
        looks = 0

        def _look(self, ref: Ref) -> Observation:
            nonlocal now
            now += module.PATIENCE - 1
            self.looks += 1
            if moves:
                running.carry_out(Action("create", Resource(Ref("a", f"other-{self.looks}")), None, ()))
            return Unknown("not yet") if self.looks < 5 else super()._look(ref)

    running = module._Run(Late().world(), Journal(path), lambda _: None, frozenset())
    monkeypatch.setattr(running._stopped, "wait", lambda _: False)
    observed = running._observed(Action("decide", Resource(B), None, ()))
    assert (observed == Absent()) == seen


def test_what_stays_unseen_is_an_error_with_its_reason(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.0)

    class Blind(FakeWorld):
        def _look(self, ref: Ref) -> Observation:
            return Absent() if ref == A and A not in self.things else super()._look(ref)

    inner = Ref("b", "1")
    fake = Blind(hides={inner: D})
    with pytest.raises(ApplyFailed, match="to observe b/1; found a/4 is not up"):
        run(fake, chain(A, inner), path)


def test_the_plan_is_what_is_shown_and_what_is_done(path: Path) -> None:
    fake = FakeWorld(things={B: {"p": 0}})
    journal = Journal(path)
    desired = {A: Resource(A), B: Resource(B, {"p": 1}, foreign="adopt")}
    plan = make_plan(desired, fake.world(), journal)
    assert list(plan.lines()) == ["+ a/1", "~ a/2", "    p: 0 → 1", "Plan: 1 to create, 1 to update."]
    assert plan.as_json() == {
        "actions": [
            {"verb": "create", "ref": "a/1", "reasons": [], "after": [], "destroys": ""},
            {"verb": "update", "ref": "a/2", "reasons": ["p: 0 → 1"], "after": [], "destroys": ""},
        ],
        "conflicts": [],
        "then": "",
    }
    apply(plan, fake.world(), journal)
    assert {(action.verb, action.ref) for action in plan.actions} == set(fake.log)
    assert list(Plan().lines()) == ["Nothing to do."]


def test_needs_that_nobody_meets_or_that_go_in_a_circle_are_refused() -> None:
    with pytest.raises(InconsistentDesire, match="a/2 needs a/1"):
        diff({B: Resource(B, needs=frozenset({A}))}, {B: Absent()}, {})
    circle = {A: Resource(A, needs=frozenset({B})), B: Resource(B, needs=frozenset({A}))}
    with pytest.raises(InconsistentDesire, match=r"a/[12] → a/[12] → a/[12]"):
        diff(circle, {A: Absent(), B: Absent()}, {})


def test_order_goes_through_what_has_nothing_to_do() -> None:
    observed: dict[Ref, Observation] = {A: Absent(), B: Present({}), C: Absent()}
    plan = diff(chain(A, B, C), observed, {})
    assert [(action.ref, action.after) for action in plan.actions] == [(A, frozenset()), (C, frozenset({A}))]


def test_contradicting_needs_of_former_generations_close_no_circle() -> None:
    ledger = {A: Owned(A, frozenset({B})), B: Owned(B, frozenset({A}))}
    plan = diff({}, {A: Present({}), B: Present({})}, ledger)
    assert sorted(action.ref for action in plan.actions) == [A, B]


@pytest.mark.parametrize("ours", [False, True])
def test_what_somebody_put_in_the_place_of_ours_is_theirs(ours: bool, path: Path) -> None:
    """A conflict where it is wanted, whoever had it before; where it is not wanted, nothing is done to it."""

    class Taken(FakeWorld):
        taken = False

        def _look(self, ref: Ref) -> Observation:
            return Foreign("a container of this name") if ref == B and self.taken else super()._look(ref)

    fake = Taken()
    if ours:
        run(fake, chain(A, B), path)
    fake.taken = True
    fake.log.clear()
    with pytest.raises(PlanInConflict, match="a/2 is there, not ours: a container of this name"):
        run(fake, chain(A, B), path)
    assert fake.log == []
    run(fake, {}, path)
    assert ("remove", B) not in fake.log
    assert not Journal(path).ledger


def test_each_handler_is_asked_once() -> None:
    asked: list[int] = []

    class Counting(FakeWorld):
        def observe(self, resources: Sequence[Resource]) -> Mapping[Ref, Observation]:
            asked.append(len(resources))
            return super().observe(resources)

    world = World({("", kind): Counting() for kind in "ab"})
    seen = world.observe([Resource(A), Resource(B), Resource(Ref("b", "1"))])
    assert sorted(asked) == [1, 2]
    assert len(seen) == 3
    with pytest.raises(HotstackError, match="a handler for c/1; found none"):
        world.observe([Resource(Ref("c", "1"))])


def test_what_is_kept_is_neither_looked_at_nor_touched_and_stays_ours(path: Path) -> None:
    """C lies in B; both stay, though B needs A, which goes and without which nobody can see B."""
    desired = {**chain(A, B), C: Resource(C, needs=frozenset({B}), within=B), D: Resource(D)}
    fake = FakeWorld()
    run(fake, desired, path)
    fake.hides[B] = fake.hides[C] = A
    journal, keep = Journal(path), {B, C}
    todo = make_plan({}, fake.world(), journal, keep)
    assert {(action.verb, action.ref) for action in todo.actions} == {("remove", A), ("remove", D)}
    converge({}, todo, fake.world(), journal, keep=keep)
    assert set(fake.things) == {B, C} == set(Journal(path).ledger)
    del fake.log[:]
    run(fake, desired, path)
    assert set(fake.things) == {A, B, C, D}
    assert {ref for _, ref in fake.log} == {A, D}
    run(fake, {}, path)
    assert fake.things.keys() <= {C}  # it went with B
    assert not Journal(path).ledger
