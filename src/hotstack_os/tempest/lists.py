"""The tests that have to run and pass: package data, a test's id per line; `#` begins a comment."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib import resources
from pathlib import Path

from hotstack_os.errors import HotstackError

PARTS = ("identity", "image", "compute", "network", "volume", "scenario")
"""Lists that together are all that has to pass; the other lists are selections of them."""
SELECTIONS = ("smoke", "ci", "interop")


def required() -> tuple[str, ...]:
    """Every test that has to pass."""
    return tuple(test for part in PARTS for test in bundled(part))


def bundled(name: str) -> tuple[str, ...]:
    """A list that comes with this program."""
    return parse(resources.files("hotstack_os.tempest").joinpath(f"lists/{name}.txt").read_text())


def chosen(word: str) -> tuple[str, ...]:
    """The list of that name that comes with this program, else that of the file."""
    known = (*PARTS, *SELECTIONS)
    if word in known:
        return bundled(word)
    if not Path(word).is_file():
        raise HotstackError(f"a list of tests {word}", "no such file", f"Name a file, or one of {', '.join(known)}.")
    return parse(Path(word).read_text())


def parse(text: str) -> tuple[str, ...]:
    """The ids in a list, without the attributes that `stestr list` shows behind them."""
    lines = (line.partition("#")[0].partition("[")[0].strip() for line in text.splitlines())
    return tuple(dict.fromkeys(line for line in lines if line))


def resolve(wanted: Sequence[str], there: Iterable[str]) -> tuple[str, ...]:
    """The full ids, as stestr wants them, of those wanted tests that are there."""
    by_id = {full.partition("[")[0]: full for full in there}
    return tuple(by_id[test] for test in wanted if test in by_id)
