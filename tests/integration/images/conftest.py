"""A store of its own for tests, on the root file system that this machine's cache already has."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from hotstack_os.images import sources
from hotstack_os.images.bases import CONTAINER, SUITE
from hotstack_os.images.rootfs import build_rootfs, rootfs_path
from hotstack_os.images.store import Store

CACHE = Store(Path(os.environ.get("HOTSTACK_CACHE", "/var/cache/hotstack-os")))


@pytest.fixture(scope="session")
def cache() -> Store:
    """The machine's own cache; tests only read its images."""
    if os.geteuid() != 0 or not shutil.which("buildah"):
        pytest.skip("needs root and buildah")
    return CACHE


@pytest.fixture(scope="module")
def store(cache: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """An empty store whose container root file system is made already."""
    fresh = Store(tmp_path_factory.mktemp("cache"))
    with fresh.locked():
        made = rootfs_path(cache, CONTAINER)
        if made.is_dir():
            subprocess.run(["cp", "-al", "--parents", f"rootfs/{made.name}", fresh.cache], cwd=cache.cache, check=True)
        else:
            build_rootfs(fresh, CONTAINER, sources.debian_sources(SUITE))
    yield fresh
    with fresh.locked():
        pass  # unmounts and removes what a killed build left
    subprocess.run(["rm", "-rf", "--one-file-system", str(fresh.cache), str(fresh.run_root)], check=True)
