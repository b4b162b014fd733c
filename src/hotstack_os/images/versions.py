"""The version of the software that an image is about, from what its build left behind: nothing is run for it."""

from __future__ import annotations

import re
from pathlib import Path

from hotstack_os.catalogue.spec import Image
from hotstack_os.images.lock import normalise
from hotstack_os.images.store import Store


def version(store: Store, image: Image, reference: str) -> str:
    """ "28.0.0" of Keystone's image, Debian's version without its revision of MariaDB's; empty where nobody knows.

    An image is about the package that bears its name and is only unpacked, or else about the first project or package.
    """
    record, directory = store.record(reference), store.record_directory(reference)
    if record and image.pip:
        return str(record.inputs["lock"].get(normalise(image.pip[0]), {}).get("version", ""))
    if image.name in image.unpack:  # dpkg knows nothing of it, but the build tried it out
        return _said(directory / "build.log", image.name)
    return _installed(directory / "dpkg-status", image.deb[0]) if image.deb else ""


def _installed(status: Path, package: str) -> str:
    """The upstream version of a package in dpkg's status file (deb-version(7): epoch:upstream-revision)."""
    text = status.read_text(errors="replace") if status.is_file() else ""
    found = re.search(rf"^Package: {re.escape(package)}\n(?:.+\n)*?Version: (?:\d+:)?(.+)$", text, re.MULTILINE)
    return found[1].rpartition("-")[0] or found[1] if found else ""


def _said(log: Path, program: str) -> str:
    """What `program --version` said when the image was built."""
    text = log.read_text(errors="replace") if log.is_file() else ""
    found = re.search(rf"^{re.escape(program)} (\d\S*)$", text, re.MULTILINE)
    return found[1] if found else ""
