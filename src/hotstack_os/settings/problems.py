"""Mistakes in settings: collected, put in order, and told all at once."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hotstack_os.errors import HotstackError

Route = tuple[str, ...]
"""The way to a value: ("networks", "floating", "first"). Places in a list are numbers as text."""

_LONGEST = 60


@dataclass(frozen=True)
class Problem:
    """One mistake.

    Attributes:
        key: dotted key, or the name of the environment variable for what no key sets; empty for the file as a whole.
        where: "settings.yaml:12", "environment variable REGION_NAME" or "default".
        wanted, found, hint: as in `HotstackError`.
        line: in the file, for the order; 0 elsewhere.
    """

    key: str
    where: str
    wanted: str
    found: str
    hint: str = ""
    line: int = 0

    def __str__(self) -> str:
        subject = f"{self.where}: {self.key}" if self.key else self.where
        text = f"{subject}: wanted {self.wanted}; found {self.found}"
        return f"{text}\n      → {self.hint}" if self.hint else text


class SettingsError(HotstackError):
    """The settings cannot be used. `problems` holds every mistake, in the order of the file."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: tuple[Problem, ...] = tuple(sorted(problems, key=lambda problem: (problem.line, problem.key)))
        count = len(self.problems)
        lines = "".join(f"\n  {problem}" for problem in self.problems)
        super().__init__(
            wanted="settings without mistakes",
            found=f"{count} mistake{'' if count == 1 else 's'}:{lines}",
            hint="Nothing was touched. Every key: hotstack-os settings explain KEY, or docs/CONFIGURATION.md.",
        )


class UnknownKey(HotstackError):
    """Somebody asked for a key that settings do not have."""


def dotted(route: Sequence[str]) -> str:
    """The key of a route as people write it."""
    return printable(".".join(route))


def printable(text: str) -> str:
    """`text` with escapes for what could not be printed or would act on a terminal."""
    return text if text.isprintable() else ascii(text)[1:-1]


def show(value: object) -> str:
    """A value in a message: short, on one line, and only the kind of what has an inside."""
    match value:
        case dict():
            return "a mapping"
        case list():
            return f"a list of {len(value)}"
        case None:
            return "nothing"
        case bool():
            return str(value).lower()
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}… ({len(str(value))} characters)"


def closest(name: str, known: Iterable[str]) -> str:
    """A hint that names the known word nearest to `name`; empty when none is near."""
    near = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.6)
    return f"Did you mean {near[0]}?" if near else ""
