"""The control plane through its public APIs: what an administrator and a plain user do with each service."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hotstack_os.bootstrap.identity import IDENTITY, IdentityHandler
from hotstack_os.core.encoding import state_from_json, to_json
from hotstack_os.core.model import Present, Ref, Resource, Value
from hotstack_os.core.plan import Action
from hotstack_os.deploy.machine import node_of
from hotstack_os.deploy.node import access_of
from hotstack_os.deploy.places import known_context
from hotstack_os.exec.wait import until
from hotstack_os.settings.secrets import Vault
from system.conftest import CloudUnderTest

TEMPLATE = """heat_template_version: 2021-04-16
resources:
  word: {type: OS::Heat::RandomString, properties: {length: 12}}
  net: {type: OS::Neutron::Net, properties: {name: of-a-stack}}
  subnet: {type: OS::Neutron::Subnet, properties: {network: {get_resource: net}, cidr: 192.168.55.0/24}}
outputs:
  word: {value: {get_attr: [word, value]}}
"""
RAW = ("--disk-format", "raw", "--container-format", "bare")
PORTS = {"identity": "keystone", "image": "glance", "placement": "placement", "network": "neutron", "compute": "nova",
         "block-storage": "cinder", "orchestration": "heat", "cloudformation": "heat-cfn"}  # fmt: skip
"""Type of a service in Keystone → name of its port in the settings."""
PASSWORD = "a-plain-user-of-the-tests"


def wait_for(cloud: CloudUnderTest, thing: tuple[str, ...], name: str, field: str, wanted: str, seconds: float) -> Any:
    """The thing, once its field has the wanted value."""

    def look() -> Any:
        shown = cloud.openstack(*thing, "show", name)
        assert "error" not in str(shown[field]).lower() and "fail" not in str(shown[field]).lower(), shown  # noqa: PT018
        return shown if shown[field] == wanted else None

    return until(look, f"{' '.join(thing)} {name} {wanted}", seconds=seconds, step=1)


def test_services_and_endpoints_are_registered(cloud: CloudUnderTest) -> None:
    types = {each["Type"] for each in cloud.openstack("service", "list")}
    assert types == PORTS.keys()
    endpoints = cloud.openstack("endpoint", "list")
    assert {each["Interface"] for each in endpoints} == {"public", "internal", "admin"}
    wanted = cloud.wanted
    ports = {type_: wanted.ports[name] for type_, name in PORTS.items()}
    for each in endpoints:
        assert f".{wanted.domain}:{ports[each['Service Type']]}/" in f"{each['URL']}/", each
    assert {each["Region"] for each in endpoints} == {wanted.region}


def test_workers_report(cloud: CloudUnderTest) -> None:
    compute = {each["Binary"]: each["State"] for each in cloud.openstack("compute", "service", "list")}
    assert compute == {"nova-scheduler": "up", "nova-conductor": "up", "nova-compute": "up"}
    volume = {each["Binary"]: each["State"] for each in cloud.openstack("volume", "service", "list")}
    assert volume == {"cinder-scheduler": "up", "cinder-volume": "up"}
    assert {each["Status"] for each in cloud.openstack("orchestration", "service", "list")} == {"up"}
    agents = {each["Binary"]: each["Alive"] for each in cloud.openstack("network", "agent", "list")}
    assert agents == {"ovn-controller": True, "neutron-ovn-agent": True}


def test_an_image_comes_back_as_it_was_sent(cloud: CloudUnderTest, tmp_path: Path) -> None:
    sent, back = tmp_path / "sent", tmp_path / "back"
    sent.write_bytes(os.urandom(5_000_000))
    cloud.openstack(
        "image", "create", "--disk-format", "raw", "--container-format", "bare", "--file", str(sent), "bytes"
    )
    try:
        cloud.client("image", "save", "--file", str(back), "bytes")
        assert hashlib.sha256(back.read_bytes()).digest() == hashlib.sha256(sent.read_bytes()).digest()
    finally:
        cloud.client("image", "delete", "bytes")


@pytest.mark.long
def test_networks_routers_and_ports(cloud: CloudUnderTest) -> None:
    made = cloud.openstack("network", "create", "net-a")
    assert made["provider:network_type"] == "geneve"
    cloud.openstack("subnet", "create", "--network", "net-a", "--subnet-range", "192.168.77.0/24", "sub-a")
    cloud.openstack("router", "create", "router-a")
    cloud.client("router", "add", "subnet", "router-a", "sub-a")
    port = cloud.openstack("port", "create", "--network", "net-a", "port-a")
    assert port["fixed_ips"][0]["ip_address"].startswith("192.168.77.")
    cloud.client("port", "delete", "port-a")
    cloud.client("router", "remove", "subnet", "router-a", "sub-a")
    cloud.client("router", "delete", "router-a")
    cloud.client("network", "delete", "net-a")


def test_a_volume_lives_as_a_file_in_the_share(cloud: CloudUnderTest) -> None:
    identity = cloud.openstack("volume", "create", "--size", "1", "vol-a")["id"]
    wait_for(cloud, ("volume",), "vol-a", "status", "available", 60)
    share = cloud.wanted.paths.volumes
    assert identity in cloud.shell(f"ls {share}")
    cloud.client("volume", "delete", "vol-a")
    until(lambda: not cloud.openstack("volume", "list"), "the volume gone", seconds=60, step=1)
    assert identity not in cloud.shell(f"ls {share}")


def test_a_stack_is_made_and_unmade(cloud: CloudUnderTest, tmp_path: Path) -> None:
    template = tmp_path / "stack.yaml"
    template.write_text(TEMPLATE)
    cloud.openstack("stack", "create", "--template", str(template), "stack-a")
    wait_for(cloud, ("stack",), "stack-a", "stack_status", "CREATE_COMPLETE", 90)
    assert len(cloud.openstack("stack", "output", "show", "stack-a", "word")["output_value"]) == 12
    assert "of-a-stack" in {each["Name"] for each in cloud.openstack("network", "list")}
    cloud.client("stack", "delete", "--yes", "--wait", "stack-a")
    assert "of-a-stack" not in {each["Name"] for each in cloud.openstack("network", "list")}


@pytest.fixture
def plain(cloud: CloudUnderTest) -> Iterator[tuple[str, ...]]:
    """Arguments that make the client a plain member of a project of its own."""
    cloud.openstack("project", "create", "plain")
    cloud.openstack("user", "create", "--project", "plain", "--password", PASSWORD, "plain")
    cloud.client("role", "add", "--project", "plain", "--user", "plain", "member")
    yield ("--os-username", "plain", "--os-password", PASSWORD, "--os-project-name", "plain")
    cloud.client("user", "delete", "plain")
    cloud.client("project", "delete", "plain")


def test_a_plain_user_may_what_is_his_and_no_more(cloud: CloudUnderTest, plain: tuple[str, ...]) -> None:
    assert cloud.client(*plain, "network", "create", "mine").returncode == 0
    assert cloud.client(*plain, "network", "delete", "mine").returncode == 0
    for refused in (
        ("user", "list"),
        ("compute", "service", "list"),
        ("volume", "service", "list"),
        ("network", "create", "--external", "theirs"),
        ("flavor", "create", "--ram", "64", "--disk", "1", "--vcpus", "1", "theirs"),
        ("image", "create", "--public", "theirs"),
    ):
        said = cloud.client(*plain, *refused, accept=(1,)).stderr
        assert "403" in said or "not authorized" in said, said


@pytest.mark.long
def test_a_server_becomes_active(cloud: CloudUnderTest, tmp_path: Path) -> None:
    disk = tmp_path / "empty"
    disk.touch()
    os.truncate(disk, 16 << 20)
    cloud.openstack(
        "image", "create", "--disk-format", "raw", "--container-format", "bare", "--file", str(disk), "empty"
    )
    cloud.openstack("flavor", "create", "--ram", "64", "--disk", "1", "--vcpus", "1", "nano")
    cloud.openstack("network", "create", "of-a-server")
    cloud.openstack("subnet", "create", "--network", "of-a-server", "--subnet-range", "192.168.88.0/24", "of-a-server")
    cloud.openstack("server", "create", "--image", "empty", "--flavor", "nano", "--network", "of-a-server", "server-a")
    wait_for(cloud, ("server",), "server-a", "status", "ACTIVE", 120)
    domains = cloud.node("podman", "exec", "hotstack-os-nova-compute", "virsh", "list", "--name").split()
    assert len(domains) == 1
    process = cloud.shell("grep CapEff /proc/$(pgrep qemu-system)/status")
    assert process.split() == ["CapEff:", "0000000000000000"]
    cloud.client("server", "delete", "--wait", "server-a")
    assert cloud.node("podman", "exec", "hotstack-os-nova-compute", "virsh", "list", "--all", "--name").split() == []
    assert "tap" not in cloud.node("ovs-vsctl", "list-ports", "hot-int")
    cloud.client("network", "delete", "of-a-server")
    cloud.client("flavor", "delete", "nano")
    cloud.client("image", "delete", "empty")


def test_a_user_who_was_there_before_is_given_back(cloud: CloudUnderTest) -> None:
    """Rights and whether it may log in, as they were; a password is known by nobody, and stays."""
    settings = cloud.wanted
    name, ref = "a-user-of-the-tests", Ref(IDENTITY, "user/a-user-of-the-tests", "node")
    password = Vault.open(cloud.state).secret("keystone-glance")
    with node_of(settings) as host:
        access = access_of(known_context(settings))
        handler = IdentityHandler(host, access, access.admin(host))
        cloud.client("user", "create", "--disable", "--password", PASSWORD, name)
        try:
            (before,) = handler.observe([Resource(ref, {"password": password})]).values()
            assert isinstance(before, Present)
            assert (before.state["enabled"], before.state["roles"]) == (False, ())
            state: dict[str, Value] = {
                "enabled": True,
                "roles": ("service@service",),
                "never locked": True,
                "password": password,
            }
            ours = Resource(ref, state)
            handler.apply(Action("update", ours, before.state, ()))
            again = IdentityHandler(host, access, access.admin(host))  # one thing alone is not looked at afresh
            (seen,) = again.observe([ours]).values()
            assert seen == Present(ours.state)
            former = Resource(ref, state_from_json(to_json(before.state)))  # as the journal keeps it
            again.apply(Action("restore", former, ours.state, ()))
            (after,) = IdentityHandler(host, access, access.admin(host)).observe([Resource(ref)]).values()
            assert after == Present({"enabled": False, "roles": (), "never locked": False})
        finally:
            cloud.client("user", "delete", name)
