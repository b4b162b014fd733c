"""Where the program begins: from its first line on, an interrupt is a word and not a traceback."""

from __future__ import annotations

import sys

from hotstack_os import interrupt, surroundings


def begin() -> int:
    """The program; its exit status."""
    interrupt.listen()
    status = _begun()
    interrupt.over(status)
    return status


def _begun() -> int:
    try:
        surroundings.settle()
        from hotstack_os.cli.main import main  # noqa: PLC0415 (from here on it may be interrupted)

        return main()
    except KeyboardInterrupt:
        return interrupt.last_word()


if __name__ == "__main__":
    sys.exit(begin())
