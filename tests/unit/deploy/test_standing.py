"""A cloud does not become another one because something was left out, forgotten or lost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from hotstack_os.catalogue import registry
from hotstack_os.core.journal import Journal
from hotstack_os.core.loss import UnnamedLoss
from hotstack_os.core.model import Ref, Resource
from hotstack_os.core.plan import Action, Plan
from hotstack_os.deploy import standing
from hotstack_os.deploy.cloud import folded
from hotstack_os.deploy.standing import Asked
from hotstack_os.errors import HotstackError, UsageError
from hotstack_os.settings import effective
from hotstack_os.settings.cloud import Cloud
from hotstack_os.settings.loading import load
from hotstack_os.settings.secrets import Vault

Settings = Callable[..., tuple[Cloud, Asked]]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """The cloud that a file with this text and an environment describe, and what the command line would say of it."""

    def read(text: str | None, new: bool = False, file: str = "lab.yaml", **environ: str) -> tuple[Cloud, Asked]:
        path = tmp_path / file if text is not None else None
        if path:
            path.write_text(text or "")
        here = {"HOTSTACK_STATE_DIR": str(tmp_path / "clouds"), **environ}
        cloud = load(path, here, registry.takes())
        return cloud, Asked(new=new, file=path, origins=effective.origins(cloud, path, here))

    return read


def brought_up(cloud: Cloud, asked: Asked) -> None:
    """What an `up` leaves on the operator's machine."""
    cloud.state.mkdir(parents=True, exist_ok=True)
    vault = Vault.open(cloud.state)
    vault.secret("database-nova")
    vault.save()
    journal = Journal(cloud.state / "journal.jsonl")
    for ref in (Ref("database-user", "nova", "n"), Ref("file", "/d/keystone/credential-keys/0", "n")):
        journal.begin(Action("create", Resource(ref), None, ()))
    standing.remember(cloud, asked)


@pytest.mark.parametrize("text", ["name: lab\n", "name: lab\nregion: RegionTwo\nservices: {keystone: {workers: 2}}\n"])
def test_the_same_settings_fit(settings: Settings, text: str) -> None:
    brought_up(*settings(text))
    standing.check(*settings(text))


def test_a_new_cloud_fits(settings: Settings) -> None:
    standing.check(*settings(None))
    standing.check(*settings(""))


@pytest.mark.parametrize(
    ("variable", "value", "key"),
    [
        ("REGION_NAME", "RegionTwo", "region"),
        ("HOTSTACK_DATA_DIR", "/srv/data", "paths.data"),
        ("CINDER_NFS_EXPORT_DIR", "/srv/volumes", "paths.volumes"),
        ("NOVA_INSTANCES_PATH", "/srv/disks", "paths.instances"),
        ("NOVA_NFS_MOUNT_POINT_BASE", "/srv/mounts", "paths.mounts"),
        ("GLOBAL_PHYSNET_MTU", "9000", "networks.mtu"),
    ],
)
@pytest.mark.parametrize("text", [None, "name: hotstack-os\n"])
def test_a_forgotten_variable_is_told(
    settings: Settings, variable: str, value: str, key: str, text: str | None
) -> None:
    brought_up(*settings(text, **{variable: value}))
    with pytest.raises(HotstackError, match=key) as refused:
        standing.check(*settings(text))
    assert value in str(refused.value)
    assert variable in refused.value.hint
    standing.check(*settings(text, **{variable: value}))


@pytest.mark.parametrize(
    ("before", "key"),
    [
        ("region: RegionTwo", "region: RegionTwo"),
        ("domain: lab.example", "domain: lab.example"),
        ("networks: {provider: 10.1.0.0/25, containers: 10.1.1.0/25}", "networks.provider: 10.1.0.0/25"),
        ("paths: {data: /srv/data}", "paths.data: /srv/data"),
    ],
)
def test_a_line_that_was_taken_out_is_told(settings: Settings, before: str, key: str) -> None:
    brought_up(*settings(f"name: lab\n{before}\n"))
    with pytest.raises(HotstackError, match=key):
        standing.check(*settings("name: lab\n"))


