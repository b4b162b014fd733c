"""Files that appear whole: their readers see what was there before or all that came after, also after a power cut."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def put(path: Path, text: str, mode: int = 0o644) -> None:
    """Put a file in place, in UTF-8 and on the disk. A link of that name is replaced, never followed."""
    descriptor, beside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            os.fchmod(descriptor, mode)
            file.write(text)
            file.flush()
            os.fsync(descriptor)
        Path(beside).replace(path)
    finally:
        Path(beside).unlink(missing_ok=True)
