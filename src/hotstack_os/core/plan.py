"""The plan: what will be done to what, why, and after what. `plan` prints the very object that `apply` carries out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from hotstack_os.core.model import Ref, Resource, State

Verb = Literal["create", "update", "remove", "restore", "forget", "decide"]
"""`restore` gives an adopted thing its former state back; `forget` only drops it from the ledger (it is gone already);
`decide` is a thing that cannot be observed yet: it is observed, and planned, when what it needs is up."""


class Named(Protocol):
    """Refs that somebody has named, such as a set of them."""

    def __contains__(self, ref: object, /) -> bool: ...


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
        destroys: what would be lost by it that nobody can bring back, as a sentence; empty: nothing.
    """

    verb: Verb
    resource: Resource
    found: State | None
    reasons: tuple[str, ...]
    after: frozenset[Ref] = frozenset()
    wanted: bool = True
    destroys: str = ""

    @property
    def ref(self) -> Ref:
        return self.resource.ref

    def named_in(self, named: Named) -> bool:
        """Whether somebody has named the thing, or what it lies in: it has gone along with that."""
        return self.ref in named or self.resource.within in named


@dataclass(frozen=True)
class Conflict:
    """Something that is there under our name but is not ours, and is not as wanted."""

    ref: Ref
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """All actions in an order in which they could be done one by one, and what forbids to do any.

    `then` says what comes after them that cannot be seen before they are done; empty: nothing.
    """

    actions: tuple[Action, ...] = ()
    conflicts: tuple[Conflict, ...] = ()
    then: str = ""

    def __bool__(self) -> bool:
        return bool(self.actions or self.conflicts or self.then)

    @property
    def by_ref(self) -> Mapping[Ref, Action]:
        return {action.ref: action for action in self.actions}

    @property
    def losses(self) -> tuple[Action, ...]:
        """The actions by which something would be lost for good."""
        return tuple(action for action in self.actions if action.destroys)

    def unnamed(self, named: Named) -> tuple[Action, ...]:
        """Those of `losses` that nobody has named."""
        return tuple(action for action in self.losses if not action.named_in(named))

    def lines(self) -> Iterator[str]:
        """The plan for people: a sign, the thing, its reasons indented."""
        for conflict in self.conflicts:
            yield f"! {conflict.ref} is there but is not ours"
            yield from (f"    {reason}" for reason in conflict.reasons)
        for action in self.actions:
            yield f"{SIGNS[action.verb]}{LOSS if action.destroys else ''} {action.ref}"
            yield from (f"    {reason}" for reason in action.reasons)
            if action.destroys:
                yield f"    {LOSS} destroys {action.destroys}"
        if self.then:
            yield f"{SIGNS['decide']} then: {self.then}"
        yield self.summary()

    def summary(self) -> str:
        """How many actions of each kind, or that there is nothing to do."""
        if not self:
            return "Nothing to do."
        counts = {verb: sum(action.verb == verb for action in self.actions) for verb in SIGNS}
        said = [f"{count} to {verb}" for verb, count in counts.items() if count]
        if self.conflicts:
            said.insert(0, f"{len(self.conflicts)} in conflict")
        if self.losses:
            said.append(f"{len(self.losses)} of them to destroy what cannot be brought back")
        if self.then:
            said.append("the rest when it can be seen")
        return "Plan: " + ", ".join(said) + "."

    def as_json(self) -> dict[str, Any]:
        """Stable form: {"actions": [{"verb", "ref", "reasons", "after", "destroys"}], "conflicts": [{"ref",
        "reasons"}], "then"}."""
        return {
            "actions": [
                {
                    "verb": action.verb,
                    "ref": str(action.ref),
                    "reasons": list(action.reasons),
                    "after": sorted(str(ref) for ref in action.after),
                    "destroys": action.destroys,
                }
                for action in self.actions
            ],
            "conflicts": [{"ref": str(each.ref), "reasons": list(each.reasons)} for each in self.conflicts],
            "then": self.then,
        }


LOSS = "!"
"""Beside the sign of an action by which something is lost."""

SIGNS: Mapping[Verb, str] = {
    "create": "+",
    "update": "~",
    "remove": "-",
    "restore": "<",
    "forget": "·",
    "decide": "?",
}