def test_another_value_that_is_said_is_meant(settings: Settings) -> None:
    brought_up(*settings("name: lab\nregion: RegionTwo\n"))
    standing.check(*settings("name: lab\nregion: RegionOne\n"))
    standing.check(*settings("name: lab\n", REGION_NAME="RegionOne"))


def test_paths_that_follow_the_data_follow_it(settings: Settings) -> None:
    brought_up(*settings("name: lab\npaths: {data: /srv/a}\n"))
    standing.check(*settings("name: lab\npaths: {data: /srv/b}\n"))


def test_options_of_services_can_be_left_out(settings: Settings) -> None:
    """What is taken out of the settings is removed: it is not what a cloud is."""
    brought_up(*settings("name: lab\nservices: {keystone: {config: {token: {expiration: 7200}}}}\n"))
    standing.check(*settings("name: lab\n"))


@pytest.mark.parametrize("text", ["", "# nothing\n", None])
def test_settings_that_lost_their_contents_are_told(settings: Settings, text: str | None) -> None:
    brought_up(*settings("name: hotstack-os\nservices: {keystone: {config: {token: {expiration: 7200}}}}\n"))
    with pytest.raises(HotstackError, match=r"services\.keystone\.config\.token\.expiration") as refused:
        standing.check(*settings(text))
    assert "settings.yaml" in refused.value.hint
    standing.check(*settings("name: hotstack-os\n"))  # whoever says something means it


def test_a_damaged_name_of_the_settings_file_is_told(settings: Settings) -> None:
    cloud, asked = settings("name: hotstack-os\nports: {keystone: 5001}\n")
    brought_up(cloud, asked)
    (cloud.state / standing.ORIGIN).write_bytes(b"\xa1\xff\n")
    standing.check(*settings("name: hotstack-os\nports: {keystone: 5001}\n"))
    with pytest.raises(HotstackError, match=r"ports\.keystone"):
        standing.check(*settings(None))
    (cloud.state / standing.ORIGIN).unlink()
    (cloud.state / standing.ORIGIN).mkdir()
    with pytest.raises(HotstackError, match="found is a directory") as refused:
        standing.check(*settings(None))
    assert "Remove it" in refused.value.hint


def test_settings_from_before_their_file_was_remembered_count_as_from_a_file(settings: Settings) -> None:
    cloud, asked = settings("name: hotstack-os\nports: {keystone: 5001}\n")
    brought_up(cloud, asked)
    (cloud.state / standing.ORIGIN).unlink()
    with pytest.raises(HotstackError, match=r"ports\.keystone"):
        standing.check(*settings(None))


def test_a_cloud_without_a_file_needs_none(settings: Settings) -> None:
    brought_up(*settings(None))
    standing.check(*settings(None))
    standing.check(*settings("", file="empty.yaml"))


@pytest.mark.parametrize(("lives", "wanted"), [("box", "local"), ("local", "box")])
def test_a_cloud_stays_where_it_lives(settings: Settings, lives: str, wanted: str) -> None:
    brought_up(*settings(f"target: {lives}\n"))
    with pytest.raises(HotstackError, match=f"with target {wanted}") as refused:
        standing.check(*settings(f"target: {wanted}\n"))
    assert f"target: {lives}" in refused.value.hint


def test_a_box_that_was_made_and_never_came_up_counts(settings: Settings) -> None:
    cloud, asked = settings("target: local\n")
    (cloud.state / "box").mkdir(parents=True)
    (cloud.state / "box" / "box.json").write_text("{}")
    with pytest.raises(HotstackError, match="lives in a box"):
        standing.check(cloud, asked)


def test_another_name_in_the_same_file_is_told(settings: Settings) -> None:
    brought_up(*settings("name: lab\n"))
    with pytest.raises(HotstackError, match="the cloud lab was made from this file") as refused:
        standing.check(*settings("name: other\n"))
    assert "--new" in refused.value.hint
    standing.check(*settings("name: other\n", new=True))
    standing.check(*settings("name: other\n", file="other.yaml"))


