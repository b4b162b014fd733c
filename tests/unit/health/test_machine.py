"""Every check of a machine finds what it is for, and nothing on a machine that is as it should be."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from hotstack_os.health.findings import diagnose
from hotstack_os.health.machine import CHECKS, Attempt, Leftover, MachineSeen, Package, Place

GOOD = MachineSeen(
    cores=2,
    memory=(24 * 10**9, 20 * 10**9),
    places={"images": Place("/var/cache", 50 * 10**9, 10**7, 12 * 10**9), "state": Place("/b", 50 * 10**9, -1, 1)},
    attempts={name: Attempt(True) for name in ("namespaces", "tun", "overlay", "kvm")},
    limits={"open files": 20000, "processes": None},
    clock=(1000.0, 900.0),
)
LITTLE = Place("/var/cache", 10**9, 10**7, 12 * 10**9)
NO = Attempt(False, "Operation not permitted")

CASES: list[tuple[str, dict[str, Any], str, str]] = [
    ("operating-system", {"system": "Darwin"}, "problem", "Darwin"),
    ("operating-system", {"python": (3, 9)}, "problem", "3.9"),
    ("rights", {"root": False}, "problem", "not root"),
    ("cores", {"cores": 1}, "note", "1 processor"),
    ("memory", {"memory": (4 * 10**9, 3 * 10**9)}, "problem", "the machine has 4.0 GB"),
    ("memory", {"memory": (24 * 10**9, 5 * 10**8)}, "problem", "0.5 GB of memory are left"),
    ("disk-space", {"places": {"images": LITTLE}}, "problem", "1.0 GB are free in /var/cache (images)"),
    ("disk-space", {"places": {"x": Place("/x", 10**11, 7, 1)}}, "problem", "7 inodes"),
    ("packages", {"missing": (Package("buildah", "builds images"),)}, "problem", "buildah"),
    ("kernel", {"attempts": {"namespaces": NO}}, "problem", "namespaces does not work: Operation not permitted"),
    ("kernel", {"attempts": {"tun": Attempt(False)}}, "problem", "tun does not work"),
    ("kernel", {"attempts": {"overlay": NO}}, "note", "overlay does not work"),
    ("kernel", {"attempts": {"kvm": NO}}, "note", "kvm does not work"),
    ("control-groups", {"cgroups": "hybrid"}, "note", "hybrid"),
    ("control-groups", {"cgroups": "none"}, "problem", "no control groups"),
    ("limits", {"limits": {"open files": 1024}}, "problem", "open files is 1024"),
    ("limits", {"limits": {"processes": 100}}, "problem", "processes is 100"),
    ("clock", {"clock": (1000.0, 9000.0)}, "problem", "behind by 2.2 h"),
    ("leftovers", {"leftovers": (Leftover("a box", "kill 1"),)}, "problem", "a box"),
]


def test_a_good_machine_has_no_finding() -> None:
    assert list(diagnose("machine", GOOD, CHECKS, {})) == []


def test_what_was_not_looked_at_is_no_finding() -> None:
    assert list(diagnose("machine", MachineSeen(), CHECKS, {})) == []


@pytest.mark.parametrize(("check", "changed", "severity", "said"), CASES)
def test_one_thing_wrong_is_one_finding(check: str, changed: dict[str, Any], severity: str, said: str) -> None:
    (found,) = diagnose("machine", replace(GOOD, **changed), CHECKS, {})
    assert (found.check, found.subject, found.finding.severity) == (check, "machine", severity)
    assert said in found.finding.what
    assert found.finding.why
    assert found.finding.todo


def test_every_check_is_tried() -> None:
    assert {each.__name__.replace("_", "-") for each in CHECKS} == {case[0] for case in CASES}
