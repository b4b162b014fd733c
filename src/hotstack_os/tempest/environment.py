"""The environment that Tempest runs in, made of a lock of its own: its projects are not those of this program."""

from __future__ import annotations

import hashlib
import shutil
import sys
from pathlib import Path

from hotstack_os.exec import Command, run_here
from hotstack_os.exec.local import pip_settings
from hotstack_os.exec.locks import locked

SECONDS = 900.0


def python(lock: Path, cache: Path) -> Path:
    """The Python of the environment of a lock, which is made when it is missing; whole or not there."""
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()[:16]
    place = cache / "env" / f"tempest-{sys.version_info.major}.{sys.version_info.minor}-{digest}"
    if not (place / "complete").exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        with locked(place.with_name(f"{place.name}.lock"), lambda: None, SECONDS):
            if not (place / "complete").exists():
                _make(place, lock)
    return place / "bin" / "python"


def _make(place: Path, lock: Path) -> None:
    if place.exists():
        shutil.rmtree(place)
    run_here(Command((sys.executable, "-m", "venv", str(place)), "make the environment of Tempest"))
    pip = (str(place / "bin" / "python"), "-m", "pip", "install", "--disable-pip-version-check", "--no-deps")
    argv = (*pip, "--require-hashes", "--requirement", str(lock))
    settings = pip_settings()
    run_here(Command(argv, "install Tempest from its lock", env=settings, timeout=SECONDS))
    (place / "complete").touch()
