"""A server in all the states that Nova knows: it is reached again after each, with the data on its disk."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from xml.etree import ElementTree

import pytest

from hotstack_os.exec.wait import until
from system.conftest import CloudUnderTest
from system.servers import Server, stack

pytestmark = pytest.mark.long
STACK = "test-lifecycle"
NAME = "life"
TEMPLATE = """
heat_template_version: 2021-04-16
parameters:
  public_key: {type: string}
resources:
  key:
    type: OS::Nova::KeyPair
    properties: {name: test-lifecycle, public_key: {get_param: public_key}}
  group:
    type: OS::Neutron::SecurityGroup
    properties: {rules: [{protocol: icmp}, {protocol: tcp, port_range_min: 22, port_range_max: 22}]}
  network: {type: OS::Neutron::Net}
  subnet:
    type: OS::Neutron::Subnet
    properties: {network: {get_resource: network}, cidr: 192.168.80.0/24}
  router:
    type: OS::Neutron::Router
    properties: {external_gateway_info: {network: public}}
  interface:
    type: OS::Neutron::RouterInterface
    properties: {router: {get_resource: router}, subnet: {get_resource: subnet}}
  port: &port
    type: OS::Neutron::Port
    depends_on: subnet
    properties: {network: {get_resource: network}, security_groups: [{get_resource: group}]}
  other_port: *port
  floating:
    type: OS::Neutron::FloatingIP
    depends_on: interface
    properties: {floating_network: public, port_id: {get_resource: port}}
  other_floating:
    type: OS::Neutron::FloatingIP
    depends_on: interface
    properties: {floating_network: public, port_id: {get_resource: other_port}}
  server:
    type: OS::Nova::Server
    properties:
      name: life
      image: hotstack-guest
      flavor: hotstack.tiny
      key_name: {get_resource: key}
      networks: [{port: {get_resource: port}}]
outputs:
  life: {value: [{get_attr: [port, fixed_ips, 0, ip_address]}, {get_attr: [floating, floating_ip_address]}]}
  other:
    value: [{get_attr: [other_port, fixed_ips, 0, ip_address]}, {get_attr: [other_floating, floating_ip_address]}]
  other_port: {value: {get_resource: other_port}}
"""
WAYS: dict[str, tuple[tuple[str, ...], ...]] = {
    "soft reboot": (("reboot", "--soft", "--wait"),),
    "hard reboot": (("reboot", "--hard", "--wait"),),
    "pause": (("pause",), ("unpause",)),
    "suspend": (("suspend",), ("resume",)),
    "stop": (("stop",), ("start",)),
    "shelve": (("shelve", "--wait"), ("unshelve", "--wait")),
    "resize": (("resize", "--flavor", "hotstack.small", "--wait"), ("resize", "confirm")),
}
AFTER = {
    "pause": "PAUSED",
    "suspend": "SUSPENDED",
    "stop": "SHUTOFF",
    "shelve": "SHELVED_OFFLOADED",
    "resize": "VERIFY_RESIZE",
}


@pytest.fixture(scope="module")
def lab(cloud: CloudUnderTest) -> Iterator[tuple[Server, Server, str]]:
    """The server, where another one can be reached, and the port for that one."""
    with stack(cloud, STACK, TEMPLATE) as outputs:
        server = Server(cloud, NAME, *outputs[NAME])
        server.wait()
        yield server, Server(cloud, "other", *outputs["other"]), outputs["other_port"]


def status(server: Server) -> str:
    return str(server.cloud.openstack("server", "show", NAME)["status"])


def becomes(server: Server, wanted: str) -> None:
    until(lambda: status(server) == wanted, f"{NAME} to be {wanted}", seconds=180, step=1, last=lambda: status(server))


@pytest.mark.parametrize("way", WAYS)
def test_it_is_reached_again_with_its_data(lab: tuple[Server, Server, str], way: str) -> None:
    server, _, _ = lab
    server.ssh(f"echo {way.replace(' ', '-')} > /disk/kept && sync")
    for number, (verb, *words) in enumerate(WAYS[way]):
        server.cloud.client("server", verb, *words, NAME)
        becomes(server, AFTER[way] if number == 0 and way in AFTER else "ACTIVE")
    server.wait()
    assert server.ssh("cat /disk/kept") == f"{way.replace(' ', '-')}\n"
    flavor = server.cloud.openstack("flavor", "show", "hotstack.small" if way == "resize" else "hotstack.tiny")
    assert int(server.ssh("cat /sys/block/vda/size")) == flavor["disk"] * 1024**3 // 512
    memory = int(server.ssh("grep MemTotal /proc/meminfo").split()[1]) / 1024
    assert 0.75 * flavor["ram"] < memory < flavor["ram"]  # the kernel keeps some for itself


def domain(cloud: CloudUnderTest, name: str) -> ElementTree.Element:
    """What libvirt runs for a server."""
    identity = cloud.openstack("server", "show", name)["id"]
    text = cloud.node("podman", "exec", "hotstack-os-nova-compute", "virsh", "dumpxml", identity)
    return ElementTree.fromstring(text)  # noqa: S314 (our libvirt wrote it)


def disks(cloud: CloudUnderTest) -> dict[str, ElementTree.Element]:
    """Name of the device in the guest → the disk."""
    return {each.find("target").get("dev"): each for each in domain(cloud, NAME).iter("disk")}  # type: ignore[union-attr, misc]


def kept(server: Server) -> dict[str, str]:
    """What the file `kept` says on each of two disks; nothing where it is not."""
    look = "mount -t vfat /dev/{0}1 /mnt && (cat /mnt/kept 2> /dev/null || true) && umount /mnt"
    return {name: server.ssh(look.format(name)).strip() for name in ("vda", "vdb")}


def test_a_rescue_image_is_reached_and_sees_the_disk(lab: tuple[Server, Server, str]) -> None:
    server, _, _ = lab
    server.ssh("echo old > /disk/kept && sync")
    server.cloud.client("server", "rescue", NAME)
    becomes(server, "RESCUE")
    server.wait()
    # It starts from another disk, and has the server's own as its second.
    assert disks(server.cloud)["vda"].find("source").get("file").endswith("/disk.rescue")  # type: ignore[union-attr]
    assert kept(server) == {"vda": "", "vdb": "old"}
    server.cloud.client("server", "unrescue", NAME)
    becomes(server, "ACTIVE")
    server.wait()
    assert server.ssh("cat /disk/kept") == "old\n"


@contextmanager
def image_with(cloud: CloudUnderTest, name: str, **properties: str) -> Iterator[None]:
    """The guest's image once more, with other properties."""
    file = cloud.settings.with_name(f"{name}.qcow2")
    cloud.client("image", "save", "--file", str(file), "hotstack-guest")
    words = [word for key, value in properties.items() for word in ("--property", f"{key}={value}")]
    cloud.client("image", "create", "--file", str(file), "--disk-format", "qcow2", *words, name)
    file.unlink()
    try:
        yield
    finally:
        cloud.client("image", "delete", name)


