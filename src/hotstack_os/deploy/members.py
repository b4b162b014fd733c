"""Further nodes of a cloud: boxes beside the first node's, plugged into its network, that run servers.

A member has its services' resources within it: when it is no longer wanted, its box goes, and what the cloud knows of
it: Nova's service with its place in Placement, OVN's chassis, Neutron's agents. Nothing of that happens while it has
servers.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from hotstack_os.box import DATA, Bind, Box, BoxSpec, Wire
from hotstack_os.box.paths import Home
from hotstack_os.catalogue import registry
from hotstack_os.catalogue.ovn import database_socket
from hotstack_os.content.api import DOWN, Api, why
from hotstack_os.core.model import Absent, Observation, Present, Ref, Resource, Unknown
from hotstack_os.core.plan import Action
from hotstack_os.deploy.inventory import facts_of
from hotstack_os.deploy.machine import BOOT_SECONDS, Machine, box_spec, machine_of, node_of
from hotstack_os.errors import HotstackError, UsageError
from hotstack_os.exec import Command, Host
from hotstack_os.exec.wait import until
from hotstack_os.network import ovs
from hotstack_os.runtime import control
from hotstack_os.settings.cloud import Cloud
from hotstack_os.whole import Damaged

KIND = "node"
UPLINK = "hot-up"
"""The device by which a further node is plugged into the first; there its name follows from the node's."""
FORGOTTEN_SECONDS, ANSWER_SECONDS = 60.0, 120.0
SETTLE_SECONDS = 150.0
"""How long `up` waits for what starts by itself on a node. What goes wrong there may be what it is to mend."""


def member(name: str, first: str, needs: frozenset[Ref]) -> Resource:
    """A further node of the cloud whose first node is `first`."""
    return Resource(Ref(KIND, name, first), {"running": True, "plugged": True}, needs)


def device(name: str) -> str:
    """The first node's end of the cable to a further one; it fits into the 15 characters that Linux allows."""
    return f"hot-{zlib.crc32(name.encode()):08x}"


def box_of(cloud: Cloud, name: str) -> Box:
    """The box of a further node. It shares the directory of volumes with the first."""
    first, volumes = box_spec(cloud), cloud.paths.volumes
    data = Home(first.home).data
    shared = Bind(str(data / volumes.relative_to(DATA)), str(volumes), writable=True, within=str(data))
    return Box(
        BoxSpec(
            name=f"{cloud.name}-{name}",
            rootfs=first.rootfs,
            home=cloud.state / f"box-{name}",
            image_store=first.image_store,
            binds=(shared,),
            hostname=name,
        )
    )


def wire_of(cloud: Cloud, name: str) -> Wire:
    """The cable between the first node and a further one."""
    return Wire(Machine(cloud).box, device(name), box_of(cloud, name), UPLINK, cloud.networks.mtu)


def boxes(cloud: Cloud) -> dict[str, Box]:
    """Node → its box, the first one first."""
    return {cloud.name: Machine(cloud).box} | {name: box_of(cloud, name) for name in cloud.nodes}


def named(every: Iterable[str], node: str) -> str:
    """The name of a node of the cloud; of the first where none is given."""
    known = tuple(every)
    if node and node not in known:
        raise UsageError("the name of a node", repr(node), f"Nodes: {', '.join(known)}.")
    return node or known[0]


def nodes(cloud: Cloud) -> tuple[str, ...]:
    """The names of a cloud's nodes, the first one first."""
    known_as = facts_of(cloud).load()
    return (known_as.name if known_as else cloud.name, *cloud.nodes)


def services(cloud: Cloud, node: str) -> tuple[str, ...]:
    """The services of a node in the order of the catalogue."""
    return tuple(registry.further_services() if node in cloud.nodes else registry.services(cloud))


def runs(cloud: Cloud, node: str) -> bool:
    """Whether a further node's box runs and can be entered."""
    return node in cloud.nodes and box_of(cloud, node).state().leader is not None


