"""The OpenStack releases that this program can build: those whose lock comes with it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import hotstack_os

LOCK = "requirements.lock"
_NAME = re.compile(r"20[0-9]{2}\.[12]")


def releases(directory: Path | None = None) -> Mapping[str, Path]:
    """Release → path of its lock, oldest release first.

    Looks into `directory`, else into the package's own `locks/`, else (in a source tree) into the repository's.
    """
    root = directory or _locks()
    found = sorted(lock for lock in root.glob(f"*/{LOCK}") if _NAME.fullmatch(lock.parent.name))
    return {lock.parent.name: lock for lock in found}


def _locks() -> Path:
    package = Path(hotstack_os.__file__).resolve().parent
    repository = package.parents[1]
    in_tree = (repository / "pyproject.toml").is_file() and package.parent.name == "src"
    return repository / "locks" if in_tree else package / "locks"
