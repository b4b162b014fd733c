"""Colours: on a terminal only, and not where NO_COLOR (no-color.org) asks for none."""

from __future__ import annotations

import os
import zlib
from typing import TextIO

_COLOURS = (31, 32, 33, 34, 35, 36, 91, 92, 93, 94, 95, 96)


def wanted(stream: TextIO) -> bool:
    """Whether what is written there may have colours."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


class Paint:
    """Paints for one stream."""

    def __init__(self, stream: TextIO) -> None:
        self._on = wanted(stream)

    def as_name(self, name: str, text: str) -> str:
        """`text` in the colour that `name` always has."""
        number = _COLOURS[zlib.crc32(name.encode()) % len(_COLOURS)]
        return f"\x1b[{number}m{text}\x1b[0m" if self._on else text

    def strong(self, text: str) -> str:
        """`text` that stands out."""
        return f"\x1b[1m{text}\x1b[0m" if self._on else text
