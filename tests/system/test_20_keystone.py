"""A cloud with Keystone: comes up, answers, is left alone when nothing changed, and is repaired when it was."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from typing import Any

import pytest

from hotstack_os.exec.wait import until
from hotstack_os.whole import put
from system.conftest import CACHE, CloudUnderTest

SERVICES = {"dnsmasq", "haproxy", "mariadb", "rabbitmq", "memcached", "keystone"}
GATEWAY = "172.31.0.129"
SEEDS = CACHE / "seeds"


def backend(cloud: CloudUnderTest, service: str) -> str:
    """What HAProxy's statistics say of a service: UP, DOWN …"""
    text = cloud.node("curl", "-sf", "--max-time", "5", f"http://{GATEWAY}:8404/stats;csv")
    rows = csv.DictReader(io.StringIO(text.removeprefix("# ")))
    return next(row["status"] for row in rows if row["svname"] == service)


def fingerprint(cloud: CloudUnderTest) -> dict[str, Any]:
    """What would be different if anything had been restarted or written again."""
    units = sorted(f"hotstack-os-{name}.service" for name in [*SERVICES, "health", "ready", "infra-setup"])
    return {
        "containers": cloud.shell("podman inspect --format '{{.Name}} {{.State.StartedAt}}' $(podman ps -q) | sort"),
        "units": cloud.node("systemctl", "show", "--property=Id,InvocationID", *units),
        "files": cloud.shell("find /etc -type f -printf '%p %T@ %m %u\\n' | sort"),
        "ovs": cloud.node("ovs-vsctl", "get", "open_vswitch", ".", "external_ids"),
    }


def started(cloud: CloudUnderTest) -> dict[str, str]:
    lines = cloud.shell("podman inspect --format '{{.Name}} {{.State.StartedAt}}' $(podman ps -q)").splitlines()
    return {line.split(" ", 1)[0].removeprefix("hotstack-os-"): line.split(" ", 1)[1] for line in lines}


def test_up_says_where_the_cloud_is(cloud: CloudUnderTest) -> None:
    assert cloud.first["address"] == GATEWAY
    assert cloud.first["credentials"] == str(cloud.state / "clouds.yaml")
    assert (cloud.state / "clouds.yaml").stat().st_mode & 0o777 == 0o600
    assert {"images", "box", "services"} <= cloud.first["seconds"].keys()


def test_a_token_is_issued_through_haproxy(cloud: CloudUnderTest) -> None:
    token = json.loads(cloud.run("openstack", "token", "issue", "-f", "json").stdout)
    assert len(token["id"]) > 100
    endpoints = cloud.openstack("endpoint", "list")
    assert {each["URL"] for each in endpoints if each["Service Name"] == "keystone"} == {
        "http://keystone.hotstack-os.local:5000/v3"
    }


def test_every_service_is_healthy(cloud: CloudUnderTest) -> None:
    services = {each["name"]: each for each in cloud.json("status")["services"]}
    assert services.keys() >= SERVICES
    assert {name: each["health"] for name, each in services.items()} == dict.fromkeys(services, "healthy")


def test_services_run_with_the_rights_that_they_need_and_no_more(cloud: CloudUnderTest) -> None:
    inspected = json.loads(cloud.shell("podman inspect $(podman ps -q)"))
    seen = {each["Name"].removeprefix("hotstack-os-"): each for each in inspected}
    assert seen["keystone"]["Config"]["User"] == "64200:64200"
    for name in ("keystone", "mariadb", "memcached", "haproxy", "rabbitmq"):
        host = seen[name]["HostConfig"]
        assert host["ReadonlyRootfs"], name
        assert not host["Privileged"], name
        assert seen[name]["EffectiveCaps"] in (None, []), name
        assert "no-new-privileges" in host["SecurityOpt"], name
    addresses = {
        name: seen[name]["NetworkSettings"]["Networks"]["hotstack-os"]["IPAddress"] for name in ("mariadb", "keystone")
    }
    assert addresses == {"mariadb": "172.31.0.3", "keystone": "172.31.0.11"}


def test_a_second_up_changes_nothing(cloud: CloudUnderTest) -> None:
    before = fingerprint(cloud)
    assert cloud.json("up")["changes"] == 0
    assert cloud.run("plan").stdout == "Nothing to do.\n"
    assert fingerprint(cloud) == before


