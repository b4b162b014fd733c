"""A cloud whose settings were good once is looked at, stopped and taken away; it is `up` that wants them changed."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

from hotstack_os.catalogue import registry
from hotstack_os.cli import main as command
from hotstack_os.cli.common import existing_cloud
from hotstack_os.settings.loading import load
from hotstack_os.settings.problems import SettingsError

HASH = "0" * 64
REFUSED = {
    "services.haproxy.workers": "services: {haproxy: {workers: 2}, keystone: {workers: 3}}",
    "services.gone": "services: {gone: {workers: 2}, keystone: {workers: 3}}",
    "services.keystone.config.database.connection": "services:\n"
    "  keystone: {workers: 3, config: {database: {connection: mine}}}",
    "content.images.old.disk-format": "services: {keystone: {workers: 3}}\n"
    "content: {images: {old: {file: /srv/old.vhd, disk-format: vhd}}}",
    "content.user": "services: {keystone: {workers: 3}}\ncontent: {user: nova}",
    "networks.provider": "services: {keystone: {workers: 3}}\n"
    "networks: {provider: 10.9.0.0/24}\ncontent: {networks: {private: {cidr: 10.9.0.0/24}}}",
}
"""Key → settings in which it is refused, and nothing else."""


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The state directory of a cloud named lab."""
    for name, place in (("HOTSTACK_STATE_DIR", "clouds"), ("HOTSTACK_CACHE_DIR", "cache")):
        monkeypatch.setenv(name, str(tmp_path / place))
    monkeypatch.chdir(tmp_path)
    made = tmp_path / "clouds" / "lab"
    made.mkdir(parents=True)
    return made


def asked(*, cloud: str | None = "lab", settings: Path | None = None) -> argparse.Namespace:
    return argparse.Namespace(cloud=cloud, settings=settings)


@pytest.mark.parametrize("key", REFUSED)
def test_what_is_refused_by_now_does_not_hide_the_cloud(state: Path, key: str) -> None:
    """As the former version kept them: without a checksum."""
    kept = state / "settings.yaml"
    kept.write_text(f"name: lab\nregion: RegionTwo\n{REFUSED[key]}\n")
    with pytest.raises(SettingsError) as refused:
        load(kept, {}, registry.takes())
    assert [each.key for each in refused.value.problems] == [key]
    found = existing_cloud(asked())
    assert (found.state, found.region) == (state, "RegionTwo")
    assert found.services["keystone"].workers == 3  # the rest of them counts


def test_the_file_at_hand_only_has_to_name_the_cloud(state: Path) -> None:
    (state / "settings.yaml").write_text("name: lab\nregion: RegionTwo\n")
    Path("hotstack-os.yaml").write_text(f"name: lab\n{REFUSED['services.haproxy.workers']}\n")
    assert existing_cloud(asked(cloud=None)).region == "RegionTwo"
    with pytest.raises(SettingsError, match="haproxy"):
        existing_cloud(asked(settings=Path("hotstack-os.yaml")))  # whoever names a file means it


@pytest.mark.parametrize("verb", ["up", "plan"])
def test_up_names_the_key_and_the_file(state: Path, verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Of what stands where: also of the settings that the cloud was brought up with, if those are given."""
    kept = state / "settings.yaml"
    kept.write_text(f"name: lab\n{REFUSED['services.haproxy.workers']}\n")
    assert command.main([verb, "-s", str(kept)]) == 1
    assert "settings.yaml:2: services.haproxy.workers: wanted" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["region: 7\n", "networks: {mtu: 1}\n", "target: moon\n"])
def test_what_a_cloud_is_is_never_guessed(state: Path, text: str) -> None:
    (state / "settings.yaml").write_text(f"name: lab\n{text}")
    with pytest.raises(SettingsError, match=text.partition(":")[0]):
        existing_cloud(asked())


@pytest.mark.parametrize("damaged", ["settings.yaml", "journal.jsonl"])
def test_doctor_looks_at_a_cloud_whose_records_are_damaged(
    state: Path, damaged: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (state / damaged).write_text("no such thing\n{}\n")
    assert command.main(["doctor", "--cloud", "lab", "--json"]) == 1
    out, err = capsys.readouterr()
    said = json.loads(out)
    assert any(f"{state / damaged} is damaged" in each["what"] for each in said["findings"])
    assert said["problems"] >= 1
    assert {each["subject"] for each in said["findings"]} >= {"lab"}
    assert "found." in err
