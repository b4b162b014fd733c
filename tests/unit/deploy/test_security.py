"""What docs/SECURITY.md says is what the catalogue says."""

from __future__ import annotations

from pathlib import Path

import pytest

from hotstack_os.catalogue import registry
from hotstack_os.deploy.rights import LOOPBACK, Door, node_doors, rights
from hotstack_os.deploy.security import context_of, markdown
from hotstack_os.settings.cloud import Cloud
from hotstack_os.settings.loading import load

PAGE = Path(__file__).parents[3] / "docs/SECURITY.md"


@pytest.fixture(scope="module")
def cloud() -> Cloud:
    return load(None, {}, registry.takes())


def test_the_page_in_the_repository_is_the_generated_one() -> None:
    regenerate = "PYTHONPATH=src python -c 'from hotstack_os.deploy.security import *; print(markdown(), end=\"\")'"
    assert PAGE.read_text() == markdown(), f"{regenerate} > docs/SECURITY.md"


def test_every_service_has_its_row() -> None:
    for name in registry.services():
        assert f"| `{name}` |" in markdown()


def test_only_four_have_all_rights_and_only_two_have_some(cloud: Cloud) -> None:
    context = context_of(cloud)
    found = {name: rights(each, context).powers for name, each in registry.services(cloud).items()}
    assert {name for name, powers in found.items() if powers is None} == {
        "nova-compute", "ovn-controller", "neutron-ovn-agent", "cinder-volume",
    }  # fmt: skip
    assert {name for name, powers in found.items() if powers} == {"dnsmasq"}


def test_the_doors_of_a_node_follow_from_settings(cloud: Cloud) -> None:
    doors = node_doors(registry.services(cloud).values(), context_of(cloud))
    assert doors[Door("tcp", "172.31.0.129", 5000)] == "haproxy"
    assert {door.port for door in doors} == {53, *cloud.ports.values()}
    assert {door.protocol for door in doors if door.port == 53} == {"tcp", "udp"}


def test_memcached_has_no_door_and_nobody_else_speaks_erlang(cloud: Cloud) -> None:
    context, services = context_of(cloud), registry.services(cloud)
    assert rights(services["memcached"], context).doors == frozenset()
    outside = {door.port for door in rights(services["rabbitmq"], context).doors if door.address != LOOPBACK}
    assert outside == {5672}


def test_a_service_asks_for_no_secret_of_another(cloud: Cloud) -> None:
    found = {name: rights(each, context_of(cloud)).secrets for name, each in registry.services(cloud).items()}
    assert found["glance"] == ("database-glance", "keystone-glance", "token-cache-glance")
    assert found["memcached"] == found["haproxy"] == ()