@contextmanager
def way_to(cloud: Cloud, node: str) -> Iterator[Host]:
    """A node of a cloud that is there and runs, for as long as the block lasts."""
    with node_of(cloud) as first:
        if node not in cloud.nodes:
            yield first
            return
        box = box_of(cloud, node)
        if box.state().leader is None:
            raise HotstackError(f"the node {node} to run", "its box is down", "Start it: hotstack-os box start.")
        host = box.host()
        try:
            yield host
        finally:
            host.close()


def node_argv(cloud: Cloud, node: str, argv: tuple[str, ...]) -> tuple[str, ...]:
    """A program of a node, for a terminal of this machine."""
    return box_of(cloud, node).enter_argv(argv) if node in cloud.nodes else machine_of(cloud).node_argv(argv)


def boot_all(cloud: Cloud, names: Collection[str]) -> None:
    """Return when the boxes of these nodes are up, and each further one that runs is plugged into the first."""
    every = boxes(cloud)
    if cloud.name in names:
        every[cloud.name].boot(BOOT_SECONDS)
    elif not every[cloud.name].state().leader:
        hint = "Start it: hotstack-os box start."
        raise HotstackError(f"the first node, {cloud.name}, to run", "its box is down", hint)
    for name in cloud.nodes:
        if name in names:
            boot(cloud, name)
        elif every[name].state().leader is not None and plug(cloud, name):
            _take_up(every[name], UPLINK)


def boot(cloud: Cloud, name: str, settle: float = math.inf) -> None:
    """Return when a further node is plugged in and up, or starting units still after `settle` s; the first one runs."""
    box = box_of(cloud, name)
    ran = box.state().leader is not None
    new: list[bool] = []
    box.boot(BOOT_SECONDS, lambda: new.append(plug(cloud, name)), settle)
    if ran and any(new):
        _take_up(box, UPLINK)


def plug(cloud: Cloud, name: str) -> bool:
    """Plug a further node into the first one, unless it is; whether the cable is new."""
    new = wire_of(cloud, name).plug()
    if new:
        _take_up(Machine(cloud).box, device(name))
    return new


def _take_up(box: Box, end: str) -> None:
    """Let Open vSwitch look for the end of a cable again, where it has had one of that name.

    In the userspace datapath it goes on reading from the device that is gone, if another comes too soon.
    """
    host = box.host()
    try:
        shown = host.run(
            Command(("ovs-vsctl", "--timeout=20", "port-to-br", end), f"look for {end}", accept=frozenset({0, 1}))
        )
        if shown.status == 0:
            ovs.plug(host, shown.stdout.strip(), end)
    finally:
        host.close()


class MemberHandler:
    """Further nodes by name; the first one, `host`, is asked for what the cloud knows of them."""

    def __init__(self, cloud: Cloud, host: Host, api: Api) -> None:
        self._cloud = cloud
        self._host = host
        self._api = api

    def observe(self, resources: Sequence[Resource]) -> Mapping[Ref, Observation]:
        return {each.ref: self._observe(each) for each in resources}

    def _observe(self, wanted: Resource) -> Observation:
        name = wanted.ref.name
        status = box_as_made(self._cloud, name).state().status
        if status == "absent":
            return Absent() if wanted.state else self._what_is_left(name)
        plugged = name in self._cloud.nodes and wire_of(self._cloud, name).plugged
        return Present({"running": status == "running", "plugged": plugged})

    def _what_is_left(self, name: str) -> Observation:
        """Of a node whose box went without us."""
        try:
            left = any(traces(self._api, name).values())
        except DOWN as error:
            return Unknown(why(error))
        return Present({"running": False, "plugged": False}) if left else Absent()

    def apply(self, action: Action) -> None:
        name = action.ref.name
        if action.verb == "remove":
            self._remove(name)
            return
        box_of(self._cloud, name).create()
        boot(self._cloud, name, SETTLE_SECONDS)

    def _remove(self, name: str) -> None:
        """In an order that may be interrupted: what is told of the node last is that its box is there."""
        until(self._answers, "the APIs to answer", seconds=ANSWER_SECONDS, step=1.0)
        set_aside(self._api, name)
        box = box_as_made(self._cloud, name)
        box.stop()
        self._forget_chassis(name)
        for each in self._api.get("compute", f"/os-services?host={name}")["services"]:
            self._api.send("DELETE", "compute", f"/os-services/{each['id']}")
        until(lambda: not self._agents_left(name), f"Neutron to forget {name}", seconds=FORGOTTEN_SECONDS, step=1.0)
        if providers := traces(self._api, name)["placement"]:
            raise HotstackError(f"Placement to forget {name}", f"resource providers {', '.join(providers)}")
        facts_of(self._cloud, name).forget()
        box.remove()

    def _answers(self) -> bool:
        """Services may be started by the same plan."""
        try:
            traces(self._api, "nobody")
        except DOWN:
            return False
        return True

    def _forget_chassis(self, name: str) -> None:
        """OVN's controller leaves its chassis behind when its node is powered off."""
        remote = f"--db={database_socket('sb')}"
        words = ("ovn-sbctl", remote, "--if-exists", "chassis-del", name)
        control.ask(self._host, "ovn-sb-db", words, f"remove the chassis {name}")
        private = ("ovn-sbctl", remote, "--if-exists", "destroy", "Chassis_Private", name)
        control.ask(self._host, "ovn-sb-db", private, f"remove what the chassis {name} has said")

    def _agents_left(self, name: str) -> list[str]:
        agents = self._api.get("network", f"/agents?host={name}")["agents"]
        for each in agents:
            self._api.send("DELETE", "network", f"/agents/{each['id']}")
        return [each["binary"] for each in agents]


