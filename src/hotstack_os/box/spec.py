"""What a box shall be and what it is, as data."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from hotstack_os.errors import HotstackError
from hotstack_os.whole import Damaged, read, sealed, unsealed

Status = Literal["absent", "stopped", "running"]

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_UNFIT = re.compile(r"[,:\\\s]")
_OVERMOUNTED = ("/dev", "/proc", "/run", "/sys", "/tmp")  # noqa: S108 (inside the box; nspawn mounts over these)


@dataclass(frozen=True)
class Bind:
    """A file or directory of this machine (`outer`) that appears in the box at `inner`.

    `within` is a directory around it that another box can write to: no link below it is followed.
    """

    outer: str
    inner: str
    writable: bool = False
    within: str = ""


@dataclass(frozen=True)
class BoxSpec:
    """A box as its maker wants it.

    Attributes:
        name: a host name label; names the box for people.
        rootfs: the shared root file system, never written to; boxes of the same rootfs share its pages.
        home: directory for all of the box's data on this machine; its parent must exist.
        image_store: a containers-storage directory, bound read-only at `IMAGE_STORE`.
        binds: further directories and files of this machine.
        hostname: the box's own; the name where empty.
    """

    name: str
    rootfs: Path
    home: Path
    image_store: Path | None = None
    binds: tuple[Bind, ...] = ()
    hostname: str = ""

    @property
    def node_name(self) -> str:
        return self.hostname or self.name

    @property
    def unit(self) -> str:
        """A name unique on this machine for the box's control group or systemd unit: homes differ, names may not."""
        return f"hotstack-os-box-{self.name}-{hashlib.sha256(bytes(self.home)).hexdigest()[:8]}"

    def checked(self) -> BoxSpec:
        """This spec, or a `HotstackError` that lists all that is wrong with it."""
        if problems := list(self._problems()):
            raise HotstackError(f"a usable description of box {self.name}", "; ".join(problems))
        return self

    def _problems(self) -> list[str]:
        names = [label for label in dict.fromkeys((self.name, self.node_name)) if not _NAME.fullmatch(label)]
        places = [place for place in (self.rootfs, self.home) if _UNFIT.search(str(place)) or not place.is_absolute()]
        inner = [bind.inner for bind in self.binds if _overmounted(bind.inner)]
        outer = [self.rootfs, *(Path(bind.outer) for bind in self.binds), *filter(None, [self.image_store])]
        missing = [path for path in outer if not path.exists()]
        return [
            *(f"{each!r} is no host name label" for each in names),
            *(f"{each} is not absolute or has a comma, colon, backslash or space" for each in places),
            *(f"{each} in the box is covered by its own mounts" for each in inner),
            *(f"{each} does not exist" for each in missing),
        ]

    def to_json(self) -> str:
        return sealed(json.loads(json.dumps(asdict(self), default=str)))

    @classmethod
    def from_json(cls, text: str) -> BoxSpec:
        raw = unsealed(text.encode())
        paths = {key: Path(raw[key]) if raw[key] else None for key in ("rootfs", "home", "image_store")}
        return cls(**{**raw, **paths, "binds": tuple(Bind(**each) for each in raw["binds"])})

    @classmethod
    def read(cls, path: Path) -> BoxSpec:
        """The spec in a box's home; `Damaged` where it is not as it was written."""
        hint = "`hotstack-os up` writes it anew."
        if path.is_dir():
            hint = f"Remove it (rm -r {path}): {hint}"
        try:
            return cls.from_json((read(path, hint) or b"").decode())
        except (ValueError, TypeError, KeyError):
            raise Damaged(path, "something else than the description of a box", hint) from None


@dataclass(frozen=True)
class BoxState:
    """What a box is at this moment.

    Attributes:
        status: "running" as long as its supervisor lives, also while it boots, reboots or stops.
        supervisor: process id of the supervisor on this machine: it holds the box's network namespace.
        leader: process id of the box's systemd on this machine; None between two boots.
        since: start of that systemd, local time.
    """

    status: Status
    supervisor: int | None = None
    leader: int | None = None
    since: datetime | None = None


def _overmounted(inner: str) -> bool:
    return any(inner == each or inner.startswith(f"{each}/") for each in _OVERMOUNTED) or not inner.startswith("/")
