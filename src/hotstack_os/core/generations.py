"""Recorded desired states that were applied: what a cloud was meant to be, when, by whom, and what was done for it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hotstack_os.core.encoding import state_from_json, to_json
from hotstack_os.core.model import Ref, Resource, State
from hotstack_os.core.plan import Plan
from hotstack_os.whole import Damaged, put, read_sealed, sealed

KEPT = 20
_HINT = "Remove it; only what it tells of the past is lost."


@dataclass(frozen=True)
class Generation:
    """One record. Old ones have less: what came later is empty in them.

    Attributes:
        resources: as in `to_json`: ref → {"state", "needs", "within"}; secrets are fingerprints.
        verb: of the command that was carried out.
        caller: who ran it and from where: "user", "uid", "host", "terminal", "address".
        plan: what was done, and why: a "verb", a "ref" and "reasons" each.
        journal: the time of the journal's newest entry then; one that ends before has lost something.
    """

    number: int
    time: float
    version: str
    resources: dict[str, Any]
    verb: str = ""
    caller: dict[str, Any] = field(default_factory=dict)
    plan: list[dict[str, Any]] = field(default_factory=list)
    journal: float = 0.0

    def states(self) -> dict[Ref, State]:
        """The state in which each thing was wanted; of secrets the fingerprints."""
        return {Ref.parse(ref): state_from_json(each["state"]) for ref, each in self.resources.items()}


class Generations:
    """The generations of one cloud, a file each, in a directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def latest(self) -> Generation | None:
        """The newest record that can be read, or None."""
        return next(iter(self.last(1)), None)

    def last(self, count: int) -> tuple[Generation, ...]:
        """The newest records, newest first; those that are damaged are passed over, see `damaged`."""
        found: list[Generation] = []
        for path in reversed(self._paths()):
            one = _tried(path)
            if isinstance(one, Generation) and len(found) < count:
                found.append(one)
        return tuple(found)

    def damaged(self) -> tuple[Damaged, ...]:
        """What is wrong with those that cannot be read."""
        tried = (_tried(path) for path in self._paths())
        return tuple(each for each in tried if isinstance(each, Damaged))

    def record(
        self,
        resources: Iterable[Resource],
        version: str,
        verb: str = "",
        caller: Mapping[str, Any] | None = None,
        plan: Plan | None = None,
        journal: float = 0.0,
    ) -> Generation:
        """Write a new generation unless nothing was done and the newest says the same; return the newest.

        Old ones are pruned. `journal` as in `Generation`.
        """
        content = {str(each.ref): _encode(each) for each in resources}
        newest = self.latest()
        same = newest and newest.resources == content and newest.version == version
        if newest and same and not plan and bool(newest.journal) == bool(journal):
            return newest
        done = (
            [{"verb": each.verb, "ref": str(each.ref), "reasons": list(each.reasons)} for each in plan.actions]
            if plan
            else []
        )
        now = round(time.time(), 3)
        generation = Generation(self._next(), now, version, content, verb, dict(caller or {}), done, journal)
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        put(self._directory / f"{generation.number:06}.json", sealed(vars(generation)), 0o600)
        for path in self._paths()[:-KEPT]:
            path.unlink()
        return generation

    def _next(self) -> int:
        return int(self._paths()[-1].stem) + 1 if self._paths() else 1

    def _paths(self) -> list[Path]:
        found = self._directory.glob("[0-9]*.json")
        return sorted((path for path in found if path.stem.isdecimal()), key=lambda path: int(path.stem))


def _encode(resource: Resource) -> dict[str, Any]:
    return {
        "state": to_json(resource.state),
        "needs": sorted(str(need) for need in resource.needs),
        "within": str(resource.within) if resource.within else None,
    }


def _tried(path: Path) -> Generation | Damaged | None:
    """None where it was pruned meanwhile."""
    try:
        content = read_sealed(path, _HINT)
        return None if content is None else _checked(content)
    except Damaged as error:
        return error
    except (TypeError, ValueError):
        return Damaged(path, "a record with other fields", _HINT)


def _checked(content: dict[str, Any]) -> Generation:
    kinds = {
        "number": int,
        "time": int | float,
        "version": str,
        "resources": dict,
        "verb": str,
        "caller": dict,
        "plan": list,
        "journal": int | float,
    }
    if any(not isinstance(content[name], kind) for name, kind in kinds.items() if name in content):
        raise ValueError("a field of another kind")
    return Generation(**content)
