"""Building one image: lay out what its Containerfile reads, run buildah, record what came of it."""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import uv

from hotstack_os.errors import HotstackError
from hotstack_os.exec import CommandFailed, run_here
from hotstack_os.images import containerfile, lock, sources
from hotstack_os.images.bases import CONTAINER, SUITE
from hotstack_os.images.packages import Apt
from hotstack_os.images.recipe import Recipe
from hotstack_os.images.rootfs import build_rootfs, package_sources, rootfs_path
from hotstack_os.images.store import Record, Store
from hotstack_os.whole import put

FILES = Path(__file__).parent / "files"
_BUILD_SECONDS = 1800.0


def read_file(name: str) -> bytes:
    """The content of a file of images/files/."""
    return (FILES / name).read_bytes()


@dataclass(frozen=True)
class Assembler:
    """Builds images into a store, whose lock the caller holds. Several threads may build at once.

    Attributes:
        recipes: those of all images by name, to find parents and the makers of wheels.
        mirror: see `sources.debian_sources`.
    """

    store: Store
    recipes: Mapping[str, Recipe]
    mirror: str | None
    index: sources.PipIndex

    def build(self, recipe: Recipe) -> None:
        """Build an image whose parents and wheels are there; raises HotstackError with what the failing step said."""
        started = time.monotonic()
        work = self.store.work / recipe.image.name
        context, inputs = work / "context", work / "inputs"
        for path in (context, inputs / "files", inputs / "out", inputs / "tools"):
            path.mkdir(parents=True)
        (context / "Containerfile").write_text(recipe.containerfile)
        for name in recipe.image.files.values():
            (inputs / "files" / name).write_bytes(read_file(name))
        if recipe.image.parent is None:
            self._root(context)
        if recipe.image.deb or recipe.image.unpack:
            self._debs(recipe, inputs)
        if recipe.requirements:
            self._python(recipe, inputs)
        self._buildah(recipe, work)
        self._record(recipe, work, time.monotonic() - started)

    def apt(self) -> Apt:
        """This machine's apt with fresh lists."""
        apt = Apt(self.store.cache / "apt")
        apt.update(package_sources(self.store, self.mirror), time.time())
        return apt

    def makers(self, recipe: Recipe) -> tuple[Recipe, ...]:
        """The images that make wheels which this one installs."""
        wanted = set() if recipe.image.builds else set(recipe.inputs["wheels"])
        return tuple(one for one in self.recipes.values() if wanted & set(map(lock.normalise, one.image.builds)))

    def _root(self, context: Path) -> None:
        made = build_rootfs(self.store, CONTAINER, sources.debian_sources(SUITE, self.mirror))
        (context / "rootfs.tar").hardlink_to(made / "rootfs.tar")

    def _debs(self, recipe: Recipe, inputs: Path) -> None:
        for name in ("debs", "unpack"):
            (inputs / name).mkdir()
        apt = self.apt()
        if recipe.image.deb:
            apt.fetch(self.store.record_directory(recipe.parent) / "dpkg-status", recipe.image.deb, inputs / "debs")
        if recipe.image.unpack:
            apt.fetch_alone(recipe.image.unpack, inputs / "unpack")

    def _python(self, recipe: Recipe, inputs: Path) -> None:
        (inputs / "wheels").mkdir()
        requirements = dict(recipe.requirements)
        for wheel in self._wheels(recipe):
            shutil.copy(wheel, inputs / "wheels")
            name = _project(wheel)
            requirements[name] = lock.with_file(requirements[name], wheel)
        (inputs / "requirements.txt").write_text(lock.text(requirements))
        for tool in containerfile.TOOLS:
            (inputs / "tools" / tool).write_bytes(read_file(tool))
        self._mount_points(inputs)
        env = {**self.index.env, "UV_CACHE_DIR": "/mnt/cache", "UV_NO_CONFIG": "1", "UV_PYTHON_DOWNLOADS": "never"}
        env["UV_FIND_LINKS"] = ",".join(filter(None, ("/mnt/wheels", env.get("UV_FIND_LINKS"))))
        env |= {"SSL_CERT_FILE": "/mnt/ca.crt"} if sources.ca_bundle() else {}
        descriptor = os.open(inputs / "env", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:  # an index address may carry a password
            file.writelines(f"{name}='{value}'\n" for name, value in env.items())

    def _wheels(self, recipe: Recipe) -> Iterable[Path]:
        """The wheels made here of projects that publish none."""
        made = (self.store.record_directory(maker.reference) / "wheels" for maker in self.makers(recipe))
        return [
            wheel for directory in made for wheel in directory.glob("*.whl") if _project(wheel) in recipe.requirements
        ]

    def _mount_points(self, inputs: Path) -> None:
        for name in ("cache", *(f"local/{number}" for number in range(len(self.index.mounts)))):
            (inputs / name).mkdir(parents=True)
        for name in ("uv", "ca.crt"):
            (inputs / name).touch()

    def _volumes(self, inputs: Path, python: bool) -> list[str]:
        mounts = {str(inputs): "/mnt", str(inputs / "out"): "/mnt/out"}
        if python:
            cache = self.store.cache / "uv"
            cache.mkdir(exist_ok=True)
            mounts |= {uv.find_uv_bin(): "/mnt/uv", str(cache): "/mnt/cache", **self.index.mounts}
            bundle = sources.ca_bundle()
            mounts |= {str(Path(bundle).resolve()): "/mnt/ca.crt"} if bundle else {}
        writable = ("/mnt/out", "/mnt/cache")
        return [f"--volume={source}:{target}{'' if target in writable else ':ro'}" for source, target in mounts.items()]

    def _buildah(self, recipe: Recipe, work: Path) -> None:
        argv = (
            "build",
            "--layers=false",
            "--pull=never",
            "--no-hosts",
            "--cap-add=CAP_SYS_ADMIN",  # mount.nfs is tried out
            f"--logfile={work / 'build.log'}",
            f"--tag={recipe.reference}",
            *(self._volumes(work / "inputs", bool(recipe.requirements)) if recipe.image.parent else ()),
            str(work / "context"),
        )
        try:
            run_here(self.store.buildah(*argv, purpose=f"build image {recipe.image.name}", timeout=_BUILD_SECONDS))
        except CommandFailed as failure:
            raise _build_failed(recipe, work / "build.log", failure) from None

    def _record(self, recipe: Recipe, work: Path, seconds: float) -> None:
        """Keep what later builds and services need; the record itself comes last and makes the image exist."""
        directory, out = self.store.record_directory(recipe.reference), work / "inputs/out"
        (directory / "wheels").mkdir(parents=True, exist_ok=True)
        shutil.copy(work / "build.log", directory)
        shutil.copy((out if recipe.image.parent else rootfs_path(self.store, CONTAINER)) / "dpkg-status", directory)
        for wheel in out.glob("*.whl"):
            shutil.copy(wheel, directory / "wheels")
        schema = out / "schema.json"
        heads = json.loads(schema.read_text()) if schema.is_file() else {}
        record = Record(recipe.reference, recipe.inputs, heads, round(seconds, 1), time.time())
        put(directory / "record.json", json.dumps(asdict(record), indent=1))


def _project(wheel: Path) -> str:
    """The project of a wheel by its file name (binary distribution format, "File name convention")."""
    return lock.normalise(wheel.name.split("-")[0])


def _build_failed(recipe: Recipe, log: Path, failure: CommandFailed) -> HotstackError:
    """The error with the step that failed and everything that it printed, and with that alone."""
    output = log.read_text(errors="replace") if log.is_file() else ""
    found = f"{output.strip()}\n{failure.result.stderr.strip()}"
    marks = list(re.finditer(rf"^{containerfile.MARK} (\d+)\n", output, re.MULTILINE))
    if marks:
        step = containerfile.steps(recipe.image, pip=bool(recipe.requirements))[int(marks[-1][1])]
        found = f"this step failed: {step}\n{output[marks[-1].end() :].strip()}"
    hint = "Repair its cause and run the same command again: what was built stays."
    return HotstackError(f"to build image {recipe.image.name}", found.strip(), hint)
