"""The question before something is removed."""

from __future__ import annotations

import sys

from hotstack_os.errors import UsageError

_GO_ON = "Use --yes to go on without asking."


def confirm(what: str, name: str) -> None:
    """Ask for a word to be typed; whoever does not type it, or cannot be asked, gets a UsageError."""
    if not sys.stdin.isatty():
        found = "nobody to ask: standard input is no terminal"
        raise UsageError(f"a confirmation that {name} is meant", found, f"Nothing was removed. {_GO_ON}")
    print(f"{what} Type {name} to go on: ", end="", file=sys.stderr, flush=True)
    answer = sys.stdin.readline().strip()
    if answer != name:
        raise UsageError(f"the name {name!r}", repr(answer), f"Nothing was removed. {_GO_ON}")
