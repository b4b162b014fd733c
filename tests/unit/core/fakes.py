"""A world of plain dictionaries for the tests of the core."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from hotstack_os.core.handler import World
from hotstack_os.core.model import Absent, Observation, Present, Ref, Resource, State, Unknown
from hotstack_os.core.plan import Action


class Killed(BaseException):
    """What SIGKILL is to a process: nothing catches it."""


@dataclass
class FakeWorld:
    """Things by ref. `hides` maps a thing to the one that must be present before it can be observed.

    `kill_after` raises `Killed` right after that many changes, or in their middle: the change is made, its "done" not
    written.
    """

    things: dict[Ref, State] = field(default_factory=dict)
    hides: dict[Ref, Ref] = field(default_factory=dict)
    log: list[tuple[str, Ref]] = field(default_factory=list)
    kill_after: int | None = None

    def observe(self, resources: Sequence[Resource]) -> Mapping[Ref, Observation]:
        return {each.ref: self._look(each.ref) for each in resources}

    def _look(self, ref: Ref) -> Observation:
        door = self.hides.get(ref)
        if door is not None and door not in self.things:
            return Unknown(f"{door} is not up")
        return Present(self.things[ref]) if ref in self.things else Absent()

    def apply(self, action: Action) -> None:
        self.log.append((action.verb, action.ref))
        if action.verb == "remove":
            self.things.pop(action.ref, None)
        else:
            self.things[action.ref] = dict(action.resource.state)
        if self.kill_after is not None and len(self.log) >= self.kill_after:
            raise Killed

    def world(self) -> World:
        return World({("", kind): self for kind in "abc"})


@contextmanager
def memory() -> Iterator[Path]:
    """A journal's path where fsync costs nothing, if there is such a place."""
    shm = Path("/dev/shm")
    with TemporaryDirectory(dir=shm if shm.is_dir() else None) as directory:
        yield Path(directory) / "journal"
