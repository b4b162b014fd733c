"""What an unexpected error leaves: a file to paste into a bug report."""

from __future__ import annotations

import platform
import sys
import tempfile
import traceback
from pathlib import Path

from hotstack_os import __version__


def write_report(error: Exception, words: list[str]) -> str:
    """Write the report and return the lines that say so. Arguments are shown as typed: they hold no secrets."""
    trace = "".join(traceback.format_exception(error))
    text = "\n".join(
        [
            f"hotstack-os {__version__}: {' '.join(words)}",
            f"Python {sys.version.split()[0]} on {platform.platform()}",
            "",
            trace,
        ]
    )
    said = f"hotstack-os: unexpected {type(error).__name__}: {error}"
    try:
        with tempfile.NamedTemporaryFile("w", prefix="hotstack-os-report-", suffix=".txt", delete=False) as handle:
            handle.write(text)
    except OSError:  # no room for a file: then it is printed
        return f"{said}\n{text}\n  → This is a defect of ours. Please report it with these lines."
    return f"{said}\n  → This is a defect of ours. Please report it with the file {Path(handle.name)}."
