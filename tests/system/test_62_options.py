"""Options and numbers of services, found again in what runs: asked of the process wherever it can be asked."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml

from hotstack_os.catalogue import registry
from hotstack_os.catalogue.context import MEMCACHED
from system.conftest import CloudUnderTest

pytestmark = pytest.mark.long

TAKES = registry.takes()
NOT_HERE = {"nova-ssh"}
"""Runs where there are several nodes."""
SERVICES = sorted(TAKES.keys() - NOT_HERE)
APIS = sorted(name for name, takes in TAKES.items() if takes.workers == "uwsgi.processes")
OSLO = sorted(name for name, takes in TAKES.items() if takes.any_section)
PLANTED = 7341
PYTHON = "/opt/openstack/bin/python"
SOCKETS = "/run/hotstack-os/ovn"
QUIET = {"verbose": "lockfile:console:emer"}
OPTIONS: dict[str, dict[str, Any]] = {
    "dnsmasq": {"config": {"dnsmasq": {"cache-size": 1234}}},
    "haproxy": {"config": {"global": {"maxconn": 4321}, "defaults": {"timeout client": "7341s"}}, "threads": 3},
    "mariadb": {"config": {"mariadbd": {"max-connections": 543}}},
    "rabbitmq": {"config": {"rabbitmq": {"heartbeat": 77}}},
    "memcached": {"config": {"memcached": {"max-item-size": "2m"}}, "threads": 2},
    "ovn-nb-db": {"config": {"ovsdb-server": {**QUIET}}},
    "ovn-sb-db": {"config": {"ovsdb-server": {**QUIET}}},
    "ovn-northd": {"config": {"ovn-northd": {**QUIET}}, "threads": 2},
    "ovn-controller": {"config": {"ovn-controller": {**QUIET}}},
    **{name: {"config": {"DEFAULT": {"max_logfile_count": PLANTED}}} for name in OSLO},
}
for each in APIS:
    OPTIONS[each]["config"]["uwsgi"] = {"stats": "/tmp/stats.sock", "harakiri": 321}
    OPTIONS[each]["workers"] = 2
FORKING = ("heat-engine", "nova-conductor", "nova-scheduler")
for each in FORKING:
    OPTIONS[each]["workers"] = 2

STATS = """
import json, socket
stream = socket.socket(socket.AF_UNIX)
stream.connect("/tmp/stats.sock")
said = b"".join(iter(lambda: stream.recv(65536), b""))
print(len(json.loads(said)["workers"]))
"""
READ = """
import sys
from oslo_config import cfg
found = cfg.ConfigOpts()
found.register_opt(cfg.IntOpt("max_logfile_count"))
found(["--config-file", sys.argv[1]], default_config_dirs=[])
print(found.max_logfile_count)
"""
ANSWER = """
import socket, struct, sys
query = struct.pack(">HHHHHH", 7, 0, 1, 0, 0, 0) + b"\\x09cachesize\\x04bind\\0" + struct.pack(">HH", 16, 3)
stream = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
stream.settimeout(5)
stream.sendto(query, (sys.argv[1], 53))
print(stream.recv(512)[-4:].decode())
"""
PAGE = "import sys, urllib.request as r; print(r.urlopen(sys.argv[1], timeout=5).read().decode())"
SETTINGS = """
import socket, sys
stream = socket.socket(socket.AF_UNIX)
stream.connect(sys.argv[1])
stream.sendall(b"stats settings\\r\\nquit\\r\\n")
print(b"".join(iter(lambda: stream.recv(65536), b"")).decode())
"""


@pytest.fixture(scope="module")
def told(cloud: CloudUnderTest) -> Iterator[CloudUnderTest]:
    """The cloud with an option of every service set; as it was afterwards."""
    text = cloud.settings.read_text()
    cloud.configure(yaml.safe_dump({"services": OPTIONS}))
    try:
        cloud.run("up", timeout=1800)
        yield cloud
    finally:
        cloud.settings.write_text(text)
        cloud.run("up", timeout=1800)
        forgotten = cloud.client("compute", "service", "list", "-f", "json").stdout
        for service in json.loads(forgotten):
            if service["Host"].endswith("-fake"):
                cloud.client("compute", "service", "delete", str(service["ID"]))


def inside(cloud: CloudUnderTest, service: str, *argv: str) -> str:
    """Standard output of a command in the running container."""
    return cloud.node("podman", "exec", f"hotstack-os-{service}", *argv)


def _dnsmasq(cloud: CloudUnderTest) -> None:
    assert cloud.node("python3", "-c", ANSWER, str(cloud.wanted.networks.dns)).strip() == "1234"


def _haproxy(cloud: CloudUnderTest) -> None:
    where = f"http://{cloud.wanted.networks.gateway}:{cloud.wanted.ports['stats']}/stats"
    page = cloud.node("python3", "-c", PAGE, where)
    assert "<b>maxconn = </b> 4321" in page
    assert "nbthread = 3" in page
    assert "timeout client 7341s" in inside(cloud, "haproxy", "cat", "/etc/haproxy/haproxy.cfg")


def _mariadb(cloud: CloudUnderTest) -> None:
    query = ("mariadb", "--socket=/run/mysqld/mysqld.sock", "-N", "-e", "SELECT @@max_connections")
    assert cloud.node("podman", "exec", "--user=0", "hotstack-os-mariadb", *query).strip() == "543"


def _rabbitmq(cloud: CloudUnderTest) -> None:
    query = ("/usr/lib/rabbitmq/bin/rabbitmqctl", "-q", "eval", "application:get_env(rabbit, heartbeat).")
    assert inside(cloud, "rabbitmq", *query).strip() == "{ok,77}"


def _memcached(cloud: CloudUnderTest) -> None:
    said = cloud.node("python3", "-c", SETTINGS, MEMCACHED.on_node)
    assert "STAT item_size_max 2097152" in said
    assert "STAT num_threads 2\n" in said


def _levels(service: str, socket: str) -> Callable[[CloudUnderTest], None]:
    def check(cloud: CloudUnderTest) -> None:
        said = inside(cloud, service, "ovs-appctl", "-t", f"{SOCKETS}/{socket}.ctl", "vlog/list")
        (line,) = [line for line in said.splitlines() if line.split()[:1] == ["lockfile"]]
        assert line.split()[1] == "EMER"

    return check


def _northd(cloud: CloudUnderTest) -> None:
    _levels("ovn-northd", "northd")(cloud)
    asked = ("ovs-appctl", "-t", f"{SOCKETS}/northd.ctl", "parallel-build/get-n-threads")
    assert inside(cloud, "ovn-northd", *asked).strip() == "2"


ASKED: dict[str, Callable[[CloudUnderTest], None]] = {
    "dnsmasq": _dnsmasq,
    "haproxy": _haproxy,
    "mariadb": _mariadb,
    "rabbitmq": _rabbitmq,
    "memcached": _memcached,
    "ovn-nb-db": _levels("ovn-nb-db", "nb"),
    "ovn-sb-db": _levels("ovn-sb-db", "sb"),
    "ovn-northd": _northd,
    "ovn-controller": _levels("ovn-controller", "controller"),
}


def test_every_service_has_an_option_here() -> None:
    assert OPTIONS.keys() == set(SERVICES)
    assert ASKED.keys() | set(OSLO) == set(SERVICES)


def test_all_of_them_are_healthy_with_it(told: CloudUnderTest) -> None:
    found = {each["name"]: each["health"] for each in told.json("status")["services"]}
    assert found == dict.fromkeys(SERVICES, "healthy")


@pytest.mark.parametrize("service", ASKED)
def test_the_program_says_what_was_set(service: str, told: CloudUnderTest) -> None:
    ASKED[service](told)


@pytest.mark.parametrize("service", OSLO)
def test_oslo_config_reads_what_was_set(service: str, told: CloudUnderTest) -> None:
    """By OpenStack's own reader, in the running container, from the file that it was started with."""
    (path,) = (file.path for file in registry.services()[service].config if file.options and not file.options.sections)
    assert inside(told, service, PYTHON, "-c", READ, path).strip() == str(PLANTED)


@pytest.mark.parametrize("service", APIS)
def test_uwsgi_says_what_was_set(service: str, told: CloudUnderTest) -> None:
    """It answers where it was told to tell of itself, and has as many workers as were asked for."""
    assert inside(told, service, PYTHON, "-c", STATS).strip() == "2"


@pytest.mark.parametrize("service", FORKING)
def test_as_many_workers_run_as_were_asked_for(service: str, told: CloudUnderTest) -> None:
    count = f"for each in /proc/[0-9]*; do tr '\\0' ' ' < $each/cmdline; echo; done | grep -cE '(^|[/ ]){service}'"
    assert inside(told, service, "sh", "-c", count).strip() == "3"  # with the one that starts them


def test_an_option_that_uwsgi_does_not_know_is_refused_by_name(told: CloudUnderTest) -> None:
    """Where it is not strict, it would be a text that others may quote."""
    script = "sed s/harakiri/harakri/ /etc/uwsgi.ini > /tmp/wrong.ini; uwsgi --ini /tmp/wrong.ini 2>&1"
    done = told.run("box", "enter", "--", "podman", "exec", "hotstack-os-glance", "sh", "-c", script, accept=(1,))
    assert "[strict-mode] unknown config directive: harakri" in done.stdout
