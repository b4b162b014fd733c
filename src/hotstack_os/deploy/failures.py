"""What failed: said when it fails, in a line and its last words; whole in a file for who looks closer."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path

from hotstack_os.core.apply import first_line
from hotstack_os.deploy.stages import Reporter
from hotstack_os.errors import HotstackError

FILE = "failures.log"
_LARGEST = 1 << 20


def tell(reporter: Reporter, state: Path, what: str, error: Exception) -> None:
    """Show that `what` failed, and what can be done; the rest of what is known goes to the file in the state."""
    text = str(error) if isinstance(error, HotstackError) else first_line(error)
    first, *rest = text.splitlines()
    reporter.fail("\n".join((f"{what} failed: {first}", *(f"    {line}" for line in rest))))
    whole = error.whole if isinstance(error, HotstackError) else repr(error)
    _keep(state / FILE, f"{time.strftime('%FT%T%z')} {what}\n{whole}\n\n")


def _keep(path: Path, text: str) -> None:
    """A full disk may be what is told, and the file is for convenience: without it nothing is lost but details."""
    with suppress(OSError):
        if path.exists() and path.stat().st_size > _LARGEST:
            path.replace(path.with_suffix(".old"))
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
