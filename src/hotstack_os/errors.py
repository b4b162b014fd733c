"""The errors that a user sees: what was wanted, what was found, what to do next.

Every failure that we foresee is a `HotstackError`. The command line prints it without a traceback and
exits with `exit_status`; anything else is a defect of ours and becomes a report to paste.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class HotstackError(Exception):
    """A foreseen failure.

    Attributes:
        wanted: what we tried to reach, as a clause: "a package source for Debian trixie".
        found: what was there instead, one line or the whole output of the failing program.
        hint: what the user can do next, as an imperative sentence; empty when there is nothing to do.
    """

    wanted: str
    found: str
    hint: str = ""

    exit_status = 1

    @property
    def whole(self) -> str:
        """All that is known, for a file or a report; what a person reads at once is shorter."""
        return str(self)

    def __str__(self) -> str:
        text = f"wanted {self.wanted}; found {self.found}"
        return f"{text}\n  → {self.hint}" if self.hint else text


class UsageError(HotstackError):
    """The command line itself cannot be understood (sysexits(3) EX_USAGE; 2 means "changes" for `plan`)."""

    exit_status = 64
