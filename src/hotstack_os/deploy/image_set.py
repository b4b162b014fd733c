"""The images of a cloud: which there are, and which of them are still to be built."""

from __future__ import annotations

from hotstack_os.catalogue import registry
from hotstack_os.catalogue.images import IMAGES
from hotstack_os.catalogue.spec import Image
from hotstack_os.images import builder, lock
from hotstack_os.images.store import Store
from hotstack_os.settings.cloud import Cloud


def image_states(cloud: Cloud) -> tuple[builder.ImageState, ...]:
    """The images of the cloud, and why those that are missing are missing."""
    return builder.plan_images(wanted_images(), lock_of(cloud), Store(cloud.cache))


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
