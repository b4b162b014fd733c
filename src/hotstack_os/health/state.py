"""What can be wrong with the files in which a cloud is remembered. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from hotstack_os.health.findings import Check, Finding


@dataclass(frozen=True)
class StateFile:
    """A file that is not as it was written, and the way out; `remade` where nothing needs it to be whole."""

    path: Path
    found: str
    todo: str
    remade: bool = False


def state(seen: Sequence[StateFile]) -> Iterator[Finding]:
    for each in seen:
        what = f"{each.path} is damaged: {each.found}"
        if each.remade:
            yield Finding(what, "No command stops for it.", each.todo, "note")
        else:
            yield Finding(what, "Commands that need it stop.", each.todo)


CHECKS: tuple[Check[Sequence[StateFile]], ...] = (state,)
