"""What can be wanted, seen and owned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from hotstack_os.hidden import Fingerprint, Hidden

Value: TypeAlias = "bool | int | str | Hidden | Fingerprint | tuple[Value, ...] | Mapping[str, Value] | None"
State: TypeAlias = Mapping[str, Value]


@dataclass(frozen=True, order=True)
class Ref:
    """The name of one thing of the world: (node, kind, name). Kinds belong to handlers; names are unique in a kind."""

    kind: str
    name: str
    node: str = ""

    def __str__(self) -> str:
        return f"{self.node}:{self.kind}/{self.name}" if self.node else f"{self.kind}/{self.name}"

    @classmethod
    def parse(cls, text: str) -> Ref:
        """The inverse of `str`. A kind holds neither ':' nor '/', a node no ':'; a name may hold both."""
        head, _, name = text.partition("/")
        node, _, kind = head.rpartition(":")
        return cls(kind, name, node)


@dataclass(frozen=True)
class Resource:
    """One thing as it shall be.

    Attributes:
        ref: its name.
        state: what shall hold of it; observation may know more, only these keys are compared.
        needs: what must be as wanted before this can be created or changed; removal goes the other way round.
        within: what takes this along when it is removed itself (a table within a database within a directory), so
            that nothing has to be observed or undone one by one when the container goes.
        foreign: what to do with a thing of this name that is there but not in the ledger: stop the plan; change it and
            remember what it was, to give it back; or take it for ours, where nobody else could have made it.
    """

    ref: Ref
    state: State = field(default_factory=dict)
    needs: frozenset[Ref] = frozenset()
    within: Ref | None = None
    foreign: Literal["conflict", "adopt", "ours"] = "conflict"


@dataclass(frozen=True)
class Present:
    """It is there, like this."""

    state: State


@dataclass(frozen=True)
class Absent:
    """It is not there."""


@dataclass(frozen=True)
class Unknown:
    """It cannot be seen yet: what would answer is not up."""

    why: str


@dataclass(frozen=True)
class Foreign:
    """Something else is there, which was not made by us: whoever wants the thing is in conflict with it.

    Also where the thing was ours: what somebody has put in its place is theirs.
    """

    why: str


Observation: TypeAlias = Present | Absent | Unknown | Foreign


@dataclass(frozen=True)
class Owned:
    """What the ledger holds of a thing that we made or changed.

    `before` is the state in which an adopted thing was found; None for what we created.
    """

    ref: Ref
    needs: frozenset[Ref] = frozenset()
    within: Ref | None = None
    before: State | None = None


Ledger: TypeAlias = Mapping[Ref, Owned]


def same(wanted: Value, found: Value) -> bool:
    """Whether `found` is as `wanted`; mappings are compared by the wanted keys, secrets by fingerprint."""
    if isinstance(wanted, Mapping):
        return isinstance(found, Mapping) and all(key in found and same(wanted[key], found[key]) for key in wanted)
    if isinstance(wanted, tuple):
        return (
            isinstance(found, tuple)
            and len(found) == len(wanted)
            and all(same(one, other) for one, other in zip(wanted, found, strict=True))
        )
    if isinstance(wanted, Hidden) or isinstance(found, Hidden):
        return _print(wanted) == _print(found)
    return type(wanted) is type(found) and wanted == found


def _print(value: Value) -> Value:
    return value.fingerprint if isinstance(value, Hidden) else value
