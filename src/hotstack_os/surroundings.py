"""What a person's shell brings along and does not count here: the umask, a terminal's character set."""

from __future__ import annotations

import os
import sys
from io import TextIOWrapper


class _Given:
    umask = 0o022


def settle() -> None:
    """Make what we make readable as it is meant to be, and say what we say on any terminal. Once, at the beginning."""
    _Given.umask = os.umask(
        0o022
    )  # what is for its owner's eyes only is made so; what containers read must be readable
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace" if stream is sys.stderr else "replace")


def given_umask() -> int:
    """The umask that this program was started with, for those who take its place."""
    return _Given.umask
