"""Looks at a cloud for `doctor`. Whatever cannot be seen is noted with its reason, and the rest is looked at."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from hotstack_os.bootstrap import sql
from hotstack_os.catalogue import registry
from hotstack_os.catalogue.nova import SESSION
from hotstack_os.catalogue.ovn import database_socket
from hotstack_os.deploy import cloud as clouds
from hotstack_os.deploy import credentials, members
from hotstack_os.deploy.desired import EXTERNAL
from hotstack_os.deploy.image_set import image_states
from hotstack_os.deploy.inventory import facts_of
from hotstack_os.deploy.machine import LocalMachine, Machine, machine_of, program
from hotstack_os.errors import HotstackError
from hotstack_os.exec import Command, CommandFailed, Host, run_here
from hotstack_os.health.cloud import Agent, CloudSeen, FailedUnit, ImageAge, NodePlace
from hotstack_os.health.status import ServiceStatus, service_status
from hotstack_os.images.store import Store
from hotstack_os.network import firewall
from hotstack_os.runtime import control
from hotstack_os.settings.cloud import Cloud
from hotstack_os.whole import Damaged

UNITS = ("hotstack-os*", "openvswitch*", "ovsdb-server*", "ovs-vswitchd*")
FORWARDING = "/proc/sys/net/ipv4/ip_forward"
DRIFT_LINES, JOURNAL_LINES = 20, 5
DAY = 86400.0


def examine_cloud(cloud: Cloud) -> CloudSeen:
    """A cloud that is there. Reads only."""
    machine = machine_of(cloud)
    node = _node(cloud)
    seen = CloudSeen(cloud.name, _box(machine), str(cloud.networks.gateway), node)
    if not machine.running:
        return _looked(seen, {"images": lambda: _images(cloud)})
    with machine.host() as host:
        services = service_status(host, node, registry.services(cloud))
        seen = _with_further(replace(seen, services=services), cloud)
        return _looked(seen, _looks(cloud, machine, host, services))


def _node(cloud: Cloud) -> str:
    """A record that cannot be read is told by examine_state.py."""
    try:
        known = facts_of(cloud).load()
    except Damaged:
        known = None
    return known.name if known else cloud.name


def _with_further(seen: CloudSeen, cloud: Cloud) -> CloudSeen:
    """With the services of further nodes that run, and the names of those that do not."""
    found: list[ServiceStatus] = list(seen.services or ())
    troubles: dict[str, str] = {}
    down = tuple(name for name in cloud.nodes if not members.runs(cloud, name))
    for name in [each for each in cloud.nodes if each not in down]:
        try:
            with members.way_to(cloud, name) as host:
                found += service_status(host, name, members.services(cloud, name))
        except HotstackError as error:
            troubles[f"services-of-{name}"] = _trouble(error)
    return replace(seen, services=tuple(found), down=down, troubles=troubles)


def _looks(
    cloud: Cloud, machine: Machine | LocalMachine, host: Host, services: tuple[ServiceStatus, ...]
) -> dict[str, Callable[[], Any]]:
    """What is looked at, by the name of the field; what a service would have to answer, only while it is active."""
    active = {each.name for each in services if each.state == "active"}
    always: dict[str, Callable[[], Any]] = {
        "failed": lambda: _failed(host),
        "places": lambda: _places(cloud, host),
        "addresses": lambda: _addresses(host),
        "forwarding": lambda: host.read([FORWARDING])[FORWARDING] == b"1\n",
        "firewall": lambda: _firewall(host),
        "drift": lambda: _drift(cloud),
        "images": lambda: _images(cloud),
        "libvirt": lambda: _libvirt(host),
        "skew": lambda: _skew(host),
    }
    of_services: dict[tuple[str, ...], tuple[str, Callable[[], Any]]] = {
        ("mariadb",): ("connections", lambda: _connections(host)),
        ("rabbitmq",): ("alarms", lambda: _alarms(host)),
        ("ovn-sb-db",): ("chassis", lambda: _chassis(host)),
        ("keystone", "neutron-server", "haproxy"): ("agents", lambda: _agents(cloud, machine)),
    }
    return always | {name: look for needed, (name, look) in of_services.items() if active.issuperset(needed)}


def _looked(seen: CloudSeen, looks: Mapping[str, Callable[[], Any]]) -> CloudSeen:
    """All looks at the same time; those that fail are troubles."""
    found: dict[str, Any] = {}
    troubles = dict(seen.troubles)
    with ThreadPoolExecutor(len(looks), thread_name_prefix="look") as pool:
        for name, future in {name: pool.submit(look) for name, look in looks.items()}.items():
            try:
                found[name] = future.result()
            except HotstackError as error:
                troubles[name] = _trouble(error)
            except sql.DatabaseDown as error:
                troubles[name] = str(error)
    return replace(seen, troubles=troubles, **found)


def _trouble(error: HotstackError) -> str:
    return f"wanted {error.wanted}; found {error.found.strip().splitlines()[-1]}"


def _box(machine: Machine | LocalMachine) -> str | None:
    return machine.box.state().status if isinstance(machine, Machine) else None


def _failed(host: Host) -> tuple[FailedUnit, ...]:
    listed = host.run(Command(("systemctl", "list-units", "--failed", "--plain", "--no-legend", *UNITS), "list units"))
    return tuple(
        FailedUnit(name, _journal(host, name)) for name in (line.split()[0] for line in listed.stdout.splitlines())
    )


def _journal(host: Host, unit: str) -> str:
    argv = ("journalctl", f"--unit={unit}", f"--lines={JOURNAL_LINES}", "--output=cat", "--no-pager", "--quiet")
    return host.run(Command(argv, f"read the journal of {unit}")).stdout.strip()


def _places(cloud: Cloud, host: Host) -> tuple[NodePlace, ...]:
    paths = dict.fromkeys(["/", "/run", "/var/log", "/var/lib/containers", *map(str, vars(cloud.paths).values())])
    there = [path for path, found in host.stat(paths).items() if found]
    argv = ("df", "--output=pcent,ipcent,target", *there)
    rows = [
        line.split(maxsplit=2) for line in host.run(Command(argv, "see how full disks are")).stdout.splitlines()[1:]
    ]
    # One file system may hold several of the paths.
    return tuple({row[2]: NodePlace(row[2], _percent(row[0]), _percent(row[1])) for row in rows}.values())


def _percent(text: str) -> int:
    """ "-" where a file system has no such number."""
    return int(text.removesuffix("%")) if text != "-" else 0


def _addresses(host: Host) -> tuple[str, ...]:
    argv = ("ip", "-json", "address", "show", "dev", EXTERNAL)
    shown = host.run(Command(argv, f"see the addresses of {EXTERNAL}", accept=frozenset({0, 1})))
    if shown.status:
        return ()  # No such interface has no address.
    return tuple(each["local"] for link in json.loads(shown.stdout) for each in link.get("addr_info", ()))


def _firewall(host: Host) -> bool:
    argv = ("nft", "list", "table", "inet", firewall.NAME)
    return host.run(Command(argv, "see the firewall", accept=frozenset({0, 1}))).status == 0


def _connections(host: Host) -> tuple[int, int]:
    query = (
        "SELECT VARIABLE_VALUE, @@max_connections FROM information_schema.GLOBAL_STATUS"
        " WHERE VARIABLE_NAME = 'THREADS_CONNECTED'"
    )
    ((used, most),) = sql.query(host, query)
    return int(used), int(most)


def _alarms(host: Host) -> tuple[str, ...]:
    argv = ("/usr/lib/rabbitmq/bin/rabbitmq-diagnostics", "--quiet", "--timeout=15", "alarms", "--formatter=json")
    said = json.loads(control.ask(host, "rabbitmq", argv, "ask RabbitMQ for alarms", timeout=30))
    return tuple(str(each.get("resource", each)) if isinstance(each, dict) else str(each) for each in said["alarms"])


def _drift(cloud: Cloud) -> tuple[str, ...]:
    _, plan = clouds.plan(cloud)
    lines = tuple(plan.lines()) if plan else ()
    more = len(lines) - DRIFT_LINES
    return (*lines[:DRIFT_LINES], f"… and {more} lines more: hotstack-os plan") if more > 0 else lines


def _images(cloud: Cloud) -> tuple[ImageAge, ...]:
    store, now = Store(cloud.cache), time.time()
    found = []
    for state in image_states(cloud):
        record = store.record(state.recipe.reference) if state.present else None
        found.append(ImageAge(state.recipe.image.name, (now - record.order) / DAY if record else None))
    return tuple(found)


def _chassis(host: Host) -> tuple[tuple[str, str], ...]:
    argv = ("ovn-sbctl", f"--db={database_socket('sb')}", "--format=json", "--columns=name,hostname", "list", "Chassis")
    rows = json.loads(control.ask(host, "ovn-sb-db", argv, "list OVN's chassis"))["data"]
    return tuple((name, hostname) for name, hostname in rows)


def _agents(cloud: Cloud, machine: Machine | LocalMachine) -> tuple[Agent, ...]:
    argv = machine.client_argv((program("openstack"), "network", "agent", "list", "-f", "json"))
    env = {"OS_CLIENT_CONFIG_FILE": str(credentials.path(cloud)), "OS_CLOUD": f"{cloud.name}-admin"}
    rows = json.loads(run_here(Command(argv, "list Neutron's agents", env=env, timeout=60)).stdout)
    return tuple(Agent(row["Binary"], row["Host"], bool(row["Alive"])) for row in rows)


def _libvirt(host: Host) -> str:
    """Empty when it answers, else what virsh says."""
    argv = ("virsh", "-c", f"qemu:///session?socket={SESSION}/libvirt/libvirt-sock", "version", "--daemon")
    try:
        host.run(Command(argv, "ask libvirt", timeout=10))
    except CommandFailed as error:
        return error.result.stderr.strip().splitlines()[-1]
    return ""


def _skew(host: Host) -> float:
    said = host.run(Command(("date", "+%s.%N"), "see the clock"))
    return float(said.stdout) - (time.time() - said.seconds / 2)
