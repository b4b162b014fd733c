"""The OpenStack releases that this program can build, those whose lock comes with it; and the one that a cloud has."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import hotstack_os
from hotstack_os.settings import kept, source
from hotstack_os.settings.problems import SettingsError

LOCK = "requirements.lock"
_NAME = re.compile(r"20[0-9]{2}\.[12]")


@dataclass(frozen=True)
class Remembered:
    """The release that a cloud was last brought to, or begun to be brought to, and where that is written."""

    release: str
    where: str


def remembered(state: Path) -> Remembered | None:
    """The release of the cloud with this state directory; None before its first `up`.

    It is no setting that can be left out: databases know no way back, so a cloud has it until another one is named.
    """
    saved = state / kept.FILE
    try:
        if not saved.exists():
            return None
    except PermissionError:  # who may not see the cloud does not change it either
        return None
    kept.find(state)
    found = source.read(saved)
    if found.problems:
        raise SettingsError(found.problems)
    release = found.data.get("release") if isinstance(found.data, dict) else None
    return Remembered(release, f"{saved}:{found.line(('release',))}") if isinstance(release, str) else None


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
