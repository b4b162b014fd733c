"""What users find in the cloud: there after `up`, as the settings say, and mended when somebody changed it."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from hotstack_os.images.guest import guest_path
from hotstack_os.images.store import Store
from hotstack_os.settings.content import FLAVORS
from system.conftest import CACHE, CloudUnderTest

STACK = "heat_template_version: 2021-04-16\nresources: {word: {type: OS::Heat::RandomString}}\n"


@pytest.fixture
def automation(cloud: CloudUnderTest) -> Iterator[str]:
    """An entry in clouds.yaml made of cloud-secret.yaml alone: what whoever got that file has."""
    file = cloud.state / "clouds.yaml"
    before = file.read_text()
    given = yaml.safe_load((cloud.state / "cloud-secret.yaml").read_text())["hotstack_cloud_secrets"]
    auth = {key: given.pop(key) for key in list(given) if key.startswith(("auth_url", "application_credential"))}
    clouds = yaml.safe_load(before)["clouds"]
    file.write_text(yaml.safe_dump({"clouds": {**clouds, "automation": {**given, "auth": auth}}}))
    yield "automation"
    file.write_text(before)


def as_user(cloud: CloudUnderTest, *words: str, entry: str = "") -> Any:
    """What the client says to the user hotstack, by the entry in clouds.yaml."""
    return json.loads(cloud.client("--os-cloud", entry or cloud.name, *words, "-f", "json").stdout)


def flavors(cloud: CloudUnderTest) -> dict[str, tuple[int, int, int]]:
    return {each["Name"]: (each["VCPUs"], each["RAM"], each["Disk"]) for each in cloud.openstack("flavor", "list")}


DEFAULT = {name: (each.vcpus, each.ram, each.disk) for name, each in FLAVORS.items()}


def test_flavors_and_networks_are_there(cloud: CloudUnderTest) -> None:
    assert flavors(cloud) == DEFAULT
    public = cloud.openstack("network", "show", "public")
    assert (public["provider:network_type"], public["provider:physical_network"]) == ("flat", "provider")
    assert public["router:external"]
    assert public["shared"]
    outer = cloud.openstack("subnet", "show", "public-subnet")
    assert (outer["cidr"], outer["gateway_ip"], outer["enable_dhcp"]) == ("172.31.0.128/25", "172.31.0.129", False)
    assert outer["allocation_pools"] == [{"start": "172.31.0.130", "end": "172.31.0.200"}]
    inner = as_user(cloud, "subnet", "show", "private-subnet")
    assert (inner["cidr"], inner["dns_nameservers"]) == ("192.168.100.0/24", ["172.31.0.10"])
    router = as_user(cloud, "router", "show", "router1")
    assert router["external_gateway_info"]["network_id"] == public["id"]
    assert [each["subnet_id"] for each in router["interfaces_info"]] == [inner["id"]]


def test_the_user_finds_networks_rules_and_key(cloud: CloudUnderTest) -> None:
    project = as_user(cloud, "token", "issue")["project_id"]
    assert {each["Name"] for each in as_user(cloud, "network", "list")} == {"public", "private"}
    assert as_user(cloud, "network", "show", "private")["project_id"] == project
    rules = as_user(cloud, "security", "group", "rule", "list", "--ingress", "default")
    allowed = {(each["IP Protocol"], each["Port Range"]) for each in rules if each["IP Range"] == "0.0.0.0/0"}
    assert {("tcp", "22:22"), ("icmp", "")} <= allowed
    assert [each["Name"] for each in as_user(cloud, "keypair", "list")] == ["hotstack"]
    known = cloud.client("--os-cloud", cloud.name, "keypair", "show", "--public-key", "hotstack")
    assert known.stdout.split()[:2] == (cloud.state / "id_ed25519.pub").read_text().split()[:2]


def test_the_test_image_is_the_one_that_was_built(cloud: CloudUnderTest) -> None:
    shown = as_user(cloud, "image", "show", "hotstack-guest")
    content = guest_path(Store(CACHE)).read_bytes()
    assert (shown["status"], shown["visibility"], shown["size"]) == ("active", "public", len(content))
    assert shown["properties"]["os_hash_value"] == hashlib.sha512(content).hexdigest()
    assert shown["properties"]["hotstack_sha256"] == hashlib.sha256(content).hexdigest()


def test_quotas_are_as_in_the_settings(cloud: CloudUnderTest) -> None:
    shown = {each["Resource"]: each["Limit"] for each in cloud.openstack("quota", "show", "hotstack")}
    wanted = {"cores": 96, "ram": 300 * 1024, "instances": 50, "networks": 200, "ports": 1000, "volumes": 200}
    assert {name: shown[name] for name in wanted} == wanted


def test_a_server_of_the_user_runs_with_nothing_made_before(cloud: CloudUnderTest) -> None:
    sizes = ("--flavor", "hotstack.tiny", "--image", "hotstack-guest")
    words = ("server", "create", "--wait", *sizes, "--network", "private", "--key-name", "hotstack", "first")
    cloud.client("--os-cloud", cloud.name, *words)
    assert as_user(cloud, "server", "show", "first")["status"] == "ACTIVE"
    cloud.client("--os-cloud", cloud.name, "server", "delete", "--wait", "first")


def test_automation_gets_a_token_and_a_stack(cloud: CloudUnderTest, automation: str, tmp_path: Path) -> None:
    """Heat makes a trust for each stack: the credential must be one that may make trusts."""
    project = as_user(cloud, "token", "issue")["project_id"]
    assert as_user(cloud, "token", "issue", entry=automation)["project_id"] == project
    template = tmp_path / "stack.yaml"
    template.write_text(STACK)
    entry = ("--os-cloud", automation)
    cloud.client(*entry, "stack", "create", "--wait", "--template", str(template), "of-automation")
    shown = as_user(cloud, "stack", "show", "of-automation", entry=automation)
    assert shown["stack_status"] == "CREATE_COMPLETE"
    cloud.client("--os-cloud", automation, "stack", "delete", "--yes", "--wait", "of-automation")


@pytest.mark.parametrize("name", ["cloud-secret.yaml", "clouds.yaml", "id_ed25519"])
def test_files_with_secrets_are_for_their_owner(cloud: CloudUnderTest, name: str) -> None:
    assert (cloud.state / name).stat().st_mode & 0o777 == 0o600


def test_a_plan_of_what_is_there_is_empty(cloud: CloudUnderTest) -> None:
    assert cloud.run("plan").stdout == "Nothing to do.\n"


def reasons(cloud: CloudUnderTest) -> dict[str, str]:
    """kind/name → verb and reasons of everything in the plan."""
    plan = cloud.json("plan", accept=(2, 3))
    return {each["ref"].partition(":")[2]: " ".join([each["verb"], *each["reasons"]]) for each in plan["actions"]}


def test_content_follows_the_settings(cloud: CloudUnderTest, tmp_path: Path) -> None:
    image = tmp_path / "image"
    image.write_bytes(os.urandom(3_000_000))
    cloud.configure(
        "content:\n  ingress: [icmp, tcp/22, udp/5000-6000]\n"
        f"  images: {{of-tests: {{file: {image}, disk-format: raw}}}}\n"
        "  flavors: {hotstack.tiny: {ram: 512, disk: 1, properties: {hw:mem_page_size: any}}}\n"
    )
    try:
        planned = reasons(cloud)
        assert "ram: 256 → 512" in planned["flavor/hotstack.tiny"]
        assert planned["flavor/hotstack.small"] == "remove no longer wanted"
        assert planned.keys() == {
            *(f"flavor/{name}" for name in DEFAULT), "image/of-tests", "neutron/rule/udp/5000-6000",
        }  # fmt: skip
        cloud.run("up")
        assert flavors(cloud) == {"hotstack.tiny": (1, 512, 1)}
        assert cloud.openstack("flavor", "show", "hotstack.tiny")["properties"] == {"hw:mem_page_size": "any"}
        first = cloud.openstack("image", "show", "of-tests")["properties"]["os_hash_value"]

        image.write_bytes(os.urandom(3_000_000))
        assert "sha256: " in reasons(cloud)["image/of-tests"]
        assert "destroys the former image of-tests" in cloud.run("up", accept=(1,)).stderr
        cloud.run("up", "--destroy", f"{cloud.name}:image/of-tests")
        shown = cloud.openstack("image", "show", "of-tests")  # which fails when there are two of the name
        assert shown["properties"]["os_hash_value"] == hashlib.sha512(image.read_bytes()).hexdigest() != first
    finally:
        cloud.configure("")
        assert "unless each is named" in cloud.run("plan", accept=(3,)).stderr
        assert f"--destroy {cloud.name}:image/of-tests" in cloud.run("up", accept=(1,)).stderr
        cloud.run("up", "--destroy", f"{cloud.name}:image/of-tests")
    assert flavors(cloud) == DEFAULT
    assert {each["Name"] for each in cloud.openstack("image", "list")} == {"hotstack-guest"}
    assert cloud.run("plan").stdout == "Nothing to do.\n"


@pytest.mark.long
def test_what_somebody_changed_is_seen_and_mended(cloud: CloudUnderTest) -> None:
    project = as_user(cloud, "token", "issue")["project_id"]
    rule = next(
        each["ID"]
        for each in as_user(cloud, "security", "group", "rule", "list", "--protocol", "icmp", "default")
        if each["IP Range"] == "0.0.0.0/0"
    )
    for words in (
        ("flavor", "delete", "hotstack.small"),
        ("flavor", "set", "--property", "hw:cpu_policy=shared", "hotstack.large"),
        ("quota", "set", "--cores", "1", "--ports", "2", project),
        ("subnet", "set", "--no-dns-nameservers", "private-subnet"),
        ("router", "unset", "--external-gateway", "router1"),
        ("router", "remove", "subnet", "router1", "private-subnet"),
        ("security", "group", "rule", "delete", rule),
        ("image", "set", "--private", "--property", "hw_disk_bus=scsi", "hotstack-guest"),
        ("user", "set", "--password", "somebody-elses", "hotstack"),
    ):
        cloud.client(*words)
    (cloud.state / "cloud-secret.yaml").write_text("lost\n")
    planned = reasons(cloud)
    assert planned["flavor/hotstack.small"] == "create was removed"
    assert "properties: hw:cpu_policy=shared → nothing" in planned["flavor/hotstack.large"]
    assert "cores: 1 → 96" in planned["quota/compute"]
    assert "ports: 2 → 1000" in planned["quota/network"]
    assert "dns: nothing → 172.31.0.10" in planned["neutron/subnet/private-subnet"]
    assert "gateway:  → public" in planned["neutron/router/router1"]
    assert "properties: hw_disk_bus=scsi → nothing" in planned["image/hotstack-guest"]
    assert "password: secret changed" in planned["identity/user/hotstack"]
    assert "file: " in planned["application-credential/hotstack"]
    assert planned["neutron/rule/icmp"] == "create was removed"
    assert len(planned) == 10
    cloud.run("up")
    assert cloud.run("plan").stdout == "Nothing to do.\n"
    test_flavors_and_networks_are_there(cloud)
    assert as_user(cloud, "token", "issue")["project_id"] == project
    assert "lost" not in (cloud.state / "cloud-secret.yaml").read_text()


def test_a_foreign_flavor_of_our_name_stops_the_plan(cloud: CloudUnderTest) -> None:
    cloud.openstack("flavor", "create", "--ram", "64", "--disk", "1", "--vcpus", "1", "theirs")
    defaults = "\n".join(f"    {name}: {{ram: {size[1]}}}" for name, size in DEFAULT.items())
    cloud.configure(f"content:\n  flavors:\n    theirs: {{ram: 128}}\n{defaults}\n")
    try:
        said = cloud.run("up", accept=(1,)).stderr
        assert "flavor/theirs" in said
        assert "ram: 64 → 128" in said
        assert flavors(cloud) == {**DEFAULT, "theirs": (1, 64, 1)}
    finally:
        cloud.configure("")
        cloud.client("flavor", "delete", "theirs")
    assert cloud.run("plan").stdout == "Nothing to do.\n"


def test_env_tells_a_shell_and_merges_into_a_persons_file(
    cloud: CloudUnderTest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    said = cloud.json("env")
    assert said == {"OS_CLIENT_CONFIG_FILE": str(cloud.state / "clouds.yaml"), "OS_CLOUD": cloud.name}
    assert cloud.run("env", "--merge").stdout == f"export OS_CLOUD={cloud.name}\n"
    merged = yaml.safe_load((tmp_path / "openstack/clouds.yaml").read_text())
    assert merged["clouds"].keys() == {cloud.name, f"{cloud.name}-admin"}
