"""What `status` says while something is broken, for every service and every way of breaking it.

The table says within how many seconds after the fault a service must be shown as not healthy, or why a fault does not
concern it, which is then proved: no such database or queue is in what it is configured with, or it stays healthy all
the while. What was measured is printed. The seconds allow for a machine of two slow cores on which all leaves of the
cloud are broken, and start again, at the same time.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from hotstack_os.catalogue import registry
from hotstack_os.exec.wait import until
from system.conftest import CloudUnderTest


@dataclass(frozen=True)
class Seen:
    """The service must be shown as not healthy within so many seconds."""

    seconds: int


@dataclass(frozen=True)
class Stays:
    """The service is configured with it and does its work without: it stays healthy. Why that is so."""

    why: str


@dataclass(frozen=True)
class Without:
    """Nothing of the kind is in the service's configuration. Why that is so."""

    why: str


@dataclass(frozen=True)
class Row:
    """Bounds in seconds of one service.

    Attributes:
        stopped: until it is seen that its processes are stopped (SIGSTOP).
        killed: until systemd has it running again, and it answers, after SIGKILL.
        database, queue: what happens while its user is refused there.
    """

    stopped: int
    killed: int
    database: Seen | Stays | Without
    queue: Seen | Stays | Without


ASKED, WORKER = 20, 45
"""Those who are asked something themselves, and those who are known by what they do from time to time."""
AGAIN = 150
NONE = Without("infrastructure: it uses neither")
OVN = Without("it speaks to OVN's databases")
AGENT = Without("it speaks to OVN's databases and to Nova's metadata API")
NO_QUEUE = Without("it answers from its database alone")
NO_RPC = Stays("Neutron's agents are OVN's: none of them is told anything through a queue")
INFRASTRUCTURE = Row(ASKED, AGAIN, NONE, NONE)

TABLE: Mapping[str, Row] = {
    "dnsmasq": INFRASTRUCTURE,
    "haproxy": INFRASTRUCTURE,
    "mariadb": INFRASTRUCTURE,
    "rabbitmq": INFRASTRUCTURE,
    "memcached": INFRASTRUCTURE,
    "keystone": Row(ASKED, AGAIN, Seen(30), NO_QUEUE),
    "glance": Row(ASKED, AGAIN, Seen(30), NO_QUEUE),
    "placement": Row(ASKED, AGAIN, Seen(30), NO_QUEUE),
    "ovn-nb-db": Row(ASKED, AGAIN, OVN, OVN),
    "ovn-sb-db": Row(ASKED, AGAIN, OVN, OVN),
    "ovn-northd": Row(ASKED, AGAIN, OVN, OVN),
    "ovn-controller": Row(ASKED, AGAIN, OVN, OVN),
    "neutron-server": Row(ASKED, AGAIN, Seen(30), NO_RPC),
    "neutron-periodic-workers": Row(WORKER, AGAIN, Seen(30), NO_RPC),
    "neutron-ovn-maintenance-worker": Row(WORKER, AGAIN, Seen(30), NO_RPC),
    "neutron-ovn-agent": Row(50, AGAIN, AGENT, AGENT),
    "nova-api": Row(ASKED, AGAIN, Seen(30), Seen(40)),
    "nova-conductor": Row(WORKER, AGAIN, Seen(45), Seen(40)),
    "nova-scheduler": Row(WORKER, AGAIN, Seen(45), Seen(40)),
    "nova-api-metadata": Row(ASKED, AGAIN, Seen(75), Stays("it reads from its databases alone")),
    "nova-novncproxy": Row(ASKED, AGAIN, Seen(30), Seen(40)),
    "nova-compute": Row(WORKER, AGAIN, Without("nova-conductor asks and writes for it"), Seen(40)),
    "cinder-api": Row(ASKED, AGAIN, Seen(30), Seen(40)),
    "cinder-scheduler": Row(WORKER, AGAIN, Seen(45), Seen(40)),
    "cinder-volume": Row(WORKER, AGAIN, Seen(45), Seen(40)),
    "heat-api": Row(ASKED, AGAIN, Seen(30), Seen(40)),
    "heat-api-cfn": Row(ASKED, AGAIN, Seen(30), Seen(40)),
    "heat-engine": Row(WORKER, AGAIN, Seen(45), Seen(40)),
}

SUPPORTS = (("mariadb", "ovn-nb-db", "memcached"), ("rabbitmq", "keystone", "ovn-sb-db"))
"""On these the health of others depends: broken apart from them, and in groups that do not hide each other."""
LEAVES = tuple(name for name in TABLE if name not in {each for group in SUPPORTS for each in group})
GROUPS = (LEAVES, *SUPPORTS)
OFTEN = (LEAVES,)
"""What `make test` breaks too."""
RECOVERY = 150
"""Seconds until all of the cloud is healthy after a fault is taken away."""

Status = Mapping[str, Mapping[str, Any]]


