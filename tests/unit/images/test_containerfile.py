"""Containerfiles as text: one golden file for each kind of image.

Run with UPDATE_GOLDEN=1 to write the golden files anew; then read the difference.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hotstack_os.catalogue.images import IMAGES
from hotstack_os.images import containerfile

GOLDEN = Path(__file__).parents[2] / "golden/images"


@pytest.mark.parametrize("name", ["rootfs", "base", "wheels", "openstack", "disks", "nova", "mariadb", "memcached"])
def test_containerfile(name: str) -> None:
    image = next(image for image in IMAGES if image.name == name)
    parent = f"localhost/hotstack-os/{image.parent}:0123456789abcdef" if image.parent else ""
    written = containerfile.text(image, parent, pip=bool(image.pip or image.builds))
    golden = GOLDEN / f"{name}.containerfile"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(written)
    assert written == golden.read_text()


def test_programs_are_executable_and_other_files_are_not() -> None:
    assert containerfile.mode("/usr/local/sbin/mount.nfs") == "0755"
    assert containerfile.mode("/etc/sudoers.d/bin") == "0644"


def test_a_service_image_ends_as_its_user_and_an_infrastructure_image_installs_no_python() -> None:
    for image in IMAGES:
        written = containerfile.text(image, "parent", pip=bool(image.pip))
        last = written.splitlines()[-1]
        assert (last == f"USER {image.user.name}") if image.user else (not last.startswith("USER"))
        assert ("/mnt/uv" in written) == bool(image.pip)