def test_a_machine_carries_one_cloud(settings: Settings) -> None:
    brought_up(*settings("name: lab\ntarget: local\n"))
    with pytest.raises(HotstackError, match="carries the cloud lab"):
        standing.check(*settings("name: other\ntarget: local\n", file="other.yaml"))
    standing.check(*settings("name: boxed\n", file="boxed.yaml"))


def test_a_cloud_without_its_secrets_is_left_alone(settings: Settings) -> None:
    cloud, asked = settings("name: lab\n")
    brought_up(cloud, asked)
    (cloud.state / "secrets.json").unlink()
    with pytest.raises(HotstackError, match="is gone, while the cloud is there") as refused:
        standing.check(cloud, asked)
    assert "hotstack-os settings recover --cloud lab" in refused.value.hint
    assert not (cloud.state / "secrets.json").exists()


def test_secrets_of_an_older_backup_are_told(settings: Settings) -> None:
    cloud, asked = settings("name: lab\n")
    brought_up(cloud, asked)
    ledger = Journal(cloud.state / "journal.jsonl").ledger
    vault = Vault.open(cloud.state)
    vault.secret("database-nova")
    vault.secret("new-in-this-version")
    standing.require_known_secrets(cloud, vault, ledger)
    vault.fernet("keystone-credential-staged")
    with pytest.raises(HotstackError, match="no keystone-credential-staged in it"):
        standing.require_known_secrets(cloud, vault, ledger)


def test_a_damaged_record_of_settings_is_told(settings: Settings) -> None:
    cloud, asked = settings("name: lab\n")
    brought_up(cloud, asked)
    (cloud.state / "settings.yaml").write_text("nam")
    with pytest.raises(HotstackError, match=r"settings\.yaml"):
        standing.check(cloud, asked)


def test_a_move_of_data_is_said_to_be_one(settings: Settings) -> None:
    brought_up(*settings("name: lab\n"))
    cloud, _ = settings("name: lab\npaths: {data: /srv/data}\n")
    ref = Ref("directory", "/var/lib/hotstack-os", "lab")
    loss = UnnamedLoss([Action("remove", Resource(ref), {}, (), destroys="all")])
    hint = standing.explained(cloud, loss).hint
    assert "a move of data" in hint
    assert "cp -a /var/lib/hotstack-os/. /srv/data/ && mount --bind /srv/data /var/lib/hotstack-os" in hint
    assert f"--destroy {ref}" in hint


def test_a_name_that_the_plan_does_not_destroy_is_wrong_usage() -> None:
    ref = Ref("directory", "/d", "lab")
    plan = Plan((Action("remove", Resource(ref), {}, (), destroys="all"),))
    standing.require_destroyed(Asked(frozenset({ref})), plan)
    with pytest.raises(UsageError, match="directory//x") as refused:
        standing.require_destroyed(Asked(frozenset({ref, Ref("directory", "/x", "lab")})), plan)
    assert "It destroys lab:directory//d." in refused.value.hint


def test_what_cannot_be_seen_is_one_line_and_what_is_lost_stays_in_the_plan() -> None:
    box, gone, guessed = Ref("box", "lab"), Ref("directory", "/d", "lab"), Ref("unit", "u", "lab")
    actions = (
        Action("create", Resource(box), None, ()),
        Action("decide", Resource(gone), None, (), wanted=False, destroys="all"),
        Action("create", Resource(guessed), None, (), after=frozenset({box})),
    )
    plan = folded(Plan(actions), {"lab"})
    assert [each.ref for each in plan.actions] == [box, gone]
    assert plan.then == "decided on lab"
    assert folded(Plan(actions), set()) == Plan(actions)


def test_nothing_wanted_goes_along_with_what_is_removed() -> None:
    """Data that moves out of a directory in which the volumes stay."""
    outer, inner = Ref("directory", "/old", "lab"), Ref("directory", "/old/volumes", "lab")
    plan = Plan((Action("remove", Resource(outer), {}, ()),))
    with pytest.raises(HotstackError, match="/old/volumes to stay"):
        standing.require_apart(plan, {inner})
    standing.require_apart(plan, {Ref("directory", "/older", "lab"), Ref("directory", "/old/volumes", "other")})
    standing.require_apart(Plan((Action("decide", Resource(outer), None, ()),)), {outer, inner})
