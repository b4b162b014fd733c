"""Desired and observed state in, plan out. Pure: no I/O, no time, no chance."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from graphlib import CycleError, TopologicalSorter

from hotstack_os.core.model import Absent, Foreign, Ledger, Observation, Owned, Present, Ref, Resource, Unknown, same
from hotstack_os.core.plan import Action, Conflict, Plan
from hotstack_os.core.reasons import differences
from hotstack_os.errors import HotstackError

Desired = Mapping[Ref, Resource]
Observed = Mapping[Ref, Observation]


class InconsistentDesire(HotstackError):
    """The desired state contradicts itself: a need that nobody provides, or a circle of needs."""


def diff(desired: Desired, observed: Observed, ledger: Ledger, keep: Collection[Ref] = ()) -> Plan:
    """The plan that makes `observed` what is `desired`, touching only what is ours or not there.

    `observed` must hold an answer for each ref of `desired` and of `ledger`, but for those in `keep`: they stay as they
    are, and only tell who needs whom.
    """
    check(desired)
    ours = {ref: owned for ref, owned in ledger.items() if ref not in keep}
    found = [_wanted(resource, observed[ref], ours) for ref, resource in desired.items()]
    gone = [_unwanted(owned, observed[ref], desired, ours) for ref, owned in ours.items() if ref not in desired]
    actions = {one.ref: one for one in [*found, *gone] if isinstance(one, Action)}
    conflicts = tuple(sorted((one for one in found if isinstance(one, Conflict)), key=lambda one: one.ref))
    ordered = _ordered(actions, desired, ledger)
    sure = {action.ref for action in ordered if action.verb != "decide"}
    return Plan(tuple(_told(action, desired, ledger, sure) for action in ordered), conflicts)


def resolved(desired: Desired, ledger: Ledger, sure: Collection[Ref] = ()) -> Iterator[Resource]:
    """What is desired, each with the needs that its undo has to follow when only the ledger is left to tell them.

    Those are its own, and past each one that is not ours (an Open vSwitch that ran before has nothing in the ledger)
    the nearest that are. `sure` are those that will be ours, though they are not yet.
    """
    yield from (_resolved(each, desired, ledger, sure) for each in desired.values())


def _resolved(resource: Resource, desired: Desired, ledger: Ledger, sure: Collection[Ref]) -> Resource:
    passed = [need for need in resource.needs if need not in ledger and need not in sure]
    if not passed:
        return resource
    needs, seen = set(resource.needs), set[Ref]()
    while passed:
        ref = passed.pop()
        if ref not in seen and ref in desired:
            seen.add(ref)
            needs |= desired[ref].needs
            passed += [need for need in desired[ref].needs if need not in ledger and need not in sure]
    return replace(resource, needs=frozenset(needs))


def _told(action: Action, desired: Desired, ledger: Ledger, sure: Collection[Ref]) -> Action:
    """The action with the needs that the journal is to remember."""
    if action.ref not in desired:
        return action
    resource = _resolved(action.resource, desired, ledger, sure)
    return action if resource is action.resource else replace(action, resource=resource)


def check(desired: Desired) -> None:
    """Refuse a desired state whose needs cannot all be met."""
    needs = ((ref, need) for ref, each in desired.items() for need in each.needs)
    missing = sorted(f"{ref} needs {need}" for ref, need in needs if need not in desired)
    if missing:
        raise InconsistentDesire("every need to be part of the desired state", "; ".join(missing))
    try:
        TopologicalSorter({ref: each.needs for ref, each in desired.items()}).prepare()
    except CycleError as error:
        circle = " → ".join(str(ref) for ref in error.args[1])
        raise InconsistentDesire("needs without a circle", circle) from None


def decide(resource: Resource, observation: Observation, ledger: Ledger) -> Action | Conflict | None:
    """What is to be done to one wanted thing, now that it can be observed. Unknown stays "decide"."""
    return _wanted(resource, observation, ledger)


def decide_unwanted(owned: Owned, observation: Observation) -> Action:
    """What is to be done to one thing of ours that is no longer wanted."""
    return _unwanted(owned, observation, {}, {})


def _wanted(resource: Resource, observation: Observation, ledger: Ledger) -> Action | Conflict | None:
    ours = resource.ref in ledger
    match observation:
        case Unknown(why):
            return Action("decide", resource, None, (why,))
        case Foreign(why):
            return Conflict(resource.ref, (why,))
        case Absent():
            return Action("create", resource, None, ("was removed",) if ours else ())
        case Present(state):
            if same(resource.state, state):
                return None
            why_not = differences(state, resource.state)
            if ours or resource.foreign != "conflict":
                return Action("update", resource, state, why_not)
            return Conflict(resource.ref, why_not)


def _unwanted(owned: Owned, observation: Observation, desired: Desired, ledger: Ledger) -> Action:
    resource = Resource(owned.ref, owned.before or {})
    if _goes_along(owned, desired, ledger):
        return Action("forget", resource, None, (f"goes with {owned.within}",))
    match observation:
        case Unknown(why):
            return Action("decide", resource, None, (f"no longer wanted; {why}",), wanted=False)
        case Absent() | Foreign():
            why = f"is ours no more: {observation.why}" if isinstance(observation, Foreign) else "is gone already"
            return Action("forget", resource, None, (why,))
        case Present(state):
            if owned.before is None:
                return Action("remove", resource, state, ("no longer wanted",))
            if same(owned.before, state):
                return Action("forget", resource, state, ("is as it was found",))
            return Action("restore", resource, state, differences(state, owned.before))


def _goes_along(owned: Owned, desired: Desired, ledger: Ledger) -> bool:
    """Whether some container of it is ours and is removed as a whole in the same plan."""
    within, seen = owned.within, set[Ref]()
    while within is not None and within not in seen:
        seen.add(within)
        if within in desired or within not in ledger:
            return False
        if ledger[within].before is None:
            return True
        within = ledger[within].within
    return False


def _ordered(actions: Mapping[Ref, Action], desired: Desired, ledger: Ledger) -> tuple[Action, ...]:
    graph = _graph(actions, desired, ledger, careful=False)
    try:
        order = tuple(TopologicalSorter(graph).static_order())
    except CycleError:
        graph = _graph(actions, desired, ledger, careful=True)
        order = tuple(TopologicalSorter(graph).static_order())
    return tuple(replace(actions[ref], after=frozenset(graph[ref])) for ref in order)


def _graph(
    actions: Mapping[Ref, Action], desired: Desired, ledger: Ledger, *, careful: bool
) -> dict[Ref, tuple[Ref, ...]]:
    """Action → those before it. Needs in the ledger may stem from several generations and contradict each other:
    where somebody is `careful`, no circle is closed."""
    makes = {ref for ref in actions if ref in desired}
    below = _nearest({ref: each.needs for ref, each in desired.items()}, makes)
    graph: dict[Ref, set[Ref]] = {ref: set(below[ref]) for ref in makes}
    users_of = _users(_dependents(ledger), actions)
    gone = sorted(actions.keys() - makes)
    takers = {ref: _taking_along(ref, actions, ledger) for ref in gone}
    # What goes along with something is forgotten when that is gone, not before: its removal may fail.
    graph |= {ref: set(taker) for ref, taker in takers.items()}
    for ref in gone:
        users = sorted(users_of(ref))
        # Its users need it there, so they come before what takes it along as well.
        for each in (ref, *takers[ref]):
            graph[each] |= {user for user in users if user != each and not (careful and _reaches(graph, user, each))}
    return {ref: tuple(sorted(graph[ref])) for ref in sorted(graph)}


def _taking_along(ref: Ref, actions: Mapping[Ref, Action], ledger: Ledger) -> set[Ref]:
    """What takes an unwanted thing along when it is removed itself, if that is why it is forgotten."""
    within, seen = ledger[ref].within, set[Ref]()
    while actions[ref].verb == "forget" and within is not None and within in ledger and within not in seen:
        seen.add(within)
        if within in actions and actions[within].verb in ("remove", "decide"):
            return {within}
        within = ledger[within].within
    return set()


def _nearest(ways: Mapping[Ref, Collection[Ref]], acting: Collection[Ref]) -> Mapping[Ref, frozenset[Ref]]:
    """Ref → the nearest acting ones on its ways, through those that have nothing to do. CycleError on a circle.

    All at once: to walk for each of them would take the square of their number.
    """
    found: dict[Ref, frozenset[Ref]] = {}
    for ref in TopologicalSorter(ways).static_order():
        found[ref] = frozenset[Ref]().union(*({way} if way in acting else found[way] for way in ways.get(ref, ())))
    return found


def _dependents(ledger: Ledger) -> dict[Ref, set[Ref]]:
    """Need → those that need it, of all that is ours. The need itself may not be."""
    users: dict[Ref, set[Ref]] = {}
    for owned in ledger.values():
        for need in owned.needs:
            users.setdefault(need, set()).add(owned.ref)
    return users


def _users(dependents: Mapping[Ref, set[Ref]], acting: Collection[Ref]) -> Callable[[Ref], frozenset[Ref]]:
    """What tells the nearest acting users of a ref, through those that stay as they are."""
    try:
        nearest = _nearest(dependents, acting)
    except CycleError:  # of several generations; each is walked for by itself
        return lambda ref: _walked(ref, dependents, acting)
    return lambda ref: nearest.get(ref, frozenset())


def _walked(start: Ref, ways: Mapping[Ref, set[Ref]], acting: Collection[Ref]) -> frozenset[Ref]:
    """As `_nearest` for one, where there may be circles."""
    todo, seen, result = list(ways.get(start, ())), {start}, set[Ref]()
    while todo:
        ref = todo.pop()
        if ref in seen:
            continue
        seen.add(ref)
        if ref in acting:
            result.add(ref)
        else:
            todo.extend(ways.get(ref, ()))
    return frozenset(result)


def _reaches(graph: Mapping[Ref, set[Ref]], start: Ref, goal: Ref) -> bool:
    todo, seen = [start], set[Ref]()
    while todo:
        ref = todo.pop()
        if ref == goal:
            return True
        if ref not in seen:
            seen.add(ref)
            todo.extend(graph.get(ref, ()))
    return False
