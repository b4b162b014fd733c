"""Nothing of the machine that built them is in images, root file systems and records."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from hotstack_os.exec import Command, run_here
from hotstack_os.images import sources
from hotstack_os.images.bases import BOX, SUITE
from hotstack_os.images.rootfs import rootfs_path
from hotstack_os.images.store import Store

# Debian's own files that name Debian's own default mirror.
_DEBIANS = ("/usr/lib/dpkg/methods/apt/", "/usr/share/doc/", "/usr/share/python-apt/", "/usr/share/perl/")


def _own_certificate() -> str | None:
    """A line of a certificate that this machine trusts and Debian does not."""
    for path in sorted(Path("/usr/local/share/ca-certificates").glob("**/*.crt")):
        return path.read_text().splitlines()[1]
    return None


def _words() -> list[str]:
    """What only this machine's configuration can have put there: index hosts, mirror hosts, certificates."""
    lines = " ".join(sources.debian_sources(SUITE)).split()
    words = [urlsplit(word).hostname for word in lines if "://" in word]
    words += [urlsplit(word).hostname for word in sources.pip_index().env.values() if "://" in word]
    words += [path for path in sources.pip_index().mounts if path.count("/") > 1]
    words += [_own_certificate()]
    return sorted({word for word in words if word})


def _traces(root: Path) -> list[str]:
    patterns = [part for word in _words() for part in ("-e", word)]
    argv = ("grep", "-rIlF", *patterns, "--", str(root))
    found = run_here(Command(argv, "look for traces", accept=frozenset({0, 1}), timeout=300)).stdout.splitlines()
    return [path for path in found if not path.removeprefix(str(root)).startswith(_DEBIANS)]


@pytest.fixture(params=["cinder", "nova", "mariadb", "openstack"])
def image(request: pytest.FixtureRequest, cache: Store) -> Iterator[Path]:
    found = sorted(name for name in cache.names() if f"/{request.param}:" in name)
    if not found:
        pytest.skip("build the images first")
    newest = max(found, key=lambda name: record.order if (record := cache.record(name)) else 0)
    made = run_here(cache.buildah("from", "--pull-never", newest, purpose="start a container")).stdout.strip()
    yield Path(run_here(cache.buildah("mount", made, purpose="mount a container")).stdout.strip())
    run_here(cache.buildah("rm", made, purpose="remove the container"))


def test_images_know_nothing_of_the_machine(image: Path) -> None:
    assert _traces(image) == []
    for name in ("etc/resolv.conf", "etc/hostname"):
        path = image / name
        assert not path.exists() or path.read_text() == ""
    assert not list((image / "mnt").iterdir())
    assert not list((image / "tmp").iterdir())
    assert not list((image / "var/lib/apt/lists").iterdir())
    assert re.search(r"^127\.0\.0\.1\s+localhost$", (image / "etc/hosts").read_text(), re.MULTILINE)


def test_images_have_no_compiler_no_manuals_and_no_test_suites(image: Path) -> None:
    assert not (image / "usr/bin/gcc").exists()
    assert not [path for path in (image / "usr/share/man").rglob("*") if path.is_file()]
    assert not list(image.glob("opt/openstack/lib/python3*/site-packages/*/tests"))


def test_records_know_nothing_of_the_machine(cache: Store) -> None:
    records = list((cache.cache / "images").glob("*/record.json"))
    if not records:
        pytest.skip("build the images first")
    assert not [path for path in records for word in _words() if word in path.read_text()]


def test_the_box_knows_nothing_of_the_machine(cache: Store) -> None:
    tree = rootfs_path(cache, BOX) / "tree"
    if not tree.is_dir():
        pytest.skip("build the root file system of boxes first")
    assert _traces(tree) == []
    assert (tree / "etc/machine-id").read_text() == ""
    for name in ("etc/resolv.conf", "etc/hostname", "etc/openvswitch/system-id.conf"):
        assert not (tree / name).exists()
