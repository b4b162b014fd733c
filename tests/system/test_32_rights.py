"""Containers have the rights, and the node the doors, that docs/SECURITY.md tells: these and no others."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hotstack_os.catalogue import registry, resolve
from hotstack_os.catalogue.images import IMAGES
from hotstack_os.deploy.inventory import facts_of
from hotstack_os.deploy.rights import ANYWHERE, CONSOLES, LOOPBACK, Door, node_doors, rights
from hotstack_os.deploy.security import context_of
from system.conftest import CloudUnderTest

NUMBERS = {"CHOWN": 0, "DAC_OVERRIDE": 1, "FOWNER": 3, "FSETID": 4, "KILL": 5, "SETGID": 6, "SETUID": 7,
           "NET_BIND_SERVICE": 10, "NET_ADMIN": 12, "NET_RAW": 13, "SYS_CHROOT": 18}  # fmt: skip
"""<linux/capability.h>"""
ADDRESSES = {"0.0.0.0": ANYWHERE, "[::]": ANYWHERE, "[::1]": LOOPBACK}
METADATA = Door("tcp", "169.254.169.254", 80)
OF_EVERY_CONTAINER = {"/", "/etc/hosts", "/etc/hostname", "/etc/resolv.conf", "/run/.containerenv"}

LOOK = r"""
import json, os, subprocess

def said(*argv):
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout
def doors(pid, *more):
    return said("nsenter", "-t", str(pid), "-n", "ss", "-Hltun" + "".join(more)).splitlines()
def status(pid):
    lines = open("/proc/%s/status" % pid).read().splitlines()
    return {key: value.split() for key, _, value in (line.partition(":") for line in lines)}
def network(pid):
    return os.readlink("/proc/%s/ns/net" % pid)
def mounts(pid):
    fields = [line.split() for line in open("/proc/%s/mountinfo" % pid)]
    return {each[4]: each[5].split(",")[0] for each in fields}
inspect = ("podman", "inspect", "--format", "{{.Name}} {{.State.Pid}}", *said("podman", "ps", "-q").split())
pids = dict(line.split() for line in said(*inspect).splitlines())
networks = {}
for pid in filter(str.isdigit, os.listdir("/proc")):
    try:
        networks.setdefault(network(pid), pid)
    except OSError:  # it ended, or is the kernel's
        continue
names = {}
for name in os.listdir("/run/netns"):
    names["net:[%d]" % os.stat("/run/netns/" + name).st_ino] = name
print(json.dumps({
    "box": status(1), "node": network(1), "names": names, "node doors": doors(1, "p"),
    "networks": {each: doors(pid) for each, pid in networks.items() if each != network(1)},
    "containers": {name.removeprefix("hotstack-os-"): {"status": status(pid), "network": network(pid),
                   "mounts": mounts(pid)} for name, pid in pids.items()},
}))
"""


@pytest.fixture(scope="module")
def seen(cloud: CloudUnderTest) -> Any:
    """What the node's /proc and ss say."""
    return json.loads(cloud.shell(f"python3 - <<'END'\n{LOOK}\nEND"))


def door(line: str) -> Door:
    """A socket as a line of ss(8) tells it."""
    protocol, _, _, _, local = line.split()[:5]
    address, _, port = local.rpartition(":")
    address = address.partition("%")[0]
    return Door(protocol, ADDRESSES.get(address, address), int(port))


def powers(mask: str) -> int:
    return int(mask, 16)


def test_containers_have_the_rights_that_the_document_tells(cloud: CloudUnderTest, seen: Any) -> None:
    context, services = context_of(cloud.wanted, facts_of(cloud.wanted).load()), registry.services(cloud.wanted)
    assert seen["containers"].keys() == services.keys()
    users = {each.name: each.user for each in IMAGES}
    for name, service in services.items():
        told, status = rights(service, context), seen["containers"][name]["status"]
        have, filters = {int(each) for each in status["Uid"]}, int(status["Seccomp_filters"][0])
        box, filters_of_box = powers(seen["box"]["CapBnd"][0]), int(seen["box"]["Seccomp_filters"][0])
        if told.powers is None:
            assert have == {0}, name
            assert powers(status["CapBnd"][0]) == box, name
            continue
        wanted = sum(1 << NUMBERS[each] for each in told.powers)
        user = users[service.image]
        becomes = {told.uid} | ({user.uid} if user and "SETUID" in told.powers else set())
        assert have <= becomes, name
        assert powers(status["CapBnd"][0]) == wanted, name
        for kind in ("CapEff", "CapPrm", "CapInh", "CapAmb"):
            assert powers(status[kind][0]) & ~wanted == 0, (name, kind)
        assert status["NoNewPrivs"] == ["1"], name
        assert filters > filters_of_box, name


def test_containers_see_the_paths_that_the_document_tells(cloud: CloudUnderTest, seen: Any) -> None:
    context = context_of(cloud.wanted, facts_of(cloud.wanted).load())
    for name, service in registry.services(cloud.wanted).items():
        mounts = {each.target: each for each in resolve.mounts(service, context)}
        rendered = resolve.render(service, context)
        wanted = {target: "rw" if each.writable else "ro" for target, each in mounts.items()}
        wanted |= dict.fromkeys({*rendered.public, *rendered.secret}, "ro")
        wanted |= {each.partition(":")[0]: "rw" for each in service.tmpfs}
        told = rights(service, context)
        assert {*told.writes, *told.reads} == {each.source for each in mounts.values()}
        # What is mounted later below a directory that is shared with the node comes and goes; devices are the kernel's.
        later = tuple(f"{target}/" for target, each in mounts.items() if each.shared or told.powers is None)
        found = {
            path: mode
            for path, mode in seen["containers"][name]["mounts"].items()
            if path in wanted or not path.startswith(("/proc", "/sys", "/dev", *later))
        }
        assert found.pop("/") == ("ro" if service.read_only and told.powers is not None else "rw"), name
        assert {path: mode for path, mode in found.items() if path not in OF_EVERY_CONTAINER} == wanted, name


def test_everybody_listens_where_the_document_tells_and_nowhere_else(cloud: CloudUnderTest, seen: Any) -> None:
    context, services = context_of(cloud.wanted, facts_of(cloud.wanted).load()), registry.services(cloud.wanted)
    networks = {where: {door(line) for line in lines} for where, lines in seen["networks"].items()}
    for name, service in services.items():
        where = seen["containers"][name]["network"]
        assert (where != seen["node"]) == rights(service, context).own_network, name
        if where != seen["node"]:
            assert networks.pop(where) == rights(service, context).doors, name
    screens = [line for line in seen["node doors"] if '"qemu-system' in line and door(line).port in CONSOLES]
    assert {door(line) for line in seen["node doors"] if line not in screens} == set(
        node_doors(services.values(), context)
    )
    for where, others in networks.items():
        assert others <= ({METADATA} if where in seen["names"] else set()), (where, seen["names"])
