"""The question before something is removed."""

from __future__ import annotations

import sys

from hotstack_os.errors import UsageError

_GO_ON = "Use --yes to go on without asking."


def confirm(what: str, word: str) -> None:
    """Ask for a word to be typed; whoever does not type it, or cannot be asked, gets a UsageError."""
    if not sys.stdin.isatty():
        found = "nobody to ask: standard input is no terminal"
        raise UsageError(f"somebody who types {word} to confirm it", found, f"Nothing was removed. {_GO_ON}")
    print(f"{what} Type {word} to go on: ", end="", file=sys.stderr, flush=True)
    answer = sys.stdin.readline().strip()
    if answer != word:
        raise UsageError(f"the word {word!r}", repr(answer), f"Nothing was removed. {_GO_ON}")
