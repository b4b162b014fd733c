"""Which images stay when those that nobody runs are removed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hotstack_os.catalogue import registry
from hotstack_os.cli import main as command
from hotstack_os.deploy.image_set import needed, recipes_of
from hotstack_os.images.store import Store
from hotstack_os.settings.cloud import Cloud
from hotstack_os.settings.loading import load

OURS, THEIRS, OLD = (f"localhost/hotstack-os/keystone:{digit * 16}" for digit in "012")


@pytest.fixture
def cloud(tmp_path: Path) -> Cloud:
    """One of two whose states lie side by side."""
    for name, where, reference in (
        ("lab", "journal.jsonl", OURS),
        ("other", "journal.jsonl", THEIRS),
        ("other", "generations/000001.json", OLD),
    ):
        path = tmp_path / "clouds" / name / where
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"properties": {"Image": reference}}) + "\n")
    environ = {"HOTSTACK_STATE_DIR": str(tmp_path / "clouds"), "HOTSTACK_CACHE_DIR": str(tmp_path / "cache")}
    return load(None, {**environ, "HOTSTACK_NAME": "lab"}, registry.takes())


def test_what_any_cloud_has_or_had_and_what_this_one_wants_stays(cloud: Cloud) -> None:
    wanted = {recipe.reference for recipe in recipes_of(cloud).values()}
    assert needed(cloud) == wanted | {OURS, THEIRS, OLD}


def test_what_is_unused_is_asked_for(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    unused = "localhost/hotstack-os/keystone:3333333333333333"
    index = Store(cloud.cache).root / "overlay-images/images.json"
    index.parent.mkdir(parents=True)
    index.write_text(json.dumps([{"names": [THEIRS]}, {"names": [unused]}]))
    monkeypatch.setenv("HOTSTACK_STATE_DIR", str(cloud.state.parent))
    monkeypatch.setenv("HOTSTACK_CACHE_DIR", str(cloud.cache))
    before = index.read_bytes()
    assert command.main(["images", "prune"]) == 64
    told = capsys.readouterr().err
    assert unused in told
    assert THEIRS not in told
    assert index.read_bytes() == before
