"""What the cloud's content is made of and is not in its settings: the bytes of images, the public key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hotstack_os.content import formats, sshkey
from hotstack_os.content.checksums import Checksums
from hotstack_os.content.images import Bytes
from hotstack_os.images.builder import Progress
from hotstack_os.images.guest import build_guest, guest_path
from hotstack_os.images.rootfs import package_sources
from hotstack_os.images.store import Store
from hotstack_os.settings.cloud import Cloud
from hotstack_os.settings.content import ImageSource

NOT_YET = "known when it is made"
KNOWN = "checksums.json"
"""In the cache directory."""


@dataclass(frozen=True)
class Provisions:
    """Found on the operator's machine.

    Attributes:
        images: by name, where the bytes are and their checksum; `NOT_YET` for the test image before it was built.
        public_key: one line; `NOT_YET` before one was made.
    """

    images: Mapping[str, Bytes] = field(default_factory=dict)
    public_key: str = NOT_YET


def look(cloud: Cloud) -> Provisions:
    """What is there now. Reads only; files whose checksum nobody knows are read whole."""
    content = cloud.content
    if not content.enabled:
        return Provisions()
    public = sshkey.public_key(cloud.state, content.key_file) or NOT_YET
    return Provisions(dict(_images(cloud, Checksums(cloud.cache / KNOWN))), public)


def prepare(cloud: Cloud) -> None:
    """Make the key that the cloud's user gets. The state directory exists."""
    if cloud.content.enabled and cloud.content.key_file is None:
        sshkey.make_key(cloud.state, f"{cloud.content.user}@{cloud.name}")


def lacking(cloud: Cloud, store: Store) -> bool:
    """Whether the test image is wanted and not there."""
    wanted = cloud.content.enabled and cloud.content.test_image
    return bool(wanted or Path("/dev/kvm").exists()) and not guest_path(store).is_file()


def build(cloud: Cloud, store: Store, progress: Progress) -> None:
    """Build the test image where the cloud wants it, or where it has to show whether KVM works."""
    if lacking(cloud, store):
        build_guest(store, package_sources(store, cloud.debian_mirror), progress)
    _remember(cloud)


def _remember(cloud: Cloud) -> None:
    """Keep the checksums of the content's files, so that the next command need not read them."""
    checksums = Checksums(cloud.cache / KNOWN)
    if cloud.content.enabled:
        dict(_images(cloud, checksums))
        checksums.keep()


def _images(cloud: Cloud, checksums: Checksums) -> Iterator[tuple[str, Bytes]]:
    guest = guest_path(Store(cloud.cache))
    if cloud.content.test_image:
        yield cloud.content.test_image, Bytes(checksums.of(guest) if guest.is_file() else NOT_YET, guest)
    for name, source in cloud.content.images.items():
        yield name, _bytes(name, source, checksums)


def _bytes(name: str, source: ImageSource, checksums: Checksums) -> Bytes:
    if source.file is None:
        return Bytes(source.sha256 or "", None, source.url or "")
    formats.check(name, source.file, source.disk_format)
    return Bytes(source.sha256 or checksums.of(source.file), source.file)
