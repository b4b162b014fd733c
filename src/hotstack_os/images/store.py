"""The image store and what we know of the images in it.

The store is a containers/storage tree of our own below the cache: this machine's default store is never read nor
written, and boxes mount it read-only as an additional image store. Beside it lies one directory per image with the
recipe's inputs and what came out of the build. An image exists when both are there; the record is written last.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from hotstack_os.errors import HotstackError
from hotstack_os.exec import Command, run_here
from hotstack_os.exec.locks import locked
from hotstack_os.images.recipe import REPOSITORY, Inputs
from hotstack_os.whole import Damaged, put

_LOCK_SECONDS = 1800.0


@dataclass(frozen=True)
class Record:
    """What a finished build left beside its image.

    Attributes:
        reference: the image.
        inputs: those of its recipe.
        schema: OpenStack project → heads of its database migrations in this image; see files/schema_heads.py.
        seconds: how long the build took.
        order: when it was built, as a UNIX time.
    """

    reference: str
    inputs: Inputs
    schema: Mapping[str, tuple[str, ...]]
    seconds: float
    order: float


@dataclass(frozen=True)
class Store:
    """The cache directory of a machine as far as images are concerned."""

    cache: Path

    @property
    def root(self) -> Path:
        """What boxes mount as an additional image store."""
        return self.cache / "store"

    @property
    def run_root(self) -> Path:
        """containers/storage's state of this boot; named after the store so that several can live side by side."""
        return Path("/run/hotstack-os") / f"store-{hashlib.sha256(str(self.root).encode()).hexdigest()[:12]}"

    @property
    def work(self) -> Path:
        """Where builds in progress live; all of it is rubbish while nobody holds the lock."""
        return self.cache / "work"

    def record_directory(self, reference: str) -> Path:
        return self.cache / "images" / reference.removeprefix(f"{REPOSITORY}/").replace(":", "-")

    def buildah(self, *argv: str, purpose: str, timeout: float = 60.0) -> Command:
        """A buildah that sees this store only and holds the store's second lock while it lives (see `locked`).

        A build has process and mount namespaces of its own: with its caller die all that it started, and its mounts.
        """
        conf = self.cache / "storage.conf"
        apart = ("setpriv", "--pdeathsig=KILL", "unshare", "--pid", "--mount-proc", "--fork", "--kill-child")
        lock = ("flock", "--shared", "--no-fork", str(self.cache / "running.lock"))
        env = {"CONTAINERS_STORAGE_CONF": str(conf), "BUILDAH_ISOLATION": "chroot", "TMPDIR": str(self.work)}
        return Command(
            (*(apart if argv[0] == "build" else ()), *lock, "buildah", *argv), purpose, env=env, timeout=timeout
        )

    def prepare(self) -> None:
        """Make the directories and the storage configuration."""
        for path in (self.root, self.work, self.cache / "images"):
            path.mkdir(parents=True, exist_ok=True)
        conf = f'[storage]\ndriver = "overlay"\ngraphroot = "{self.root}"\nrunroot = "{self.run_root}"\n'
        put(self.cache / "storage.conf", conf)  # whole: a build for another cloud may read it

    def names(self) -> frozenset[str]:
        """References of all images in the store, as the store's own index lists them."""
        index = self.root / "overlay-images/images.json"
        if not index.is_file():
            return frozenset()
        try:
            images: list[dict[str, Any]] = json.loads(index.read_bytes() or "[]")
            return frozenset(name for image in images for name in image.get("names") or ())
        except (OSError, ValueError, TypeError, AttributeError) as error:
            raise Damaged(index, _said(error), f"Remove the store (rm -rf {self.root}): `up` builds it anew.") from None

    def record(self, reference: str) -> Record | None:
        """The record of an image; None where its build did not finish, or another version of this program made it, or
        it is damaged: the image is built again then."""
        path = self.record_directory(reference) / "record.json"
        if not path.is_file():
            return None
        try:
            data = json.loads(path.read_bytes())
            if data.keys() != {field.name for field in fields(Record)}:
                return None
            sound = isinstance(data["inputs"], dict) and isinstance(data["order"], int | float)
            schema = {name: tuple(heads) for name, heads in data["schema"].items()}
        except (OSError, ValueError, TypeError, AttributeError):
            return None
        return Record(**data | {"schema": schema}) if sound else None

    def records(self, name: str) -> tuple[Record, ...]:
        """Records of all images of that name, the newest first."""
        paths = (self.cache / "images").glob(f"{name}-{'[0-9a-f]' * 16}")
        found = (self.record(f"{REPOSITORY}/{name}:{path.name[-16:]}") for path in paths)
        return tuple(sorted((one for one in found if one), key=lambda one: one.order, reverse=True))

    def schema_heads(self, reference: str) -> Mapping[str, tuple[str, ...]]:
        """OpenStack project → heads of its migrations in the image: {"keystone": (…,)}; neutron has two."""
        record = self.record(reference)
        if record is None:
            raise HotstackError(f"image {reference}", "no record of it", "Build it: hotstack-os images build.")
        return record.schema

    @contextmanager
    def locked(self, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
        """Be the only one who changes the store, and clean up after those who were killed.

        Two locks: that of a builder, and one that each buildah holds itself, since it may outlive a killed builder a
        little. `waiting` is called when somebody else is at work.
        """
        self.cache.mkdir(parents=True, exist_ok=True)
        with locked(self.cache / "store.lock", waiting, _LOCK_SECONDS):
            with locked(self.cache / "running.lock", waiting, _LOCK_SECONDS):
                self.prepare()
            self._clean()
            try:
                yield
            finally:
                self._clean()

    def unused(self, keep: set[str]) -> tuple[str, ...]:
        """References of images that are neither kept nor stand below a kept one."""
        return tuple(sorted(self.names() - self._with_parents(keep)))

    def collect(self, keep: Callable[[], set[str]], waiting: Callable[[], None] = lambda: None) -> tuple[str, ...]:
        """Remove what is `unused` when nobody else builds any more; returns what was removed."""
        with self.locked(waiting):
            gone = self.unused(keep())
            if gone:
                purpose = "remove images that nothing uses"
                run_here(self.buildah("rmi", "--force", *gone, purpose=purpose, timeout=_LOCK_SECONDS))
            for name in gone:
                _remove_tree(self.record_directory(name))
        return gone

    def _with_parents(self, keep: set[str]) -> set[str]:
        stay: set[str] = set()
        waiting = list(keep)
        while waiting:
            reference = waiting.pop()
            stay.add(reference)
            record = self.record(reference)
            parent = record.inputs["parent"] if record else ""
            waiting += [f"{REPOSITORY}/{parent}"] if parent and f"{REPOSITORY}/{parent}" not in stay else []
        return stay

    def _clean(self) -> None:
        """Remove working containers and directories of builds that did not end."""
        left = self.root / "overlay-containers/containers.json"
        if left.is_file() and left.read_bytes().strip() not in (b"", b"[]"):
            run_here(self.buildah("rm", "--all", purpose="remove what a killed build left"))
        for path in self.work.iterdir():
            _remove_tree(path)


def _said(error: Exception) -> str:
    return str(error.strerror).lower() if isinstance(error, OSError) else "something else than a list of images"


def _remove_tree(path: Path) -> None:
    run_here(Command(("rm", "-rf", "--one-file-system", str(path)), f"remove {path}", timeout=600))
