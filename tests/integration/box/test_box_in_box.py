"""A box on a machine with systemd as PID 1, which is another box: transient unit, no traces, and the fallback copy."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import hotstack_os
from hotstack_os.box import DATA, Bind, Box, BoxSpec
from hotstack_os.exec import Command, Host
from integration.box.machines import box_rootfs

LIFE = """
import os, sys
from pathlib import Path
from hotstack_os.box import Box, BoxSpec
from hotstack_os.exec import Command
from hotstack_os.exec.wait import until

home = Path(sys.argv[1])
home.mkdir(parents=True)
box = Box(BoxSpec("inner", Path("/srv/rootfs"), home / "inner"))

def said(*argv):
    host = box.host()
    try:
        return host.run(Command(argv)).stdout.strip()
    finally:
        host.close()

def show(*argv):
    print(os.popen(" ".join(argv)).read().strip())

box.create()
box.boot()
print(said("systemctl", "is-system-running"), said("hostname"))
print(said("stat", "-f", "-c", "%T", "/", "/var/lib/containers").split())
show("systemctl is-active", box.spec.unit)
if sys.argv[2] == "all":
    first = box.state()
    host = box.host()
    host.run(Command(("systemctl", "reboot"), accept=frozenset({0, 1, 143})))
    until(lambda: box.state().leader not in (None, first.leader), "another leader", seconds=10)
    box.boot()
    print(box.state().supervisor == first.supervisor, said("systemctl", "is-system-running"))
    os.kill(first.supervisor, 9)
    box.boot()
    print(box.state().supervisor == first.supervisor, said("systemctl", "is-system-running"))
box.remove()
print(box.state().status, sorted(path.name for path in home.iterdir()))
show("systemctl list-units --all --plain --no-legend 'hotstack*'; find /sys/fs/cgroup -name 'hotstack*'")
"""


@pytest.fixture(scope="module")
def outer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    rootfs = box_rootfs("usr/bin/systemd-nspawn")
    source = Path(hotstack_os.__file__).parents[1]
    binds = (Bind(str(rootfs), "/srv/rootfs"), Bind(str(source), "/srv/source"))
    box = Box(BoxSpec("outer", rootfs, tmp_path_factory.mktemp("nested") / "outer", binds=binds))
    box.create()
    box.boot()
    host = box.host()
    yield host
    host.close()
    box.remove()


def life(host: Host, home: str, part: str) -> list[str]:
    command = Command(("python3", "-c", LIFE, home, part), env={"PYTHONPATH": "/srv/source"})
    return host.run(command).stdout.splitlines()


def test_under_systemd_it_is_a_transient_unit(outer: Host) -> None:
    plain = outer.run(Command(("stat", "-f", "-c", "%T", DATA))).stdout.strip()
    assert life(outer, "/var/lib/hotstack-os/boxes", "all") == [
        "running inner",
        f"['overlayfs', '{plain}']",
        "active",
        "True running",
        "False running",
        "absent []",
        "",
    ]


def test_on_overlayfs_the_root_is_copied(outer: Host) -> None:
    assert life(outer, "/root/boxes", "short") == [
        "running inner",
        "['overlayfs', 'tmpfs']",
        "active",
        "absent []",
        "",
    ]
