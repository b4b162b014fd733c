"""What a machine needs that is no box: the packages a box is made with, and a way to our images."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from hotstack_os.box import STORAGE_CONF, storage_conf
from hotstack_os.core.apply import Step, converge, make_plan
from hotstack_os.core.handler import Handler, Key, World
from hotstack_os.core.journal import Journal
from hotstack_os.core.model import Ledger, Ref, Resource
from hotstack_os.core.plan import Plan
from hotstack_os.exec import Command, Host
from hotstack_os.host import files
from hotstack_os.host.packages import PACKAGE, PackageHandler, packages
from hotstack_os.images.box_packages import NODE
from hotstack_os.images.store import Store
from hotstack_os.settings.cloud import Cloud

PROGRAMS = ("ovs-vswitchd", "qemu-system-x86_64")
"""What must be there before a machine can be asked what it is able to do."""


def on_this_machine(wanted: Mapping[Ref, Resource], cloud: Cloud, node: str) -> dict[Ref, Resource]:
    """The desired state of a box, with what stands below it on a machine that is none."""
    own = {each.ref: each for each in (packages(NODE, node), _storage(cloud, node))}
    below = frozenset(own)
    return own | {ref: replace(each, needs=each.needs or below) for ref, each in wanted.items()}


def prepared(host: Host) -> bool:
    """Whether the programs are there by which a machine is surveyed."""
    argv = (
        "sh",
        "-c",
        'PATH="$PATH:/usr/sbin:/sbin"; for each; do command -v "$each" || exit 1; done',
        "sh",
        *PROGRAMS,
    )
    return host.run(Command(argv, "see which programs are there", accept=frozenset({0, 1}))).status == 0


def install(host: Host, node: str, journal: Journal, show: Callable[[Step], None]) -> Plan:
    """Install the packages that are missing; nothing else is looked at. What was done."""
    every = packages(NODE, node)
    wanted = {every.ref: every}
    keep = journal.ledger.keys() - wanted.keys()
    world = World(handlers(host, node))
    if todo := make_plan(wanted, world, journal, keep):
        converge(wanted, todo, world, journal, show, keep)
    return todo


def handlers(host: Host, node: str) -> dict[Key, Handler]:
    """Who handles what on a machine that lacks nearly everything."""
    return {(node, PACKAGE): PackageHandler(host, tuple(NODE))}


def staying(host: Host, ledger: Ledger) -> Iterator[str]:
    """Which of our packages will stay when all goes, and why: a line each."""
    for owned in (each for each in ledger.values() if each.ref.kind == PACKAGE and each.before is not None):
        for name, others in sorted(PackageHandler(host, ()).leave(owned.before or {}).staying.items()):
            yield f"The package {name} stays, for {', '.join(others)}."


def _storage(cloud: Cloud, node: str) -> Resource:
    """containers-storage.conf(5). One that is there already says where its owner's containers live: a conflict."""
    return files.file(STORAGE_CONF, node, storage_conf(str(Store(cloud.cache).root)))
