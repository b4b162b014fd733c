"""From an image as data to the recipe that builds it and to the name it will have.

An image's reference carries the digest of everything that decides what is in it, parents included. So desired state
knows the reference before anything is built, two machines agree on it, and an image that exists is never stale.
Versions of Debian packages are not part of it: they follow Debian's stable release.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from hotstack_os.catalogue.spec import Image
from hotstack_os.images import bases, containerfile, lock

REPOSITORY = "localhost/hotstack-os"
SUITE = bases.SUITE

Inputs = Mapping[str, Any]
"""What decides an image's content, for people and as JSON: a recipe's digest is the digest of this."""

ReadFile = Callable[[str], bytes]
"""The content of a file of images/files/ by its name."""


@dataclass(frozen=True)
class Recipe:
    """How to build one image.

    Attributes:
        image: the image as data.
        parent: reference of the parent image; empty for the root file system.
        requirements: the part of the release's lock that this image adds to its parents.
        inputs: see `Inputs`.
    """

    image: Image
    parent: str
    requirements: lock.Lock
    inputs: Inputs

    @property
    def digest(self) -> str:
        """SHA-256 over the inputs, as hexadecimal digits."""
        return hashlib.sha256(json.dumps(self.inputs, sort_keys=True).encode()).hexdigest()

    @property
    def reference(self) -> str:
        return f"{REPOSITORY}/{self.image.name}:{self.digest[:16]}"

    @property
    def containerfile(self) -> str:
        return containerfile.text(self.image, self.parent, pip=bool(self.requirements))


def recipes(images: Iterable[Image], release: lock.Lock, read: ReadFile) -> dict[str, Recipe]:
    """The recipe of every image by name, parents before children."""
    known = {image.name: image for image in images}
    made: dict[str, Recipe] = {}
    for name in known:
        for image in reversed(lineage(known, name)):
            if image.name not in made:
                made[image.name] = _recipe(image, known, made, release, read)
    return made


def references(images: Iterable[Image], release: lock.Lock, read: ReadFile) -> dict[str, str]:
    """image name → reference."""
    return {name: recipe.reference for name, recipe in recipes(images, release, read).items()}


def lineage(images: Mapping[str, Image], name: str) -> tuple[Image, ...]:
    """The image, its parent, that one's parent, to the root file system."""
    image = images[name]
    return (image,) if image.parent is None else (image, *lineage(images, image.parent))


def why_rebuild(old: Inputs | None, new: Inputs) -> tuple[str, ...]:
    """What changed between the inputs of an image that exists and the wanted one; each reason is one short clause."""
    if old is None:
        return ("never built here",)
    reasons = [*_parent_reason(old, new)]
    for key in ("deb", "unpack", "builds", "pip", "steps", "path"):
        reasons += _list_reasons(key, old.get(key, ()), new.get(key, ()))
    reasons += _lock_reasons(old["lock"], new["lock"])
    reasons += _mapping_reasons("file", old["files"], new["files"])
    reasons += [f"{key} changed" for key in ("rootfs", "user", "wheels") if old.get(key) != new.get(key)]
    if old["containerfile"] != new["containerfile"] and not reasons:
        reasons.append("the way of building changed")
    return tuple(reasons)


def _recipe(
    image: Image, images: Mapping[str, Image], made: Mapping[str, Recipe], release: lock.Lock, read: ReadFile
) -> Recipe:
    parent = made[image.parent].reference if image.parent else ""
    above = lineage(images, image.name)[1:]
    wheels = {name for each in images.values() for name in each.builds}
    requirements = lock.subset(release, image.pip, (name for each in above for name in each.pip))
    requirements = {name: pin for name, pin in requirements.items() if name not in map(lock.normalise, image.without)}
    if image.builds:
        requirements = {name: release[name] for name in map(lock.normalise, image.builds) if name in release}
    tools = [read(name).decode() for name in containerfile.TOOLS] if requirements else []
    inputs = {
        "rootfs": bases.CONTAINER.digest if image.parent is None else "",
        "parent": parent.removeprefix(f"{REPOSITORY}/"),
        "deb": sorted(image.deb),
        "unpack": sorted(image.unpack),
        "builds": sorted(image.builds),
        "pip": sorted(image.pip),
        "lock": {pin.name: {"version": pin.version, "hashes": _digest(pin.hashes)} for pin in requirements.values()},
        "wheels": sorted(wheels & requirements.keys()),
        "files": {path: hashlib.sha256(read(name)).hexdigest()[:16] for path, name in sorted(image.files.items())},
        "user": [image.user.name, image.user.uid, *image.user.groups, image.user.home] if image.user else [],
        "steps": list(image.steps),
        "path": list(image.path),
        "containerfile": _digest([containerfile.text(image, "", pip=bool(requirements)), *tools]),
    }
    return Recipe(image, parent, requirements, inputs)


def _digest(lines: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def _parent_reason(old: Inputs, new: Inputs) -> list[str]:
    if old["parent"] == new["parent"]:
        return []
    return [f"parent changed: {old['parent'] or 'none'} → {new['parent'] or 'none'}"]


def _list_reasons(key: str, old: Iterable[str], new: Iterable[str]) -> list[str]:
    before, after = list(old), list(new)
    added = [f"{key}: added {word}" for word in after if word not in before]
    removed = [f"{key}: removed {word}" for word in before if word not in after]
    moved = [f"{key}: order changed"] if not (added or removed) and before != after else []
    return added + removed + moved


def _lock_reasons(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    reasons = []
    for name in sorted(old.keys() | new.keys()):
        before, after = old.get(name), new.get(name)
        if before is None or after is None:
            reasons.append(f"lock: {'added' if before is None else 'removed'} {name}")
        elif before["version"] != after["version"]:
            reasons.append(f"lock: {name} {before['version']} → {after['version']}")
        elif before != after:
            reasons.append(f"lock: {name} {after['version']} has other hashes")
    return reasons


def _mapping_reasons(key: str, old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    added = [f"{key}: added {name}" for name in new if name not in old]
    removed = [f"{key}: removed {name}" for name in old if name not in new]
    changed = [f"{key}: {name} changed" for name in new if name in old and old[name] != new[name]]
    return added + removed + changed
