"""What the components say of each other is true."""

from __future__ import annotations

import configparser
from collections import Counter
from contextlib import suppress

import pytest

from hotstack_os.catalogue.context import MEMCACHED
from hotstack_os.catalogue.images import IMAGES
from hotstack_os.catalogue.spec import Service
from hotstack_os.settings.rules import SERVICES_END
from unit.catalogue import world

ALL: dict[str, Service] = {
    service.name: service for component in world.COMPONENTS for service in component.services
} | {service.name: service for service in world.COMPUTE}
DATABASES = {each.name: each for component in world.COMPONENTS for each in component.databases}
USERS = {image.name: image.user for image in IMAGES}

# The table of the cloud's services: address, and who runs on the node's own network as root with all rights.
OFFSETS = {
    "mariadb": 3, "rabbitmq": 4, "memcached": 5, "haproxy": 6, "keystone": 11, "glance": 12, "placement": 13,
    "nova-api": 21, "nova-conductor": 22, "nova-scheduler": 23, "nova-api-metadata": 25,
    "nova-novncproxy": 26, "nova-compute-fake": 27,
    "ovn-northd": 31, "neutron-server": 32, "ovn-nb-db": 33, "ovn-sb-db": 34, "neutron-periodic-workers": 35,
    "neutron-ovn-maintenance-worker": 36, "cinder-api": 41, "cinder-scheduler": 42, "heat-api": 51,
    "heat-api-cfn": 52, "heat-engine": 53,
}  # fmt: skip
PRIVILEGED = {"nova-compute", "ovn-controller", "neutron-ovn-agent", "cinder-volume"}


def test_every_service_has_its_address() -> None:
    assert {name: service.offset for name, service in ALL.items() if service.offset is not None} == OFFSETS


def test_addresses_are_unique_and_in_the_range_of_services() -> None:
    offsets = Counter(service.offset for service in ALL.values() if service.offset is not None)
    assert [offset for offset, count in offsets.items() if count > 1] == []
    assert max(offsets) < SERVICES_END


def test_only_four_services_are_privileged() -> None:
    assert {name for name, service in ALL.items() if service.privileged} == PRIVILEGED
    assert all(ALL[name].uid == 0 and ALL[name].offset is None for name in PRIVILEGED)


@pytest.mark.parametrize("service", [each for each in ALL.values() if not each.privileged], ids=lambda each: each.name)
def test_all_others_run_as_the_user_of_their_image(service: Service) -> None:
    user = USERS[service.image]
    assert user is not None
    # dnsmasq binds its port as root and becomes its user.
    assert service.uid == (0 if service.name == "dnsmasq" else user.uid)
    assert service.read_only


def test_what_services_name_exists() -> None:
    for service in ALL.values():
        assert service.image in USERS
        assert set(service.after) <= set(ALL), service.name
        assert set(service.databases) <= set(DATABASES), service.name
    for database in DATABASES.values():
        assert database.service in ALL


