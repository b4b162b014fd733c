"""Automation that was written for such a cloud runs unchanged: its templates, their user data, signals and life."""

from __future__ import annotations

import base64
import email
import json
from collections.abc import Iterator
from email.message import Message
from pathlib import Path
from typing import Any

import pytest
import yaml

from hotstack_os.exec.wait import until
from system.conftest import CloudUnderTest
from system.servers import KEY, Server
from system.things import new, things

STACK, PAIR = "automation", "automation"
HERE = Path(__file__).parent
TEMPLATE = HERE / "automation.yaml"


def user(cloud: CloudUnderTest, *words: str, accept: tuple[int, ...] = (0,)) -> str:
    """What the client says to the user, who is found in clouds.yaml by the cloud's name."""
    return cloud.client("--os-cloud", cloud.name, *words, accept=accept).stdout


def data(cloud: CloudUnderTest, *words: str) -> Any:
    return json.loads(user(cloud, *words, "-f", "json"))


def everything(cloud: CloudUnderTest) -> dict[str, set[str]]:
    """Everything in the user's project, and what Heat keeps for stacks in a domain of its own."""
    found = things(cloud)
    for kind in ("user", "project"):
        found[f"Heat's {kind}s"] = {each["ID"] for each in cloud.openstack(kind, "list", "--domain", "heat")}
    found["trusts"] = {each["ID"] for each in cloud.openstack("trust", "list")}
    return found


@pytest.fixture(scope="module")
def pair(cloud: CloudUnderTest) -> Iterator[str]:
    """A key pair of the user's, which is there before the stack and after it."""
    public = cloud.settings.with_name("automation.pub")
    public.write_text(cloud.shell(f"test -e {KEY} || ssh-keygen -q -t ed25519 -N '' -f {KEY}; cat {KEY}.pub"))
    user(cloud, "keypair", "create", "--public-key", str(public), PAIR)
    yield PAIR
    user(cloud, "keypair", "delete", PAIR)


@pytest.fixture(scope="module")
def before(cloud: CloudUnderTest, pair: str) -> dict[str, set[str]]:
    return everything(cloud)


@pytest.fixture(scope="module")
def stack(cloud: CloudUnderTest, pair: str, before: dict[str, set[str]]) -> Iterator[dict[str, Any]]:
    """The outputs of the stack, which is complete only when the guest has sent its signals."""
    keys = ("--parameter", f"key_name={pair}")
    try:
        user(cloud, "stack", "create", "--wait", "--template", str(TEMPLATE), *keys, STACK)
        yield outputs(cloud)
    finally:
        if any(each.startswith(f"{STACK} ") for each in things(cloud)["stacks"]):
            user(cloud, "stack", "delete", "--yes", "--wait", STACK)


def outputs(cloud: CloudUnderTest) -> dict[str, Any]:
    shown = data(cloud, "stack", "show", STACK)
    return {each["output_key"]: each["output_value"] for each in shown["outputs"]}


@pytest.fixture(scope="module")
def guest(cloud: CloudUnderTest, stack: dict[str, Any]) -> Server:
    server = Server(cloud, "controller", stack["fixed"], stack["floating"])
    server.wait()
    return server


@pytest.fixture(scope="module")
def parts(guest: Server) -> list[Message]:
    """The parts of the user data that the metadata service gives to the guest."""
    raw = base64.b64decode(guest.ssh("wget -q -O - http://169.254.169.254/openstack/latest/user_data | base64"))
    message = email.message_from_bytes(raw)
    assert message.get_content_type() == "multipart/mixed"
    return [part for part in message.walk() if not part.is_multipart()]


def text(part: Message) -> str:
    payload = part.get_payload(decode=True)
    assert isinstance(payload, bytes)
    return payload.decode()


def resource(name: str) -> Any:
    return yaml.safe_load(TEMPLATE.read_text())["resources"][name]["properties"]


def test_parts_of_user_data_arrive_in_order_and_as_they_were_sent(parts: list[Message]) -> None:
    kinds = [(part.get_content_type(), part.get_filename()) for part in parts]
    assert kinds == [("text/cloud-config", None), ("text/x-shellscript", "first.sh"), ("text/x-shellscript", None)]
    head, _, body = text(parts[0]).partition("\n")
    assert head == "#cloud-config"
    assert yaml.safe_load(body) == resource("users")["cloud_config"]
    assert text(parts[1]) == resource("first")["config"]


def test_the_guest_ran_them_in_order(guest: Server) -> None:
    assert guest.ssh("cat /run/order") == "first\nsecond\n"


def test_software_configs_can_be_read_again(cloud: CloudUnderTest, stack: dict[str, Any]) -> None:
    identity = data(cloud, "stack", "resource", "show", STACK, "first")["physical_resource_id"]
    shown = data(cloud, "software", "config", "show", identity)
    assert (shown["config"], shown["group"]) == (resource("first")["config"], "ungrouped")