@dataclass
class Clock:
    """Looks at the status again and again, and notes when what was looked for was there."""

    cloud: CloudUnderTest
    began: float = field(default_factory=time.monotonic)
    looks: list[Status] = field(default_factory=list)

    def look(self) -> Status:
        shown = self.cloud.json("status", accept=(0, 1))["services"]
        self.looks.append({each["name"]: each for each in shown})
        return self.looks[-1]

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self.began

    def when(self, bounds: Mapping[str, int], there: Callable[[Mapping[str, Any]], bool]) -> dict[str, float]:
        """service → seconds until it was as looked for; fails with all that were later than their bound."""
        found: dict[str, float] = {}

        def all_found() -> bool:
            shown = self.look()
            found.update({name: self.elapsed for name in bounds if name not in found and there(shown[name])})
            late = {name: shown[name] for name, bound in bounds.items() if name not in found and self.elapsed > bound}
            assert not late, f"after {self.elapsed:.0f} s: {late}"
            return found.keys() == bounds.keys()

        until(all_found, "every service as looked for", seconds=max(bounds.values(), default=0) + 10, step=0.5)
        return found


def unhealthy(service: Mapping[str, Any]) -> bool:
    return service["health"] == "unhealthy" and bool(service["detail"])


def healthy(service: Mapping[str, Any]) -> bool:
    return bool(service["state"] == "active" and service["health"] == "healthy")


def recovered(cloud: CloudUnderTest) -> dict[str, float]:
    """service → seconds until it was healthy, all of the cloud within RECOVERY."""
    return Clock(cloud).when(dict.fromkeys(TABLE, RECOVERY), healthy)


@pytest.fixture
def tell(capsys: pytest.CaptureFixture[str]) -> Callable[[str, Mapping[str, float], Mapping[str, float]], None]:
    """Prints a table of what was measured, past pytest's capture."""

    def show(fault: str, seen: Mapping[str, float], back: Mapping[str, float]) -> None:
        lines = [f"  {name:32} seen {seen[name]:5.1f} s   healthy again {back.get(name, 0):5.1f} s" for name in seen]
        with capsys.disabled():
            sys.stdout.write("\n".join(["", f"{fault}:", *lines, ""]))

    return show


Tell = Callable[[str, Mapping[str, float], Mapping[str, float]], None]


def test_every_service_has_a_row() -> None:
    assert TABLE.keys() == {service.name for component in registry.COMPONENTS for service in component.services}
    assert sorted(each for group in GROUPS for each in group) == sorted(TABLE)


def configured(cloud: CloudUnderTest, scheme: str) -> set[str]:
    """The services whose configuration on the node has a URL of this scheme."""
    where = "/etc/hotstack-os/config /etc/hotstack-os/secrets"
    return {path.split("/")[4] for path in cloud.shell(f"grep -rl '{scheme}://' {where}").split()}


@pytest.mark.parametrize(("column", "scheme"), [("database", "mysql+pymysql"), ("queue", "rabbit")])
def test_what_does_not_concern_a_service_is_not_in_its_configuration(
    cloud: CloudUnderTest, column: str, scheme: str
) -> None:
    assert configured(cloud, scheme) == {
        name for name, row in TABLE.items() if not isinstance(getattr(row, column), Without)
    }


groups = pytest.mark.parametrize(
    "group",
    [
        pytest.param(
            group,
            id="leaves" if group == LEAVES else "+".join(group),
            marks=() if group in OFTEN else pytest.mark.long,
        )
        for group in GROUPS
    ],
)


def processes(names: Iterable[str]) -> str:
    """A shell command that lists all processes in the containers of these services."""
    where = " ".join(f"/sys/fs/cgroup/system.slice/hotstack-os-{name}.service/libpod-payload-*" for name in names)
    return f"find {where} -name cgroup.procs -exec cat {{}} +"


@contextmanager
def stopped(cloud: CloudUnderTest, names: Iterable[str]) -> Iterator[None]:
    """Every process of these services is stopped: connections are accepted, nobody answers."""
    victims = " ".join(cloud.shell(processes(names)).split())
    cloud.shell(f"kill -STOP {victims}")
    try:
        yield
    finally:
        cloud.shell(f"kill -CONT {victims}")


@pytest.mark.long
@groups
def test_stopped_processes_are_seen(cloud: CloudUnderTest, tell: Tell, group: tuple[str, ...]) -> None:
    recovered(cloud)
    with stopped(cloud, group):
        seen = Clock(cloud).when({name: TABLE[name].stopped for name in group}, unhealthy)
    back = recovered(cloud)
    tell("SIGSTOP", seen, back)


def restarts(cloud: CloudUnderTest, names: Iterable[str]) -> dict[str, int]:
    """How often systemd has restarted each unit by itself."""
    asked = " ".join(f"hotstack-os-{name}.service" for name in names)
    return dict(zip(names, map(int, cloud.shell(f"systemctl show --value -p NRestarts {asked}").split()), strict=True))