def test_haproxy_sees_keystone_go_and_come(cloud: CloudUnderTest) -> None:
    assert backend(cloud, "keystone") == "UP"
    cloud.node("systemctl", "stop", "hotstack-os-keystone.service")
    until(lambda: backend(cloud, "keystone") == "DOWN", "the backend DOWN", seconds=30, step=0.5)
    plan = cloud.json("plan", accept=(2,))
    assert "service/keystone" in json.dumps(plan)
    cloud.run("up")
    until(lambda: backend(cloud, "keystone") == "UP", "the backend UP", seconds=10, step=0.5)


def test_a_changed_option_restarts_that_service_alone(cloud: CloudUnderTest) -> None:
    before = started(cloud)
    cloud.configure("services:\n  keystone:\n    config:\n      token:\n        expiration: 7200\n")
    plan = cloud.run("plan", accept=(2,)).stdout
    assert "service/keystone" in plan
    assert "[token] expiration: 14400 → 7200" in plan
    assert "mariadb" not in plan
    cloud.run("up")
    after = started(cloud)
    assert {name for name in after if after[name] != before[name]} == {"keystone"}
    assert "expiration = 7200" in cloud.node(
        "podman", "exec", "hotstack-os-keystone", "cat", "/etc/keystone/keystone.conf"
    )


@pytest.mark.parametrize(
    ("damage", "thing"),
    [
        ("rm /etc/hotstack-os/config/keystone/*/etc.uwsgi.ini", "service/keystone"),
        (
            "echo \"SET PASSWORD FOR keystone = PASSWORD('x')\" | podman exec -i -u 0 hotstack-os-mariadb mariadb",
            "database-user/keystone",
        ),
        ("nft flush table inet hotstack_os", "firewall/hotstack_os"),
        *(
            pytest.param(*each, marks=pytest.mark.long)
            for each in (
                ("ovs-vsctl remove open . external_ids system-id", "ovs-settings/open_vswitch"),
                ("ip address delete 172.31.0.10/32 dev hot-ex", "address/hot-ex/172.31.0.10/32"),
                ("sed -i '/BEGIN hotstack-os/,/END hotstack-os/d' /etc/hosts", "block//etc/hosts"),
                ("systemctl stop hotstack-os-health.service", "unit/hotstack-os-health.service"),
                (
                    "chmod 0777 /var/lib/hotstack-os/keystone/fernet-keys",
                    "directory//var/lib/hotstack-os/keystone/fernet-keys",
                ),
            )
        ),
    ],
)
def test_damage_is_seen_and_repaired(cloud: CloudUnderTest, damage: str, thing: str) -> None:
    cloud.shell(damage)
    plan = cloud.json("plan", accept=(2,))
    assert any(action["ref"].endswith(thing) for action in plan["actions"]), plan
    cloud.run("up")
    assert cloud.run("plan").stdout == "Nothing to do.\n"
    assert cloud.openstack("token", "issue")["id"]


@pytest.fixture
def heats() -> Iterator[dict[str, str]]:
    """What is kept of Heat's migrations: file name → text, for each image that this machine has had."""
    kept = {path.name: path.read_text() for path in SEEDS.glob("heat-*.sql")}
    assert kept
    yield kept
    for name, text in kept.items():
        put(SEEDS / name, text)


@pytest.mark.parametrize("seed", [pytest.param("kept", marks=pytest.mark.long), "not there"])
def test_a_database_that_was_begun_is_made_anew(cloud: CloudUnderTest, heats: dict[str, str], seed: str) -> None:
    """As after an interrupted load or migration: a migration would fail at the table that is there already."""
    database = "podman exec -i -u 0 hotstack-os-mariadb"
    tables = f"{database} mariadb-dump --no-data --skip-comments --databases heat | sed 's/ AUTO_INCREMENT=[0-9]*//'"
    before, began = cloud.shell(tables), cloud.shell("date +%s").strip()
    assert before.count("CREATE TABLE") > 10
    broken = "DROP DATABASE heat; CREATE DATABASE heat CHARACTER SET latin1; USE heat; CREATE TABLE stack (id INT);"
    broken += " CREATE VIEW hotstack_os_unfinished AS SELECT 1 AS head;"
    cloud.shell(f"echo '{broken}' | {database} mariadb")
    for path in SEEDS.glob("heat-*.sql") if seed == "not there" else ():
        path.unlink()
    assert [each["ref"].split(":")[1] for each in cloud.json("plan", accept=(2,))["actions"]] == ["schema/heat"]
    cloud.run("up")
    assert cloud.shell(tables) == before
    created = f"podman events --stream=false --since {began} --filter event=create --format '{{{{.Name}}}}'"
    migrated = "hotstack-os-heat-engine-schema-heat-" in cloud.shell(created)  # each run has a name of its own
    assert migrated == (seed == "not there")
    cloud.run("restart", "heat-engine")  # it renews the row that it made when it started, and makes no other
    until(lambda: cloud.openstack("orchestration", "service", "list"), "Heat's engine to report", seconds=90, step=1)


