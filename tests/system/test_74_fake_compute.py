"""A second compute service on the same node, with Nova's fake driver: off by default, on when the settings name it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from system.conftest import CloudUnderTest

pytestmark = pytest.mark.long
FAKE = "hotstack-os-nova-compute-fake"


@pytest.fixture
def fake(cloud: CloudUnderTest) -> Iterator[str]:
    """The host name of the second compute service, while the settings name it; it is gone when they do no more."""
    text = cloud.settings.read_text()
    host = f"{cloud.node('hostname').strip()}-fake"
    cloud.configure("services: {nova-compute-fake: {}}\n")
    try:
        cloud.run("up")
        yield host
        (service,) = (each for each in cloud.openstack("compute", "service", "list") if each["Host"] == host)
    finally:
        cloud.settings.write_text(text)
        cloud.run("up")
    assert FAKE not in cloud.node("podman", "ps", "--all", "--format", "{{.Names}}")
    assert "nova-compute-fake" not in {each["name"] for each in cloud.json("status")["services"]}
    cloud.client("compute", "service", "delete", str(service["ID"]))


def test_two_compute_services_on_one_node_have_nothing_in_common(cloud: CloudUnderTest, fake: str) -> None:
    node = fake.removesuffix("-fake")
    hosts = {each["Host"] for each in cloud.openstack("compute", "service", "list", "--service", "nova-compute")}
    assert hosts == {node, fake}
    assert {each["Hypervisor Type"] for each in cloud.openstack("hypervisor", "list")} == {"QEMU", "fake"}
    health = {each["name"]: each["health"] for each in cloud.json("status")["services"]}
    assert health["nova-compute-fake"] == "healthy"
    identities = {cloud.shell(f"cat {cloud.wanted.paths.data}/{each}/compute_id") for each in ("nova", "nova-fake")}
    assert len(identities) == 2
    pushed = ("--os-compute-api-version", "2.74", "server", "create", "--host", fake, "--nic", "none")
    given = ("--image", "hotstack-guest", "--flavor", "hotstack.tiny", "--wait", "made-up", "-f", "value", "-c", "id")
    identity = cloud.client(*pushed, *given).stdout.split()[-1]
    try:
        shown = cloud.openstack("server", "show", identity)
        assert (shown["status"], shown["OS-EXT-SRV-ATTR:host"]) == ("ACTIVE", fake)
        assert identity not in cloud.node("podman", "exec", "hotstack-os-nova-compute", "virsh", "list", "--uuid")
    finally:
        cloud.client("server", "delete", "--wait", identity)
