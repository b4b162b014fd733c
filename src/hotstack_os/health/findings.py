"""What `doctor` finds: each finding says what is the case, why that matters, and what to do about it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Finding:
    """One finding.

    Attributes:
        what: what was seen, as a clause: "2.1 GB of memory are free of 4.0 GB".
        why: what it leads to.
        todo: what the user can do, as an imperative sentence.
        severity: a problem has to be solved; a note explains what is slower or less than it could be.
    """

    what: str
    why: str
    todo: str
    severity: Literal["problem", "note"] = "problem"


@dataclass(frozen=True)
class Diagnosis:
    """A finding with the check that made it, and the thing that was looked at: "machine" or a cloud's name."""

    check: str
    subject: str
    finding: Finding


Check = Callable[[T], Iterable[Finding]]
"""Pure: an observation in, findings out. What could not be observed is None, and no finding."""


def diagnose(subject: str, seen: T, checks: Sequence[Check[T]], troubles: Mapping[str, str]) -> Iterator[Diagnosis]:
    """All findings of all checks, named after their functions; what could not be looked at is a finding too."""
    for check in checks:
        name = check.__name__.replace("_", "-")
        yield from (Diagnosis(name, subject, finding) for finding in check(seen))
    for look, error in troubles.items():
        why = "Nobody can say whether something is wrong there."
        yield Diagnosis(look.replace("_", "-"), subject, Finding(f"it could not be seen: {error}", why, "See above."))


def size(count: float) -> str:
    """Bytes for people: "3.1 GB"."""
    return f"{count / 1e9:.1f} GB" if count >= 1e8 else f"{count / 1e6:.0f} MB"
