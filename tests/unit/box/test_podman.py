"""podman's configuration as a pure function of what a box may do."""

from __future__ import annotations

import tomllib

import pytest

from hotstack_os.box import podman

LIMITS = """\
Limit                     Soft Limit           Hard Limit           Units
Max processes             96365                {nproc}                processes
Max open files            1024                 {nofile}               files
"""
STATUS = "Name:\tsystemd\nCapInh:\t0000000000000000\nCapEff:\t{effective}\n"
ALL = "000001ffffffffff"
WITHOUT_SYS_RESOURCE = "000001fffeffffff"

TIGHT = """\
# Made by hotstack-os.

[containers]
# Root has no CAP_SYS_RESOURCE here, and podman's defaults ask for more than these hard limits.
default_ulimits = ["nofile=20000:20000", "nproc=96365:96365"]
# The control group has no pids controller, so no limit can be set.
pids_limit = 0

[engine]
# crun raises RLIMIT_MEMLOCK for its device filter, which needs CAP_SYS_RESOURCE; runc does not.
runtime = "runc"
"""


def facts(effective: str, controllers: str, nofile: str = "20000", nproc: str = "96365") -> podman.Facts:
    return podman.facts(LIMITS.format(nofile=nofile, nproc=nproc), STATUS.format(effective=effective), controllers)


def test_facts_are_read_from_proc() -> None:
    found = facts(WITHOUT_SYS_RESOURCE, "cpu memory pids\n")
    assert found == podman.Facts(20000, 96365, raises_limits=False, controllers=frozenset({"cpu", "memory", "pids"}))
    assert facts(ALL, "").raises_limits


def test_tight_machine() -> None:
    assert podman.containers_conf(facts(WITHOUT_SYS_RESOURCE, "hugetlb")) == TIGHT


def test_ordinary_machine_needs_nothing() -> None:
    text = podman.containers_conf(facts(ALL, "cpuset cpu io memory pids"))
    assert text == "# Made by hotstack-os.\n"


def test_unlimited_becomes_a_number_that_podman_takes() -> None:
    text = podman.containers_conf(facts(WITHOUT_SYS_RESOURCE, "pids", nofile="unlimited"))
    assert tomllib.loads(text)["containers"] == {"default_ulimits": ["nofile=1048576:1048576", "nproc=96365:96365"]}


@pytest.mark.parametrize(("store", "options"), [(None, None), ("/s", {"additionalimagestores": ["/s"]})])
def test_storage(store: str | None, options: dict[str, list[str]] | None) -> None:
    storage = tomllib.loads(podman.storage_conf(store))["storage"]
    assert storage.pop("options", None) == options
    assert storage == {
        "driver": "overlay",
        "runroot": "/run/containers/storage",
        "graphroot": "/var/lib/containers/storage",
    }
