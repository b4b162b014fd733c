"""Recorded desired states that were applied: what the cloud was meant to be, and when."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hotstack_os.core.encoding import to_json
from hotstack_os.core.model import Resource

KEPT = 20


@dataclass(frozen=True)
class Generation:
    """One record. `resources` are as in `to_json`: ref → {"state", "needs", "within"}; secrets are fingerprints."""

    number: int
    time: float
    version: str
    resources: dict[str, Any]


class Generations:
    """The generations of one cloud, a file each, in a directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def latest(self) -> Generation | None:
        """The newest record, or None."""
        paths = self._paths()
        return _load(paths[-1]) if paths else None

    def last(self, count: int) -> tuple[Generation, ...]:
        """The newest records, newest first."""
        return tuple(_load(path) for path in reversed(self._paths()[-count:]))

    def record(self, resources: Iterable[Resource], version: str) -> Generation:
        """Write a new generation unless the newest says the same; return the newest. Old ones are pruned."""
        content = {str(each.ref): _encode(each) for each in resources}
        newest = self.latest()
        if newest and newest.resources == content and newest.version == version:
            return newest
        generation = Generation(newest.number + 1 if newest else 1, round(time.time(), 3), version, content)
        self._write(generation)
        for path in self._paths()[:-KEPT]:
            path.unlink()
        return generation

    def _paths(self) -> list[Path]:
        return sorted(self._directory.glob("[0-9]*.json"))

    def _write(self, generation: Generation) -> None:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        beside = self._directory / "new"
        with beside.open("w") as handle:
            json.dump(vars(generation), handle, indent=1, sort_keys=True)
            handle.flush()
            os.fsync(handle.fileno())
        beside.rename(self._directory / f"{generation.number:06}.json")


def _encode(resource: Resource) -> dict[str, Any]:
    return {
        "state": to_json(resource.state),
        "needs": sorted(str(need) for need in resource.needs),
        "within": str(resource.within) if resource.within else None,
    }


def _load(path: Path) -> Generation:
    return Generation(**json.loads(path.read_text()))
