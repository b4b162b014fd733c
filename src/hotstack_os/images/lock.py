"""The lock of a release: every PyPI project of every image with its version, hashes and the projects that need it.

One lock per release covers all images, so a project has one version in the whole cloud; an image installs the closure
of its own projects, less what its parents already hold. The file is a requirements file of pip (`name==version` with
`--hash` lines) whose `# via` comments carry the graph; nothing in it says where or by whom it was made.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from hotstack_os.errors import HotstackError

_PIN = re.compile(r"^(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)==(?P<version>[^\s;\\]+)")
_HASH = re.compile(r"--hash=(sha256:[0-9a-f]{64})")
_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]*")
_NO_LOCK = "Use a hotstack-os that brings it (locks/RELEASE), or make one: hotstack-os images lock."


@dataclass(frozen=True)
class Pin:
    """One locked project. `hashes` are those of all files of the version, `via` the projects that require it."""

    name: str
    version: str
    hashes: tuple[str, ...]
    via: tuple[str, ...] = ()


Lock = Mapping[str, Pin]
"""normalised project name → its pin, in order of name."""


def normalise(name: str) -> str:
    """A project's name as PEP 503 compares it, without extras: "Oslo.Config[x]" is "oslo-config"."""
    return re.sub(r"[-_.]+", "-", name.partition("[")[0]).lower()


def parse(text: str) -> Lock:
    """Read a lock, ours or fresh from `uv pip compile`; what names files or indexes of a machine is left behind."""
    pins: dict[str, Pin] = {}
    for block in _blocks(text):
        match = _PIN.match(block[0])
        if match is None:
            raise HotstackError(
                "a lock of pinned projects", f"the line {block[0]!r}", "Make it anew: hotstack-os images lock."
            )
        name = normalise(match["name"])
        hashes = tuple(sorted(found for line in block for found in _HASH.findall(line)))
        pins[name] = Pin(name, match["version"], hashes, _via(block))
    return dict(sorted(pins.items()))


def text(lock: Lock) -> str:
    """The lock as a file; `parse` reads it back to the same value."""
    return "".join(_pin_text(pin) for _, pin in sorted(lock.items()))


def closure(lock: Lock, projects: Iterable[str]) -> frozenset[str]:
    """The projects and all that they require, by normalised name."""
    needs: dict[str, list[str]] = {}
    for pin in lock.values():
        for parent in pin.via:
            needs.setdefault(parent, []).append(pin.name)
    found: set[str] = set()
    waiting = [normalise(name) for name in projects]
    while waiting:
        name = waiting.pop()
        if name not in lock:
            raise HotstackError(
                f"project {name} in the lock", "no such line", "Make the lock anew: hotstack-os images lock."
            )
        if name not in found:
            found.add(name)
            waiting += needs.get(name, ())
    return frozenset(found)


def subset(lock: Lock, projects: Iterable[str], present: Iterable[str] = ()) -> Lock:
    """What to install for `projects` where the closure of `present` is installed already."""
    names = closure(lock, projects) - closure(lock, present)
    return {name: lock[name] for name in sorted(names)}


def with_file(pin: Pin, path: Path) -> Pin:
    """The pin with a file of this machine, such as a wheel made here, accepted too."""
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return replace(pin, hashes=(*pin.hashes, f"sha256:{digest}"))


def directory() -> Path:
    """Where the locks are: inside the installed package, or at the top of a source checkout."""
    packaged = Path(__file__).parents[1] / "locks"
    return packaged if packaged.is_dir() else Path(__file__).parents[3] / "locks"


def load(release: str) -> Lock:
    """The lock of a release."""
    path = directory() / release / "requirements.lock"
    if not path.is_file():
        known = ", ".join(sorted(p.parent.name for p in directory().glob("*/requirements.lock"))) or "none"
        raise HotstackError(f"a lock for release {release}", f"locks for {known}", _NO_LOCK)
    return parse(path.read_text())


def _blocks(source: str) -> list[list[str]]:
    """Lines grouped by pin: the pin itself and the indented lines below it."""
    blocks: list[list[str]] = []
    for line in source.splitlines():
        if not line.strip() or line.startswith(("#", "--")):
            continue
        if line[0].isspace():
            blocks[-1].append(line.strip())
        else:
            blocks.append([line])
    return blocks


def _via(block: list[str]) -> tuple[str, ...]:
    comments = " ".join(line.lstrip("#").strip() + "," for line in block if line.startswith("#"))
    words = comments.removeprefix("via").split(",")
    names = (_NAME.match(word.strip()) for word in words)
    return tuple(sorted({normalise(match[0]) for match in names if match}))


def _pin_text(pin: Pin) -> str:
    hashes = "".join(f" \\\n    --hash={digest}" for digest in pin.hashes)
    via = f"\n    # via {', '.join(pin.via)}" if pin.via else ""
    return f"{pin.name}=={pin.version}{hashes}{via}\n"
