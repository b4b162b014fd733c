"""Every check of a cloud finds what it is for, and nothing in a cloud that is as it should be."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from hotstack_os.health.cloud import CHECKS, Agent, CloudSeen, FailedUnit, ImageAge, NodePlace
from hotstack_os.health.findings import diagnose
from hotstack_os.health.status import ServiceStatus


def service(state: str = "active", health: str = "healthy", name: str = "keystone") -> ServiceStatus:
    return ServiceStatus(name, "lab", state, health, "" if health == "healthy" else "says no", "then")


GOOD = CloudSeen(
    "lab",
    gateway="192.0.2.1",
    services=(service(), service(name="glance")),
    failed=(),
    places=(NodePlace("/", 40, 10),),
    addresses=("192.0.2.1", "192.0.2.200"),
    forwarding=True,
    firewall=True,
    connections=(40, 500),
    alarms=(),
    drift=(),
    images=(ImageAge("keystone", 3.0),),
    chassis=(("lab", "lab"),),
    agents=(Agent("ovn-controller", "lab", True),),
    libvirt="",
    skew=0.01,
)
TWICE = (("a", "lab"), ("lab", "lab"))

CASES: list[tuple[str, dict[str, Any], str, str]] = [
    ("box", {"box": "stopped"}, "the box is stopped", "box --cloud lab start"),
    ("services", {"services": (service("inactive"), service(name="b"))}, "keystone is inactive", "start keystone"),
    ("services", {"services": (service("absent"), service(name="b"))}, "keystone is absent", "hotstack-os up"),
    ("services", {"services": (service(health="unhealthy"),)}, "unhealthy (active): says no", "logs keystone"),
    ("services", {"services": (service("inactive"),)}, "no service runs", "hotstack-os start"),
    ("services", {"services": (service("absent"),), "drift": ("+ x",)}, "no service is installed", "hotstack-os up"),
    ("nodes", {"down": ("compute-1",)}, "compute-1 does not run", "start --node compute-1"),
    ("failed-units", {"failed": (FailedUnit("x.service", "boom"),)}, "x.service has failed", "systemctl status x"),
    ("disk-space", {"places": (NodePlace("/var", 96, 1),)}, "/var is full to 96 %", "Remove"),
    ("disk-space", {"places": (NodePlace("/var", 6, 99),)}, "99 % of its inodes", "Remove"),
    ("address", {"addresses": ()}, "address 192.0.2.1", "up"),
    ("forwarding", {"forwarding": False}, "does not forward", "up"),
    ("firewall", {"firewall": False}, "firewall table", "up"),
    ("database", {"connections": (480, 500)}, "480 of MariaDB's 500", "mariadb"),
    ("broker", {"alarms": ("disk",)}, "alarm: disk", "room"),
    ("drift", {"drift": ("~ lab:service/keystone",)}, "not as its settings say", "hotstack-os up"),
    ("images", {"images": (ImageAge("nova", None),)}, "images are missing: nova", "images build"),
    ("images", {"images": (ImageAge("nova", 200.0),)}, "1 images are up to 200 days old", "up"),
    ("chassis", {"chassis": ()}, "OVN does not know the node lab", "ovn-controller"),
    ("chassis", {"chassis": TWICE}, "more than once: a, lab", "chassis-del"),
    (
        "agents",
        {"agents": (Agent("ovn-controller", "lab", False),)},
        "ovn-controller on lab as dead",
        "restart ovn-con",
    ),
    ("libvirt", {"libvirt": "no socket"}, "does not answer: no socket", "libvirtd-session"),
    ("clock", {"skew": -30.0}, "-30.0 s", "Set the clocks"),
]


def test_a_good_cloud_has_no_finding() -> None:
    assert list(diagnose("lab", GOOD, CHECKS, {})) == []


def test_what_was_not_looked_at_is_no_finding() -> None:
    assert list(diagnose("lab", CloudSeen("lab"), CHECKS, {})) == []


@pytest.mark.parametrize(("check", "changed", "what", "todo"), CASES)
def test_one_thing_wrong_is_one_finding(check: str, changed: dict[str, Any], what: str, todo: str) -> None:
    (found,) = diagnose("lab", replace(GOOD, **changed), CHECKS, {})
    assert (found.check, found.subject) == (check, "lab")
    assert what in found.finding.what
    assert todo in found.finding.todo
    assert found.finding.why


def test_the_end_of_the_journal_and_of_the_plan_are_shown() -> None:
    wrong = replace(GOOD, failed=(FailedUnit("x", "boom\nbang"),), drift=("+ one", "+ two"))
    first, second = diagnose("lab", wrong, CHECKS, {})
    assert "boom\nbang" in first.finding.why
    assert "+ one\n+ two" in second.finding.why


def test_what_could_not_be_seen_is_a_finding() -> None:
    (found,) = diagnose("lab", GOOD, CHECKS, {"libvirt": "the node is gone"})
    assert (found.check, found.finding.severity) == ("libvirt", "problem")
    assert "the node is gone" in found.finding.what


def test_every_check_is_tried() -> None:
    assert {each.__name__.replace("_", "-") for each in CHECKS} == {case[0] for case in CASES}
