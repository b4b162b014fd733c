"""What `uninstall` leaves: data and what servers run on. What it takes: services and what `up` makes anew."""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePosixPath

import pytest

from hotstack_os.core.model import Ref
from hotstack_os.deploy.desired import desired
from hotstack_os.deploy.removal import stays
from unit.catalogue.world import compute_node

NODE = compute_node()
DESIRED = desired(NODE)
GOES = {
    f"{ref.kind}/{ref.name}" for ref in DESIRED if not stays(ref, NODE.context.cloud.paths)
}  # fmt: skip


def test_all_services_go_with_their_units_and_files() -> None:
    assert {f"service/{name}" for name in NODE.services} <= GOES
    gone = {"block//etc/hosts", "unit/hotstack-os.target", "unit/hotstack-os-ready.service",
            "unit/hotstack-os-health.service", "unit/hotstack-os-infra-setup.service", "directory//etc/hotstack-os",
            "file//etc/hotstack-os/health.json", "file//usr/lib/hotstack-os/health.py", "firewall/hotstack_os",
            "unit/hotstack-os-firewall.service", "sysctl/net.ipv4.ip_forward",
            "directory//run/hotstack-os/ovn", "file//etc/containers/networks/hotstack-os.json"}  # fmt: skip
    assert gone <= GOES


@pytest.mark.parametrize(
    "kind",
    ["database", "database-user", "schema", "cell", "identity", "identity-admin", "user", "user-unit", "bridge",
     "ovs-settings", "address", "running", "file-capability", "file-rights"],
)  # fmt: skip
def test_kinds_that_stay(kind: str) -> None:
    mine = [ref for ref in DESIRED if ref.kind == kind]
    assert mine
    assert all(stays(ref, NODE.context.cloud.paths) for ref in mine)


def test_data_stays_wherever_it_lies() -> None:
    kept = {ref.name for ref in DESIRED if ref.kind == "directory" and stays(ref, NODE.context.cloud.paths)}
    assert {"/var/lib/hotstack-os", "/var/lib/hotstack-os/mysql", "/var/lib/hotstack-os/glance"} <= kept
    paths = replace(NODE.context.cloud.paths, data=PurePosixPath("/etc/hotstack-os/data"))
    assert stays(Ref("directory", "/etc/hotstack-os/data/mysql"), paths)
    assert stays(Ref("directory", "/etc/hotstack-os"), paths)  # it would take the data along
    assert not stays(Ref("file", "/etc/hotstack-os/health.json"), paths)
    assert stays(Ref("file", "/etc/hotstack-os-of-others"), paths)


def test_what_stays_lies_within_nothing_that_goes() -> None:
    """It would be lost without a word."""
    lost = {str(each.ref) for each in DESIRED.values() if each.within and stays(each.ref, NODE.context.cloud.paths)
            and not stays(each.within, NODE.context.cloud.paths)}  # fmt: skip
    assert lost == set()