def test_nothing_of_ours_is_in_the_databases_of_others(cloud: CloudUnderTest) -> None:
    names = "SELECT COUNT(*), SUM(table_name LIKE '%hotstack%') FROM information_schema.tables"
    said = cloud.shell(f'echo "{names}" | podman exec -i -u 0 hotstack-os-mariadb mariadb --skip-column-names')
    tables, ours = map(int, said.split())
    assert tables > 500
    assert ours == 0


def test_a_restart_of_the_cache_breaks_no_request(cloud: CloudUnderTest) -> None:
    assert cloud.openstack("token", "issue")["id"]
    cloud.node("systemctl", "restart", "hotstack-os-memcached.service")
    for _ in range(6):
        assert cloud.openstack("token", "issue")["id"]


def test_servers_reach_apis_and_names_and_nothing_else(cloud: CloudUnderTest) -> None:
    """From a port on hot-ex, where a server's floating address would be."""
    cloud.shell(
        "ip netns add outside; ovs-vsctl add-port hot-ex outside -- set interface outside type=internal;"
        "ip link set outside netns outside; ip -n outside address add 172.31.0.150/25 dev outside;"
        "ip -n outside link set outside up; ip -n outside route add default via 172.31.0.129"
    )
    try:
        ask = "ip netns exec outside curl -s --max-time 3 -o /dev/null -w %{http_code}"
        assert cloud.shell(f"{ask} http://{GATEWAY}:5000/v3") == "200"
        for refused in ("172.31.0.3:3306", "172.31.0.4:5672", "172.31.0.11:5000", f"{GATEWAY}:22"):
            assert cloud.shell(f"{ask} http://{refused}/ || true") == "000", refused
        lookup = (
            'ip netns exec outside python3 -c \'import sys; sys.path.insert(0, "/usr/lib/hotstack-os"); import health;'
            "health.ASKED.begin();"
            'health.ask_dns({"host": "172.31.0.10", "port": 53, "name": "keystone.hotstack-os.local",'
            f' "answer": "{GATEWAY}"}}); print("resolved")\''
        )
        assert cloud.shell(lookup).strip() == "resolved"
    finally:
        cloud.shell("ovs-vsctl del-port hot-ex outside; ip netns delete outside")


def test_bad_settings_are_refused_before_anything_is_touched(cloud: CloudUnderTest) -> None:
    before = fingerprint(cloud)
    cloud.configure(
        "networks: {containers: 172.31.0.0/29, provider: 172.31.0.0/25}\npaths: {data: here}\nrelease: '1999.1'\n"
    )
    said = cloud.run("up", accept=(1,)).stderr
    assert all(word in said for word in ("networks.containers", "paths.data", "release", "1999.1"))
    cloud.configure("")
    assert fingerprint(cloud) == before
    cloud.run("up")


def rules_first(cloud: CloudUnderTest) -> None:
    """The firewall was in force before anything began that it is about."""

    def at(moment: str, unit: str) -> int:
        return int(cloud.node("systemctl", "show", "--value", f"--property={moment}TimestampMonotonic", unit))

    rules = at("ActiveEnter", "hotstack-os-firewall.service")
    assert rules
    for unit in ("ovs-vswitchd.service", "hotstack-os-infra-setup.service", "hotstack-os-mariadb.service"):
        assert rules <= at("InactiveExit", unit), unit
    assert rules <= (at("InactiveExit", "systemd-sysctl.service") or rules)  # skipped where /proc/sys is read-only


def test_a_reboot_of_the_box_brings_everything_back(cloud: CloudUnderTest) -> None:
    boot = cloud.shell("cat /proc/sys/kernel/random/boot_id; cat /etc/hostname; systemctl show -p UserspaceTimestamp")
    cloud.run("box", "stop")
    cloud.run("box", "start")
    until(
        lambda: cloud.node("systemctl", "is-active", "hotstack-os.target", accept=(0, 3, 4)).strip() == "active",
        "hotstack-os.target active after the boot",
        seconds=400,
        step=0.5,
    )
    assert cloud.openstack("token", "issue")["id"]
    rules_first(cloud)
    assert boot != cloud.shell(
        "cat /proc/sys/kernel/random/boot_id; cat /etc/hostname; systemctl show -p UserspaceTimestamp"
    )
    assert cloud.run("plan").stdout == "Nothing to do.\n"