def test_signals_from_inside_a_guest_arrive_with_their_data(guest: Server, stack: dict[str, Any]) -> None:
    """One with a token to Heat's own API, one with a signature to CloudFormation's."""
    assert json.loads(stack["token_data"]) == {"1": "by token"}
    assert json.loads(stack["signature_data"]) == {"1": "by signature"}
    statuses = [line.split()[1] for line in guest.ssh("cat /run/answers").splitlines() if line.startswith("HTTP/")]
    assert statuses == ["200", "200", "200"]


def test_a_signed_request_of_a_guest_is_an_alarm_for_a_policy(cloud: CloudUnderTest, guest: Server) -> None:
    until(lambda: outputs(cloud)["words"] == 2, "a second word in the group", seconds=60, step=2)


def test_the_guest_asks_the_name_server_of_the_template(guest: Server) -> None:
    assert "nameserver 172.31.0.129" in guest.ssh("cat /etc/resolv.conf").splitlines()
    assert '"version"' in guest.ssh("wget -q -O - http://keystone.hotstack-os.local:5000/v3")


def test_a_stack_in_the_stack_made_its_network(cloud: CloudUnderTest, stack: dict[str, Any]) -> None:
    listed = data(cloud, "stack", "resource", "list", "--nested-depth", "1", STACK)
    inner = {each["resource_name"] for each in listed if each["stack_name"].startswith(f"{STACK}-lab-")}
    assert inner == {"network", "subnet", "router", "interface", "port", "floating"}
    assert {each["resource_status"] for each in listed} <= {"CREATE_COMPLETE", "UPDATE_COMPLETE"}


def server_now(cloud: CloudUnderTest) -> tuple[str, str]:
    shown = data(cloud, "server", "show", "controller-0")
    return shown["id"], shown["properties"]["greeting"]


def update(cloud: CloudUnderTest, *parameters: str, rollback: str = "disabled", accept: tuple[int, ...] = (0,)) -> str:
    """Status of the stack after an update of some parameters."""
    words = [word for each in parameters for word in ("--parameter", each)]
    given = ("--existing", "--template", str(TEMPLATE), "--rollback", rollback, *words)
    user(cloud, "stack", "update", "--wait", *given, STACK, accept=accept)
    done = ("_COMPLETE", "_FAILED")
    seen = until(
        lambda: (status := data(cloud, "stack", "show", STACK)["stack_status"]).endswith(done) and status,
        f"the stack {STACK} to come to rest",
        seconds=120,
        step=2,
    )
    return str(seen)


def extra_networks(cloud: CloudUnderTest) -> list[str]:
    return [each for each in things(cloud)["networks"] if each.startswith("automation-extra ")]


@pytest.mark.long
def test_an_update_that_fails_is_rolled_back(cloud: CloudUnderTest, stack: dict[str, Any]) -> None:
    """What was changed is as before, what was added is gone. What an update has deleted before it fails Heat does not
    make anew: its resource becomes ROLLBACK_COMPLETE without a thing behind it (convergence engine, Heat 25)."""
    was = server_now(cloud)
    status = update(cloud, "greeting=never", "extra=true", "broken=true", rollback="enabled", accept=(0, 1))
    assert status == "ROLLBACK_COMPLETE"
    assert server_now(cloud) == was == (was[0], "hello")
    assert extra_networks(cloud) == []
    reasons = [str(each.get("resource_status_reason")) for each in data(cloud, "stack", "event", "list", STACK)]
    assert any("10.99.99.99" in reason for reason in reasons)


@pytest.mark.long
def test_an_update_changes_what_is_different_and_nothing_else(cloud: CloudUnderTest, stack: dict[str, Any]) -> None:
    identity, _ = server_now(cloud)
    assert update(cloud, "greeting=again", "extra=true") == "UPDATE_COMPLETE"
    assert server_now(cloud) == (identity, "again")
    assert len(extra_networks(cloud)) == 1


@pytest.mark.long
def test_a_stack_that_cannot_be_made_is_taken_back(cloud: CloudUnderTest, tmp_path: Path) -> None:
    """Nothing of it stays but its name, by which its owner learns what came of it."""
    template = tmp_path / "broken.yaml"
    port = {"network": {"get_resource": "net"}, "fixed_ips": [{"ip_address": "10.99.99.99"}]}
    parts = {
        "net": {"type": "OS::Neutron::Net"},
        "port": {"type": "OS::Neutron::Port", "properties": port},
    }
    template.write_text(yaml.safe_dump({"heat_template_version": "rocky", "resources": parts}))
    name = "automation-broken"
    user(cloud, "stack", "create", "--wait", "--enable-rollback", "--template", str(template), name, accept=(0, 1))
    try:
        assert data(cloud, "stack", "show", name)["stack_status"] == "ROLLBACK_COMPLETE"
        assert not [each for each in things(cloud)["networks"] if each.startswith(name)]
    finally:
        user(cloud, "stack", "delete", "--yes", "--wait", name)


def test_a_deleted_stack_leaves_nothing(
    cloud: CloudUnderTest, stack: dict[str, Any], before: dict[str, set[str]]
) -> None:
    user(cloud, "stack", "delete", "--yes", "--wait", STACK)
    assert new(before, everything(cloud)) == {}
