"""Which images stay when those that nobody runs are removed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hotstack_os.catalogue import registry
from hotstack_os.cli import main as command
from hotstack_os.core.generations import Generations
from hotstack_os.core.model import Ref, Resource
from hotstack_os.core.plan import Plan
from hotstack_os.deploy.image_set import needed, note, recipes_of
from hotstack_os.images.store import Store
from hotstack_os.settings.cloud import Cloud
from hotstack_os.settings.loading import load
from hotstack_os.whole import Damaged

OURS, THEIRS, OLD, GONE = (f"localhost/hotstack-os/keystone:{digit * 16}" for digit in "0123")
BEFORE = "localhost/hotstack-os/keystone:4444444444444444"


@pytest.fixture
def cloud(tmp_path: Path) -> Cloud:
    """One of two that use the same cache; a third has been removed."""
    for home, reference in (("clouds/lab", OURS), ("elsewhere/other", OLD)):
        record = Resource(Ref("service", "keystone", "node"), {"image": reference})
        Generations(tmp_path / home / "generations").record([record], "1", "up", {}, Plan((), ()))
    notes = tmp_path / "cache/clouds"
    notes.mkdir(parents=True)
    for home, reference in (("elsewhere/other", THEIRS), ("elsewhere/removed", GONE)):
        noted = {"state": str(tmp_path / home), "images": [reference]}
        (notes / f"{reference[-4:]}.json").write_text(json.dumps(noted))
    environ = {"HOTSTACK_STATE_DIR": str(tmp_path / "clouds"), "HOTSTACK_CACHE_DIR": str(tmp_path / "cache")}
    return load(None, {**environ, "HOTSTACK_NAME": "lab"}, registry.takes())


def test_what_any_cloud_has_or_had_and_what_this_one_wants_stays(cloud: Cloud) -> None:
    wanted = {recipe.reference for recipe in recipes_of(cloud).values()}
    assert needed(cloud) == wanted | {OURS, THEIRS, OLD}


def test_until_an_up_is_done_what_was_there_before_stays(cloud: Cloud) -> None:
    note(cloud)
    (path,) = (each for each in (cloud.cache / "clouds").iterdir() if str(cloud.state) in each.read_text())
    path.write_text(json.dumps({"state": str(cloud.state), "images": [BEFORE]}))
    note(cloud)
    assert BEFORE in json.loads(path.read_text())["images"]
    note(cloud, reached=True)
    assert set(json.loads(path.read_text())["images"]) == {each.reference for each in recipes_of(cloud).values()}


@pytest.mark.parametrize("damage", ["", "half", "[]", "{}", '{"state": "/", "images": 7}', "another"])
def test_a_damaged_note_removes_no_image_and_stops_no_up(cloud: Cloud, damage: str) -> None:
    note(cloud)
    (path,) = (each for each in (cloud.cache / "clouds").iterdir() if str(cloud.state) in each.read_text())
    text = path.read_text()
    path.write_text({"half": text[: len(text) // 2], "another": text.replace("keystone", "glance")}.get(damage, damage))
    with pytest.raises(Damaged) as refused:
        needed(cloud)
    assert f"rm -r {path}" in refused.value.hint
    note(cloud)
    assert path.read_text() == text


def test_what_is_unused_is_asked_for(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    index = Store(cloud.cache).root / "overlay-images/images.json"
    index.parent.mkdir(parents=True)
    index.write_text(json.dumps([{"names": [THEIRS]}, {"names": [GONE]}]))
    monkeypatch.setenv("HOTSTACK_STATE_DIR", str(cloud.state.parent))
    monkeypatch.setenv("HOTSTACK_CACHE_DIR", str(cloud.cache))
    before = index.read_bytes()
    assert command.main(["images", "prune"]) == 64
    told = capsys.readouterr().err
    assert GONE in told
    assert THEIRS not in told
    assert index.read_bytes() == before