def test_no_service_waits_for_itself() -> None:
    def above(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, path
        for each in ALL[name].after:
            above(each, (*path, name))

    for name in ALL:
        above(name, ())


def test_every_port_of_the_settings_has_its_api() -> None:
    apis = {service.api.name for service in ALL.values() if service.api}
    assert apis | {"stats"} == set(world.cloud().ports)
    endpoints = {each.api for component in world.COMPONENTS for each in component.endpoints}
    assert endpoints <= apis


def test_schemas_are_applied_with_the_database_of_that_name() -> None:
    """The tools take the database of the configuration that they are lent, whatever the catalogue calls it."""
    containers = world.node().containers
    for database in DATABASES.values():
        texts = [hidden.reveal() for hidden in containers[database.service].secrets.values()]
        assert any(f"/{database.name}?" in text for text in texts), database.name


def test_a_user_of_a_database_reaches_only_its_own() -> None:
    for name, container in world.compute_node().containers.items():
        for hidden in container.secrets.values():
            for line in hidden.reveal().splitlines():
                if line.startswith("connection = mysql"):
                    database = DATABASES[line.rpartition("/")[2].partition("?")[0]]
                    assert f"//{database.user}:<database-{database.user}>@" in line, name


def test_compute_services_have_no_database() -> None:
    containers = world.compute_node().containers
    for service in world.COMPUTE:
        assert not [hidden for hidden in containers[service.name].secrets.values() if "mysql" in hidden.reveal()]


def test_names_of_queues_and_accounts_are_those_that_configurations_use() -> None:
    accounts = {each.name for component in world.COMPONENTS for each in component.accounts}
    queues = {each for component in world.COMPONENTS for each in component.queues}
    domains = {each.administrator for component in world.COMPONENTS for each in component.domains}
    text = "\n".join(
        hidden.reveal()
        for container in world.compute_node().containers.values()
        for hidden in container.secrets.values()
    )
    assert {word.partition(">")[0] for word in text.split("<keystone-")[1:]} == accounts | domains
    assert {word.partition(">")[0] for word in text.split("<rabbitmq-")[1:]} - {"health"} == queues


def test_cells_hold_no_password() -> None:
    for component in world.COMPONENTS:
        for cell in component.cells:
            assert cell.database in DATABASES
            assert "{password}" in cell.connection
            assert cell.transport == "none:///" or "{password}" in cell.transport


def test_other_settings_reach_every_file() -> None:
    """A cloud with other networks, paths, ports, domain and region mentions none of the default ones."""
    other = world._node(
        (*world.COMPONENTS,),
        networks={"containers": "10.9.0.0/25", "provider": "10.9.0.128/25", "mtu": 9000, "vlans": [300, 310]},
        paths={"data": "/srv/other"},
        domain="cloud.example",
        region="Elsewhere",
        ports={name: port + 10000 for name, port in world.cloud().ports.items()},
    )
    for name, container in other.containers.items():
        texts = [*container.files.values(), *(hidden.reveal() for hidden in container.secrets.values())]
        for text in texts:
            for old in ("172.31.", "/var/lib/hotstack-os", "hotstack-os.local", "RegionOne", "= 1500", "100:200"):
                assert old not in text, (name, old)


def test_on_a_slower_machine_services_wait_longer_for_keystone() -> None:
    """Logins are bcrypt hashes, and all services come at once: who gives up early makes Keystone hash for nobody."""
    assert "http_connect_timeout = 10\n" in world.node().containers["glance"].files["/etc/glance/glance-api.conf"]
    slow = world.node(patience=2.5).containers["glance"].files
    assert "http_connect_timeout = 25\n" in slow["/etc/glance/glance-api.conf"]


def test_options_of_the_user_win() -> None:
    mine = {"DEFAULT": {"debug": True}, "ml2": {"path_mtu": 1400}}
    said = {"neutron-server": {"config": mine, "workers": 3, "threads": 7}}
    files = world.node(services=said).containers["neutron-server"].files
    assert "debug = true" in files["/etc/neutron/neutron.conf"]
    assert "path_mtu = 1400" in files["/etc/neutron/neutron.conf"]
    assert "processes = 3\nthreads = 7" in files["/etc/uwsgi.ini"]


def test_keystone_serves_one_request_at_a_time_in_each_process() -> None:
    files = world.node(services={"keystone": {"threads": 7}}).containers["keystone"].files
    assert "processes = 2\nthreads = 1\n" in files["/etc/uwsgi.ini"]


def test_memcached_is_reached_by_those_that_use_it_and_by_nobody_else() -> None:
    """Its only door is a socket in a directory that is mounted where the configuration names it."""
    memcached = ALL["memcached"]
    assert memcached.port == 0
    assert not {"-l", "-p", "-U"} & set(memcached.command)
    for name, container in world.compute_node().containers.items():
        uses = any(MEMCACHED.url in text for text in container.files.values())
        mounted = [each for each in ALL[name].mounts if each.source == MEMCACHED.directory]
        assert bool(mounted) == (uses or name == "memcached"), name
        assert ("memcached" in ALL[name].after) == uses, name
        assert all(each.writable == (name == "memcached") for each in mounted), name


def test_what_is_in_memcached_is_only_for_the_user_who_put_it_there() -> None:
    containers = world.compute_node().containers
    keys: dict[str, set[int]] = {}
    for name, container in containers.items():
        public = ini(*container.files.values())
        secret = ini(*(hidden.reveal() for hidden in container.secrets.values()))
        if public.has_option("cache", "backend"):
            keys.setdefault(container.secrets["/etc/hotstack/cache.key"].reveal(), set()).add(ALL[name].uid)
        if public.has_option("keystone_authtoken", "memcached_servers"):
            assert public["keystone_authtoken"]["memcache_security_strategy"] == "ENCRYPT", name
            keys.setdefault(secret["keystone_authtoken"]["memcache_secret_key"], set()).add(ALL[name].uid)
    assert len(keys) >= 8
    assert all(len(users) == 1 for users in keys.values()), keys


def ini(*texts: str) -> configparser.ConfigParser:
    """All that is ini among these texts."""
    parser = configparser.ConfigParser(interpolation=None, strict=False, default_section="nothing")
    for text in texts:
        with suppress(configparser.Error):
            parser.read_string(text)
    return parser
