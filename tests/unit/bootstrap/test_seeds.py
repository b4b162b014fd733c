"""What is kept of migrations is found again by whoever has the same image, command and server, and by nobody else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from hotstack_os.bootstrap.seeds import Seeds
from hotstack_os.catalogue.spec import Database

DATABASE = Database("keystone", "keystone", "keystone", ("keystone-manage", "db_sync"), "keystone")
IMAGE, SERVER, TEXT = "localhost/keystone:1", "localhost/mariadb:1", "CREATE TABLE user (id INT);\n"


@pytest.fixture
def seeds(tmp_path: Path) -> Seeds:
    return Seeds(tmp_path / "seeds", SERVER)


def test_what_was_kept_is_found_whole_and_alone(seeds: Seeds) -> None:
    assert seeds.text(DATABASE, IMAGE) is None
    seeds.keep(DATABASE, IMAGE, TEXT)
    seeds.keep(DATABASE, IMAGE, TEXT)
    assert seeds.text(DATABASE, IMAGE) == TEXT
    assert [path.suffix for path in seeds.directory.iterdir()] == [".sql"]


@pytest.mark.parametrize(
    "other", [{"name": "glance"}, {"migrate": ("keystone-manage", "db_sync", "--expand")}, {"version_table": "another"}]
)
def test_another_migration_has_another_seed(seeds: Seeds, other: dict[str, str]) -> None:
    seeds.keep(DATABASE, IMAGE, TEXT)
    assert seeds.text(replace(DATABASE, **other), IMAGE) is None  # type: ignore[arg-type]


def test_another_image_or_server_has_another_seed(seeds: Seeds) -> None:
    seeds.keep(DATABASE, IMAGE, TEXT)
    assert seeds.text(DATABASE, "localhost/keystone:2") is None
    assert replace(seeds, server="localhost/mariadb:2").text(DATABASE, IMAGE) is None


def test_one_that_is_not_as_it_was_kept_has_not_been_seen(seeds: Seeds) -> None:
    seeds.keep(DATABASE, IMAGE, TEXT)
    (path,) = seeds.directory.iterdir()
    whole = path.read_bytes()
    for changed in (whole[:-10], whole.replace(b"user", b"abuser"), whole + b"\xff", b""):
        path.write_bytes(changed)
        assert seeds.text(DATABASE, IMAGE) is None
    path.write_bytes(whole)
    assert seeds.text(DATABASE, IMAGE) == TEXT
