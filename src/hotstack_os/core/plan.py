"""The plan: what will be done to what, why, and after what. `plan` prints the very object that `apply` carries out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from hotstack_os.core.model import Ref, Resource, State

Verb = Literal["create", "update", "remove", "restore", "forget", "decide"]
"""`restore` gives an adopted thing its former state back; `forget` only drops it from the ledger (it is gone already);
`decide` is a thing that cannot be observed yet: it is observed, and planned, when what it needs is up."""


@dataclass(frozen=True)
class Action:
    """One change of one thing.

    Attributes:
        verb: what is done.
        resource: the thing as it shall be; for remove and forget only its name counts.
        found: the state in which it was observed, if it was there.
        reasons: why, one line each, without secrets.
        after: the refs whose actions must be done first.
        wanted: whether the thing is part of the desired state; tells which way a "decide" will go.
    """

    verb: Verb
    resource: Resource
    found: State | None
    reasons: tuple[str, ...]
    after: frozenset[Ref] = frozenset()
    wanted: bool = True

    @property
    def ref(self) -> Ref:
        return self.resource.ref


@dataclass(frozen=True)
class Conflict:
    """Something that is there under our name but is not ours, and is not as wanted."""

    ref: Ref
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """All actions in an order in which they could be done one by one, and what forbids to do any."""

    actions: tuple[Action, ...] = ()
    conflicts: tuple[Conflict, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.actions or self.conflicts)

    @property
    def by_ref(self) -> Mapping[Ref, Action]:
        return {action.ref: action for action in self.actions}

    def lines(self) -> Iterator[str]:
        """The plan for people: a sign, the thing, its reasons indented."""
        for conflict in self.conflicts:
            yield f"! {conflict.ref} is there but is not ours"
            yield from (f"    {reason}" for reason in conflict.reasons)
        for action in self.actions:
            yield f"{SIGNS[action.verb]} {action.ref}"
            yield from (f"    {reason}" for reason in action.reasons)
        yield self.summary()

    def summary(self) -> str:
        """How many actions of each kind, or that there is nothing to do."""
        if not self:
            return "Nothing to do."
        counts = {verb: sum(action.verb == verb for action in self.actions) for verb in SIGNS}
        said = [f"{count} to {verb}" for verb, count in counts.items() if count]
        if self.conflicts:
            said.insert(0, f"{len(self.conflicts)} in conflict")
        return "Plan: " + ", ".join(said) + "."

    def as_json(self) -> dict[str, Any]:
        """Stable form: {"actions": [{"verb", "ref", "reasons", "after"}], "conflicts": [{"ref", "reasons"}]}."""
        return {
            "actions": [
                {
                    "verb": action.verb,
                    "ref": str(action.ref),
                    "reasons": list(action.reasons),
                    "after": sorted(str(ref) for ref in action.after),
                }
                for action in self.actions
            ],
            "conflicts": [{"ref": str(each.ref), "reasons": list(each.reasons)} for each in self.conflicts],
        }


SIGNS: Mapping[Verb, str] = {
    "create": "+",
    "update": "~",
    "remove": "-",
    "restore": "<",
    "forget": "·",
    "decide": "?",
}