def set_aside(api: Api, name: str) -> None:
    """Let no server come to a node that is to be removed; where it has servers, it is refused and stays as it was."""
    found = api.get("compute", f"/os-services?binary=nova-compute&host={name}")["services"]
    chosen = [each["id"] for each in found if each["status"] == "enabled"]
    for each in chosen:
        choose(api, each, wanted=False, reason="to be removed")
    try:
        require_empty(api, name)
    except HotstackError:
        for each in chosen:
            choose(api, each, wanted=True)
        raise


def choose(api: Api, service: str, *, wanted: bool, reason: str = "") -> None:
    """Let the scheduler choose the node of the nova-compute with this id, or not, for a `reason`."""
    status = {"status": "enabled"} if wanted else {"status": "disabled", "disabled_reason": reason}
    api.send("PUT", "compute", f"/os-services/{service}", status)


def require_empty(api: Api, name: str) -> None:
    """Refuse a node that has servers, or that moved ones could be sent back to. Changes nothing."""
    if servers := api.get("compute", f"/servers/detail?all_tenants=1&host={name}")["servers"]:
        names = ", ".join(sorted(each["name"] for each in servers))
        hint = f"Keep it in the settings, and move them away (hotstack-os drain {name}) or delete them."
        raise HotstackError(f"the node {name} without servers before it is removed", names, hint)
    if api.get("compute", f"/os-migrations?source_compute={name}&status=finished")["migrations"]:
        hint = "Confirm or revert them: openstack server migration confirm|revert SERVER."
        raise HotstackError(f"the node {name} without servers before it is removed", "unconfirmed migrations", hint)


def traces(api: Api, name: str) -> dict[str, list[str]]:
    """What Nova, Placement and Neutron know of a node, by service."""
    services: list[dict[str, Any]] = api.get("compute", f"/os-services?host={name}")["services"]
    providers = api.get("placement", f"/resource_providers?name={name}")["resource_providers"]
    agents = api.get("network", f"/agents?host={name}")["agents"]
    return {
        "compute": [each["binary"] for each in services],
        "placement": [each["uuid"] for each in providers],
        "network": [each["binary"] for each in agents],
    }


def box_as_made(cloud: Cloud, name: str) -> Box:
    """The box of a node that may no longer be wanted, as it was made."""
    spec = Home(cloud.state / f"box-{name}").spec
    with suppress(Damaged):
        if spec.exists():
            return Box(BoxSpec.read(spec))
    return Box(BoxSpec(f"{cloud.name}-{name}", box_spec(cloud).rootfs, spec.parent))


def known(cloud: Cloud) -> tuple[str, ...]:
    """The further nodes that have a box, wanted or not."""
    return tuple(path.name.removeprefix("box-") for path in sorted(cloud.state.glob("box-*")) if Home(path).there)
