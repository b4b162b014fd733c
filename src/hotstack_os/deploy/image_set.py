"""The images of a cloud: which there are, and which of them are still to be built."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from hotstack_os.catalogue import registry
from hotstack_os.catalogue.images import IMAGES
from hotstack_os.catalogue.spec import Image
from hotstack_os.images import builder, lock
from hotstack_os.images.assemble import read_file
from hotstack_os.images.recipe import REPOSITORY, Recipe, recipes
from hotstack_os.images.store import Store
from hotstack_os.settings.cloud import Cloud
from hotstack_os.whole import Damaged, put, read_sealed, sealed

_REFERENCE = re.compile(rf"{re.escape(REPOSITORY)}/[a-z0-9-]+:[0-9a-f]{{16}}")


def image_states(cloud: Cloud) -> tuple[builder.ImageState, ...]:
    """The images of the cloud, and why those that are missing are missing."""
    return builder.states_of(recipes_of(cloud).values(), Store(cloud.cache))


def recipes_of(cloud: Cloud) -> Mapping[str, Recipe]:
    """The recipe of every image of the cloud by the image's name."""
    return _recipes(cloud.release)


@lru_cache
def _recipes(release: str) -> Mapping[str, Recipe]:
    """Once per command: it takes a tenth of a second, each node's desired state asks, and programs do not change."""
    return recipes(wanted_images(), lock.load(release), read_file)


def note(cloud: Cloud, *, reached: bool = False) -> None:
    """Write down, for `needed`, what the cloud runs or is about to run; until an `up` has reached what it wanted, that
    is what it had before as well. It lies in the cache, which clouds of several state directories may use."""
    path = _notes(cloud) / f"{hashlib.sha256(str(cloud.state).encode()).hexdigest()[:16]}.json"
    images = {recipe.reference for recipe in recipes_of(cloud).values()}
    if path.exists() and not reached:
        with suppress(Damaged):  # then it is written anew; what ran is in a generation as well
            images |= _noted(path)[1]
    path.parent.mkdir(exist_ok=True)
    put(path, sealed({"state": str(cloud.state), "images": sorted(images)}))


def needed(cloud: Cloud) -> set[str]:
    """References of images that stay: those of this cloud's settings, what any cloud with this cache has noted, and
    those of generations, which one may want to go back to."""
    found = {recipe.reference for recipe in recipes_of(cloud).values()}
    homes = {cloud.state.parent}
    for path in _notes(cloud).glob("*.json"):
        state, images = _noted(path)
        if state.exists():
            homes.add(state.parent)
            found |= images
    for path in (each for home in homes for each in home.glob("*/generations/*")):
        found.update(_REFERENCE.findall(path.read_text(encoding="utf-8", errors="replace")))
    return found


def _noted(path: Path) -> tuple[Path, set[str]]:
    """State directory and images of a cloud; `Damaged` where nobody can tell what may go."""
    hint = f"Remove it (rm -r {path}). The next `hotstack-os up` of each cloud writes its own anew: prune after that."
    noted = read_sealed(path, hint) or {}
    try:
        return Path(noted["state"]), {str(each) for each in noted["images"]}
    except (KeyError, TypeError):
        raise Damaged(path, "something else", hint) from None


def _notes(cloud: Cloud) -> Path:
    return cloud.cache / "clouds"


def wanted_images() -> tuple[Image, ...]:
    """The images that services of the catalogue run from, with all that they stand on."""
    by_name = {image.name: image for image in IMAGES}
    todo = [service.image for service in registry.services().values()]
    found: dict[str, Image] = {}
    while todo:
        image = by_name[todo.pop()]
        found[image.name] = image
        todo += [image.parent] if image.parent else []
        # Wheels that PyPI has no binary of are made by images of ours; which of them are needed, the lock knows.
        todo += [each.name for each in IMAGES if each.builds and image.pip and each.name not in found]
    return tuple(image for image in IMAGES if image.name in found)


def lock_of(cloud: Cloud) -> lock.Lock:
    """The versions of the cloud's release."""
    return lock.load(cloud.release)
