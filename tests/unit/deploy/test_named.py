"""What was named to be destroyed stays named through all stages of an `up`, and through one that is begun again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from hotstack_os.box.paths import Home
from hotstack_os.core.handler import World
from hotstack_os.core.journal import Journal
from hotstack_os.core.model import Absent, Observation, Present, Ref, Resource
from hotstack_os.core.plan import Action, Plan
from hotstack_os.deploy import cloud as clouds
from hotstack_os.deploy import members, places, standing
from hotstack_os.deploy.boxes import BOX
from hotstack_os.deploy.losses import Losses
from hotstack_os.deploy.stages import Stages
from hotstack_os.deploy.standing import Asked
from hotstack_os.errors import HotstackError, UsageError
from hotstack_os.settings import kept
from hotstack_os.settings.cloud import Cloud
from hotstack_os.settings.loading import load
from hotstack_os.settings.secrets import Vault

LOST = Ref(BOX, "lab")
VOLUMES = Ref("directory", "/var/lib/hotstack-os/cinder-nfs", "lab")


@pytest.fixture
def cloud(tmp_path: Path) -> Cloud:
    """A cloud whose box is gone."""
    places = {"HOTSTACK_STATE_DIR": str(tmp_path / "clouds"), "HOTSTACK_CACHE_DIR": str(tmp_path / "cache")}
    made = load(None, {**places, "HOTSTACK_NAME": "lab"}, {})
    made.state.mkdir(parents=True, mode=0o700)
    vault = Vault.open(made.state)
    vault.secret("keystone-admin")
    vault.save()
    kept.keep(made)
    begun(made, VOLUMES)
    return made


def begun(cloud: Cloud, ref: Ref) -> None:
    Journal(cloud.state / "journal.jsonl").begin(Action("create", Resource(ref), None, ()))


def test_a_box_that_is_named_stays_named_when_it_is_there_again(cloud: Cloud) -> None:
    asked = Asked(frozenset({LOST}))
    clouds._look_ahead(cloud, asked)
    assert not Journal(cloud.state / "journal.jsonl").ledger  # all of it was in the box
    clouds._require_named(cloud, asked, Plan((Action("create", Resource(VOLUMES), None, ()),)))
    clouds._look_ahead(cloud, asked)  # the command again, after one that was broken off
    clouds._require_named(cloud, asked, Plan())
    standing.require_destroyed(asked, Plan(), standing.agreed(cloud.state))
    with pytest.raises(UsageError, match="directory//etc"):
        clouds._require_named(cloud, Asked(frozenset({LOST, Ref("directory", "/etc", "lab")})), Plan())
    standing.settle(cloud.state)
    with pytest.raises(UsageError, match="box/lab"):
        clouds._require_named(cloud, asked, Plan())


def test_the_ledger_stays_while_boxes_of_further_nodes_are_there(cloud: Cloud) -> None:
    (cloud.state / "box-compute-1/data").mkdir(parents=True)
    assert members.known(cloud) == ("compute-1",)
    for named in (frozenset[Ref](), frozenset({LOST})):
        with pytest.raises(HotstackError, match="compute-1") as refused:
            clouds._look_ahead(cloud, Asked(named))
        assert "hotstack-os down" in refused.value.hint
    assert Journal(cloud.state / "journal.jsonl").ledger


def test_the_ledger_stays_while_the_data_of_the_box_are_there(cloud: Cloud) -> None:
    Home(cloud.state / "box").data.mkdir(parents=True)
    assert LOST not in {each.ref for each in clouds._planned(cloud).losses}
    clouds._look_ahead(cloud, Asked(frozenset({LOST})))
    assert Journal(cloud.state / "journal.jsonl").ledger


class Things:
    """Makes what is wanted."""

    def __init__(self) -> None:
        self.made: set[Ref] = set()

    def observe(self, resources: Sequence[Resource]) -> Mapping[Ref, Observation]:
        return {each.ref: Present(each.state) if each.ref in self.made else Absent() for each in resources}

    def apply(self, action: Action) -> None:
        self.made.add(action.ref)


class Quiet:
    """A reporter that says nothing."""

    def __getattr__(self, _: str) -> Callable[..., None]:
        return lambda *_: None


def test_what_further_nodes_need_can_be_named(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    member = members.member("compute-1", "lab", frozenset({VOLUMES}))
    things, wanted = Things(), {VOLUMES: Resource(VOLUMES), member.ref: member}
    monkeypatch.setattr(clouds, "desired", lambda _: wanted)
    world = World({("lab", "directory"): things, ("lab", "node"): things}, Losses(former=lambda _: {}).rule)
    monkeypatch.setattr(places, "world_of", lambda *_: world)
    place, asked = cast("Any", SimpleNamespace(node=None)), Asked(frozenset({VOLUMES}))
    with pytest.raises(HotstackError, match="a disk not mounted"):
        clouds._members_up(cloud, place, Stages(cast("Any", Quiet())), Asked())
    assert things.made == set()
    clouds._members_up(cloud, place, Stages(cast("Any", Quiet())), asked)
    assert things.made == {VOLUMES, member.ref}
    clouds._require_named(cloud, asked, Plan())  # the whole plan, in which it is done


def test_what_is_destroyed_stays_named_until_the_very_end(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    things, named = Things(), Ref("image", "Größe", "lab")
    standing.agree(cloud.state, {named})
    monkeypatch.setattr(places, "world_of", lambda *_: World({("lab", "directory"): things}, Losses().rule))

    def run() -> None:
        clouds._converge(
            cloud, (), {VOLUMES: Resource(VOLUMES)}, Stages(cast("Any", Quiet())), Asked(frozenset({named}))
        )

    for step in ("_record", "note"):
        with monkeypatch.context() as broken:
            broken.setattr(clouds, step, broken_off)
            with pytest.raises(KeyboardInterrupt):
                run()
    cloud.cache.mkdir()
    run()
    assert not standing.agreed(cloud.state)


def broken_off(*_: object, **__: object) -> None:
    raise KeyboardInterrupt