@groups
def test_killed_services_are_seen_and_restarted(cloud: CloudUnderTest, tell: Tell, group: tuple[str, ...]) -> None:
    recovered(cloud)
    before, count = Clock(cloud).look(), restarts(cloud, group)
    containers = " ".join(f"hotstack-os-{name}" for name in group)
    cloud.shell(f"kill -KILL $(podman inspect --format '{{{{.State.Pid}}}}' {containers})")

    def interrupted(service: Mapping[str, Any]) -> bool:
        """Not running now, or not since before: some are back sooner than anybody looks."""
        return bool(service["state"] != "active" or service["since"] != before[service["name"]]["since"])

    clock = Clock(cloud)
    seen = clock.when(dict.fromkeys(group, ASKED), interrupted)
    bounds = {name: TABLE[name].killed for name in group}
    back = clock.when(bounds, lambda each: each["since"] != before[each["name"]]["since"] and healthy(each))
    now = restarts(cloud, group)
    assert {name for name in group if now[name] <= count[name]} == set()
    recovered(cloud)
    tell("SIGKILL", seen, back)


def sql(cloud: CloudUnderTest, statements: str) -> None:
    cloud.shell(f'podman exec --user=0 hotstack-os-mariadb mariadb -e "{statements}"')


@contextmanager
def database_refused(cloud: CloudUnderTest, users: Iterable[str]) -> Iterator[None]:
    """These users may not log in at the database, and those who are logged in are thrown out."""
    sql(cloud, " ".join(f"ALTER USER {user} ACCOUNT LOCK; KILL USER {user};" for user in users))
    try:
        yield
    finally:
        sql(cloud, " ".join(f"ALTER USER {user} ACCOUNT UNLOCK;" for user in users))


@pytest.mark.long
@pytest.mark.parametrize(
    "users",
    [("glance", "placement", "neutron", "nova", "cinder", "heat"), ("keystone",)],
)
def test_a_refused_database_is_seen(cloud: CloudUnderTest, tell: Tell, users: tuple[str, ...]) -> None:
    recovered(cloud)
    # Keystone apart from the others: without it nobody can ask them as a user.
    bounds = {
        name: row.database.seconds
        for name, row in TABLE.items()
        if isinstance(row.database, Seen) and ("keystone" in users) == (name == "keystone")
    }
    with database_refused(cloud, users):
        clock = Clock(cloud)
        seen = clock.when(bounds, unhealthy)
    back = recovered(cloud)
    tell(f"database refused to {', '.join(users)}", seen, back)


QUEUE_USERS = ("nova", "neutron", "cinder", "heat")


@pytest.mark.long
def test_a_refused_queue_is_seen_and_repaired_by_up(cloud: CloudUnderTest, tell: Tell) -> None:
    """The broker's users lose their rights and their connections; `up` gives the rights back."""
    recovered(cloud)
    users = ", ".join(f'<<"{user}">>' for user in QUEUE_USERS)
    refuse = (
        f'[begin rabbit_auth_backend_internal:clear_permissions(U, <<"/">>, <<"test">>),'
        f' rabbit_networking:close_all_user_connections(U, <<"refused">>) end || U <- [{users}]].'
    )
    clock = Clock(cloud)
    cloud.node("podman", "exec", "hotstack-os-rabbitmq", "rabbitmqctl", "--quiet", "eval", refuse)
    bounds = {name: row.queue.seconds for name, row in TABLE.items() if isinstance(row.queue, Seen)}
    seen = clock.when(bounds, unhealthy)
    # Long enough for what is asked every few rounds only.
    until(lambda: clock.look() and clock.elapsed > max(bounds.values()), "a while to pass", seconds=60, step=1)
    stays = {name for name in TABLE if name not in bounds}
    assert {name: look[name] for look in clock.looks for name in stays if not healthy(look[name])} == {}
    refused = {f"queue-user/{user}" for user in QUEUE_USERS}
    planned = {action["ref"].partition(":")[2] for action in cloud.json("plan", accept=(2,))["actions"]}
    assert planned == refused
    cloud.run("up")
    back = recovered(cloud)
    assert cloud.run("plan").stdout == "Nothing to do.\n"
    tell(f"queue refused to {', '.join(QUEUE_USERS)}", seen, back)


@pytest.mark.long
@pytest.mark.parametrize(
    "damage",
    [
        "delete_user heat",
        "change_password nova another",
        "clear_permissions cinder",
    ],
)
def test_users_of_the_broker_are_observed_and_repaired(cloud: CloudUnderTest, damage: str) -> None:
    before = cloud.shell("podman ps --format '{{.ID}} {{.Names}}' | sort")
    cloud.shell(f"podman exec hotstack-os-rabbitmq rabbitmqctl --quiet {damage}")
    user = damage.split()[1]
    planned = {action["ref"].partition(":")[2] for action in cloud.json("plan", accept=(2,))["actions"]}
    assert planned == {f"queue-user/{user}"}
    cloud.run("up")
    assert cloud.run("plan").stdout == "Nothing to do.\n"
    assert cloud.shell("podman ps --format '{{.ID}} {{.Names}}' | sort") == before
