"""Where a box keeps what: on this machine below its home, and inside itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

IMAGE_STORE = "/var/lib/hotstack-os-images"
"""In the box: this machine's image store, read-only."""

CONTAINERS = "/var/lib/containers"
"""In the box: podman's own store; never on overlayfs, which cannot be stacked under itself as an upper layer."""

DATA = "/var/lib/hotstack-os"
"""In the box: the cloud's data, on a plain directory: no copy-up, honest fsync."""


@dataclass(frozen=True)
class Home:
    """The layout below `BoxSpec.home`."""

    path: Path

    @property
    def there(self) -> bool:
        """Whether there is a box: its home was put in place whole, so that anything in it tells, also where the
        description was lost."""
        try:
            return any(self.path.iterdir())
        except (FileNotFoundError, NotADirectoryError):
            return False

    @property
    def spec(self) -> Path:
        """The box as it was asked for, JSON. Where it is lost, whoever wants the box writes it anew."""
        return self.path / "box.json"

    @property
    def upper(self) -> Path:
        """What the box changed of its root (overlayfs upper layer)."""
        return self.path / "upper"

    @property
    def work(self) -> Path:
        return self.path / "work"

    @property
    def root(self) -> Path:
        """Mount point of the root inside the supervisor's mount namespace; without overlayfs, the copied root."""
        return self.path / "root"

    @property
    def containers(self) -> Path:
        return self.path / "containers"

    @property
    def data(self) -> Path:
        return self.path / "data"

    @property
    def lock(self) -> Path:
        """Held by the supervisor as a POSIX record lock for as long as it lives: F_GETLK names its pid."""
        return self.path / "lock"

    @property
    def plan(self) -> Path:
        """What the supervisor is told to do, JSON; rewritten at each start."""
        return self.path / "plan.json"

    @property
    def cgroups(self) -> Path:
        """The control group directories of the running (or last) supervisor, JSON."""
        return self.path / "cgroups.json"

    @property
    def console(self) -> Path:
        """What the supervisor and nspawn said."""
        return self.path / "console.log"

    @property
    def being_made(self) -> Path:
        return self.path.with_name(f".{self.path.name}.new")

    @property
    def being_removed(self) -> Path:
        return self.path.with_name(f".{self.path.name}.old")
