"""The version of an image's software, from records that look like those of real builds."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path

import pytest

from hotstack_os.catalogue.spec import Image
from hotstack_os.images.store import Record, Store
from hotstack_os.images.versions import version

STATUS = """\
Package: mariadb-common
Status: install ok installed
Version: 1:1.2.3-9

Package: mariadb-server-core
Status: install ok installed
Maintainer: somebody
Version: 1:11.8.6-0+deb13u1
"""


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def recorded(store: Store, name: str, **inputs: object) -> str:
    reference = f"localhost/hotstack-os/{name}:{'0' * 16}"
    directory = store.record_directory(reference)
    directory.mkdir(parents=True)
    record = Record(reference, inputs, {}, 1.0, time.time())
    (directory / "record.json").write_text(json.dumps(asdict(record)))
    (directory / "dpkg-status").write_text(STATUS)
    (directory / "build.log").write_text("step 1\nmemcached 1.6.38\n")
    return reference


def test_a_project_of_pypi(store: Store) -> None:
    reference = recorded(store, "heat", lock={"openstack-heat": {"version": "25.0.2"}})
    assert version(store, Image("heat", pip=("openstack_heat", "other")), reference) == "25.0.2"


@pytest.mark.parametrize("unpacked", [(), ("mariadb-client",)])
def test_a_package_of_debian(store: Store, unpacked: tuple[str, ...]) -> None:
    reference = recorded(store, "mariadb")
    assert version(store, Image("mariadb", deb=("mariadb-server-core",), unpack=unpacked), reference) == "11.8.6"


def test_files_of_a_package_without_its_record(store: Store) -> None:
    reference = recorded(store, "memcached")
    assert version(store, Image("memcached", deb=("x",), unpack=("memcached",)), reference) == "1.6.38"


@pytest.mark.parametrize("image", [Image("a", deb=("none",)), Image("a", pip=("none",)), Image("a")])
def test_nobody_knows(store: Store, image: Image) -> None:
    assert version(store, image, f"localhost/hotstack-os/a:{'1' * 16}") == ""
