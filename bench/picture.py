#!/usr/bin/env python3
"""A picture of `up` from what it said: hotstack-os up 2>&1 | tee LOG; bench/picture.py LOG docs/up.svg. Needs Rich.

The middle is left out where there is too much of it; nothing is changed.
"""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

FIRST, LAST, WIDTH = 12, 16, 100


def main(log: str, picture: str) -> None:
    lines = Path(log).read_text(encoding="utf-8").splitlines()
    if len(lines) > FIRST + LAST:
        lines = [*lines[:FIRST], f"  ⋮ {len(lines) - FIRST - LAST} lines", *lines[-LAST:]]
    console = Console(record=True, width=WIDTH, file=io.StringIO())
    console.print(Text("# make up", style="bold"))
    for line in lines:
        console.print(Text(line, style="" if line.startswith("  ") else "bold cyan"))
    # Rich's template fetches fonts from elsewhere; any monospace font will do.
    template = re.sub(r"@font-face \{\{.*?\}\}", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    console.save_svg(picture, title="hotstack-os", code_format=template)


if __name__ == "__main__":
    main(*sys.argv[1:])
