"""Deleted servers leave nothing: no domain, no port, no name space, no mount, no file."""

from __future__ import annotations

from hotstack_os.exec.wait import until
from system.conftest import CloudUnderTest
from system.servers import Servers, remove
from system.test_51_volumes import binds
from system.test_52_continuity import domains

LASTING = {"_base", "locks", "compute_nodes", ".nova"}
"""What Nova keeps beside the directories of servers: cached images, locks, its own marks."""


def test_nothing_is_left(servers: Servers) -> None:
    cloud = servers.cloud
    assert leftovers(cloud)
    remove(cloud)
    until(lambda: not leftovers(cloud), "no trace of the servers", seconds=60, step=1)


def leftovers(cloud: CloudUnderTest) -> list[str]:
    files = set(cloud.shell(f"ls -A {cloud.wanted.paths.instances}").split()) - LASTING
    taps = [port for port in cloud.node("ovs-vsctl", "list-ports", "hot-int").split() if port.startswith("tap")]
    spaces = [name for name in cloud.node("ls", "/run/netns").split() if name.startswith("ovnmeta")]
    return [*domains(cloud), *files, *taps, *spaces, *binds(cloud), *cloud.shell("pgrep qemu-system || true").split()]