def test_a_rescue_disk_may_stand_behind_the_servers_own(lab: tuple[Server, Server, str]) -> None:
    server, _, _ = lab
    cloud = server.cloud
    server.ssh("echo mine > /disk/kept && sync")
    with image_with(cloud, "stable-rescue", hw_rescue_device="disk", hw_rescue_bus="virtio"):
        cloud.client("server", "rescue", "--image", "stable-rescue", NAME)
        becomes(server, "RESCUE")
        assert [name for name, each in disks(cloud).items() if each.find("boot[@order='1']") is not None] == ["vdb"]
        server.wait()
        assert kept(server) == {"vda": "mine", "vdb": ""}
        cloud.client("server", "unrescue", NAME)
        becomes(server, "ACTIVE")
    server.wait()
    assert server.ssh("cat /disk/kept") == "mine\n"


def test_a_snapshot_makes_a_server_with_the_data(lab: tuple[Server, Server, str]) -> None:
    server, other, port = lab
    cloud = server.cloud
    server.ssh("echo in the snapshot > /disk/kept && sync")
    cloud.client("server", "image", "create", "--wait", "--name", "snapshot", NAME)
    server.ssh("echo later > /disk/kept && sync")
    try:
        # As large as it became by the resize.
        given = ("--image", "snapshot", "--flavor", "hotstack.small", "--port", port, "--key-name", STACK)
        cloud.client("server", "create", *given, "--wait", "from-snapshot")
        other.wait()
        assert other.ssh("cat /disk/kept") == "in the snapshot\n"
    finally:
        cloud.client("server", "delete", "--wait", "from-snapshot")
        cloud.client("image", "delete", "snapshot")


def test_a_server_starts_by_uefi_on_a_modern_board(lab: tuple[Server, Server, str]) -> None:
    server, other, port = lab
    cloud = server.cloud
    with image_with(cloud, "uefi", hw_firmware_type="uefi", hw_machine_type="q35"):
        given = ("--image", "uefi", "--flavor", "hotstack.tiny", "--port", port, "--key-name", STACK)
        try:
            cloud.client("server", "create", *given, "--wait", "by-uefi")
            other.wait()
            assert other.ssh("ls -d /sys/firmware/efi") == "/sys/firmware/efi\n"
            assert "q35" in str(domain(cloud, "by-uefi").find("os/type").get("machine"))  # type: ignore[union-attr]
        finally:
            cloud.client("server", "delete", "--wait", "by-uefi")


def test_a_rebuilt_server_is_as_its_image_says(lab: tuple[Server, Server, str]) -> None:
    server, _, _ = lab
    server.ssh("echo gone > /disk/kept && sync")
    server.cloud.client("server", "rebuild", "--wait", "--image", "hotstack-guest", NAME)
    server.wait()
    assert server.ssh("ls /disk/kept 2> /dev/null || true") == ""


def test_servers_of_a_group_that_keeps_them_apart_need_nodes_of_their_own(lab: tuple[Server, Server, str]) -> None:
    cloud = lab[0].cloud
    group = cloud.openstack("server", "group", "create", "--policy", "anti-affinity", "apart")["id"]
    given = ("--image", "hotstack-guest", "--flavor", "hotstack.tiny", "--nic", "none", "--hint", f"group={group}")
    try:
        cloud.client("server", "create", *given, "--wait", "apart-1")
        cloud.client("server", "create", *given, "--wait", "apart-2", accept=(1,))
        second = json.dumps(cloud.openstack("server", "show", "apart-2"))
        assert "No valid host" in second
    finally:
        cloud.client("server", "delete", "--wait", "apart-1", "apart-2")
        cloud.client("server", "group", "delete", group)


def test_a_deleted_server_is_gone_at_once(lab: tuple[Server, Server, str]) -> None:
    cloud = lab[0].cloud
    given = ("--image", "hotstack-guest", "--flavor", "hotstack.tiny", "--nic", "none")
    identity = cloud.openstack("server", "create", *given, "--wait", "short-lived")["id"]
    cloud.client("server", "delete", "--wait", identity)
    assert "No Server found" in cloud.client("server", "show", identity, accept=(1,)).stderr
    assert identity not in cloud.node("podman", "exec", "hotstack-os-nova-compute", "virsh", "list", "--all", "--uuid")
    assert identity not in cloud.shell(f"ls {cloud.wanted.paths.instances}")
