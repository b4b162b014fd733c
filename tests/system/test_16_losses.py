"""Nothing of a real cloud is lost or taken that was not named, whatever was forgotten, emptied or removed around it."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from system.conftest import CloudUnderTest

pytestmark = pytest.mark.long

NETWORKS = "networks: {containers: 10.77.0.0/25, provider: 10.77.0.128/25}\n"


@pytest.fixture
def kept(cloud: CloudUnderTest) -> Iterator[CloudUnderTest]:
    """The cloud; afterwards nothing of it is another one, and its plan is empty."""
    text = cloud.settings.read_text()
    before = state_of(cloud)
    yield cloud
    cloud.settings.write_text(text)
    assert state_of(cloud) == before
    assert cloud.run("plan").stdout == "Nothing to do.\n"


def state_of(cloud: CloudUnderTest) -> dict[str, str]:
    """What would tell that something was changed: secrets, containers, data, what people have."""
    inside = "podman ps --no-trunc -q | sort; find /var/lib/hotstack-os -maxdepth 2 -type d | sort; podman volume ls -q"
    return {
        "secrets": (cloud.state / "secrets.json").read_text(),
        "node": cloud.shell(inside),
        "projects": json.dumps(cloud.openstack("project", "list")),
        "endpoints": json.dumps(cloud.openstack("endpoint", "list")),
    }


def refused(cloud: CloudUnderTest, *words: str, planned: int = 1) -> str:
    """What `up` says, which refuses before anything is done; `plan` has its own status."""
    cloud.run("plan", *words, accept=(planned,))
    done = cloud.run("up", *words, accept=(1,))
    assert "images …" not in done.stderr
    return done.stderr


def test_other_paths_are_a_move_of_data_and_not_its_end(kept: CloudUnderTest) -> None:
    kept.configure("paths: {data: /srv/elsewhere}\n")
    planned = kept.json("plan", accept=(3,))
    lost = {each["ref"].partition("/")[2]: each["destroys"] for each in planned["actions"] if each["destroys"]}
    assert lost["/var/lib/hotstack-os/mysql"] == "all databases of the cloud"
    assert lost["/var/lib/hotstack-os/cinder-nfs"] == "all volumes"
    assert set(planned["unnamed"]) == {each["ref"] for each in planned["actions"] if each["destroys"]}
    said = refused(kept, planned=3)
    assert "a move of data" in said
    assert f"--destroy {kept.name}:directory//var/lib/hotstack-os/glance" in said
    wrong = kept.run("up", "--destroy", f"{kept.name}:directory//etc", accept=(1, 64))
    assert "hotstack-os" in wrong.stderr


def test_a_forgotten_variable_changes_nothing(kept: CloudUnderTest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOTSTACK_DATA_DIR", "/srv/elsewhere")
    assert "--destroy" in refused(kept, planned=3)


def test_other_networks_say_whose_addresses_would_go(kept: CloudUnderTest) -> None:
    kept.configure(NETWORKS)
    said = refused(kept, planned=3)
    assert "neutron/subnet/public-subnet destroys" in said
    assert "floating IPs" in said


@pytest.mark.parametrize("target", ["local"])
def test_a_cloud_in_a_box_does_not_become_the_machines(kept: CloudUnderTest, target: str) -> None:
    assert "lives in a box" in refused(kept, "--target", target)


def test_another_name_in_the_same_file_is_asked_about(kept: CloudUnderTest) -> None:
    text = kept.settings.read_text()
    kept.settings.write_text(text.replace(f"name: {kept.name}", "name: another"))
    try:
        assert "--new" in refused(kept)
    finally:
        kept.settings.write_text(text)
    assert [path.name for path in kept.state_root.iterdir()] == [kept.name]


def test_a_missing_data_directory_is_not_begun_anew(kept: CloudUnderTest) -> None:
    """As where a disk is not mounted: here it is another directory for a moment."""
    kept.shell("mv /var/lib/hotstack-os/glance /var/lib/hotstack-os/away")
    try:
        assert "is a disk not mounted?" in kept.run("plan", accept=(3,)).stdout
        assert "is a disk not mounted?" in kept.run("up", accept=(1,)).stderr
    finally:
        kept.shell("mv /var/lib/hotstack-os/away /var/lib/hotstack-os/glance")


def test_lost_secrets_are_read_back_from_the_node(cloud: CloudUnderTest) -> None:
    """Last: the services are restarted, since they are compared under a new key."""
    file = cloud.state / "secrets.json"
    before = json.loads(file.read_text())["secrets"]
    project = cloud.openstack("project", "create", "of-before")["id"]
    file.unlink()
    for verb in ("plan", "up"):
        assert "settings recover" in cloud.run(verb, accept=(1,)).stderr
    assert not file.exists()
    cloud.run("settings", "recover")
    after = json.loads(file.read_text())["secrets"]
    assert {name for name in before if after.get(name) != before[name]} <= {"rabbitmq-health", "keystone-health"}
    cloud.run("up")
    assert cloud.openstack("project", "show", "of-before")["id"] == project
    cloud.client("project", "delete", project)
    assert cloud.run("plan").stdout == "Nothing to do.\n"


def test_another_region_moves_the_endpoints_and_leaves_none(cloud: CloudUnderTest) -> None:
    text = cloud.settings.read_text()
    project = cloud.openstack("project", "create", "of-another-region")["id"]
    cloud.configure("region: RegionTwo\n")
    try:
        cloud.run("plan", accept=(2,))
        cloud.run("up")
        assert {each["Region"] for each in cloud.openstack("endpoint", "list")} == {"RegionTwo"}
        assert [each["Region"] for each in cloud.openstack("region", "list")] == ["RegionTwo"]
        cloud.settings.write_text(text)
        assert "region: RegionTwo" in cloud.run("up", accept=(1,)).stderr  # it is not left by forgetting it
    finally:
        cloud.configure("region: RegionOne\n")
        cloud.run("up")
        cloud.settings.write_text(text)
    assert {each["Region"] for each in cloud.openstack("endpoint", "list")} == {"RegionOne"}
    assert cloud.openstack("project", "show", "of-another-region")["id"] == project
    cloud.client("project", "delete", project)
    assert cloud.run("plan").stdout == "Nothing to do.\n"
