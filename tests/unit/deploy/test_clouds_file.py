"""A cloud comes into a person's clouds.yaml, and everything else in it stays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from hotstack_os.deploy.clouds_file import merge, own_path
from hotstack_os.errors import HotstackError

OURS = {"lab": {"auth": {"password": "x"}, "region_name": "One"}, "lab-admin": {"auth": {"password": "y"}}}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "ours.yaml"
    path.write_text(yaml.safe_dump({"clouds": OURS}))
    return path


def merged(source: Path, text: str) -> tuple[Path, Path | None]:
    target = source.parent / "person" / "clouds.yaml"
    target.parent.mkdir(exist_ok=True)
    target.write_text(text)
    return target, merge(source, target)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing yet\n",
        "clouds:\n",
        "clouds:",
        "cache: {expiration: 5}\n",
        "cache: {expiration: 5}",
        "clouds:\n  theirs: {auth: {}}\n",
        "clouds: # all\n\n    # mine\n    theirs:\n        auth: {}\n\n# end\ncache: {}\n",
        "cache: {}\nclouds:\n  theirs:\n    note: |\n      clouds:\n      x\n",
        "clouds:\ncache:\n    expiration: 5\n",
        "---\nclouds:\n  theirs: {auth: {}}",
    ],
)
def test_entries_come_in_and_every_line_stays(source: Path, text: str) -> None:
    target, backup = merged(source, text)
    before = yaml.safe_load(text) or {}
    assert yaml.safe_load(target.read_text()) == {**before, "clouds": {**(before.get("clouds") or {}), **OURS}}
    remaining = iter(target.read_text().splitlines())
    assert all(line in remaining for line in text.splitlines()), "a line is gone, or in another place"
    assert target.stat().st_mode & 0o777 == 0o600
    assert (backup.read_text() if backup else "") == text


def test_a_second_time_changes_nothing(source: Path) -> None:
    target, _ = merged(source, "clouds:\n  theirs: {}\n")
    text = target.read_text()
    assert merge(source, target) is None
    assert target.read_text() == text


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("clouds: {lab: {auth: {}}}\n", "one that is different"),
        ("clouds: {theirs: {auth: {}}}\n", "another form of YAML"),
        ("clouds: [\n", "while parsing"),
        ("clouds: 3\n", "something else"),
        ("- x\n", "something else"),
    ],
)
def test_what_cannot_be_done_without_loss_is_refused(source: Path, text: str, found: str) -> None:
    with pytest.raises(HotstackError) as caught:
        merged(source, text)
    assert found in caught.value.found
    kept = source.parent / "person"
    assert [path.name for path in kept.iterdir()] == ["clouds.yaml"]
    assert (kept / "clouds.yaml").read_text() == text


def test_a_link_stays_and_its_target_is_changed(source: Path, tmp_path: Path) -> None:
    real = tmp_path / "elsewhere.yaml"
    real.write_text("clouds:\n  theirs: {}\n")
    link = tmp_path / "clouds.yaml"
    link.symlink_to(real)
    merge(source, link)
    assert link.is_symlink()
    assert "lab" in yaml.safe_load(real.read_text())["clouds"]


def test_a_file_that_is_not_there_is_made(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "new" / "openstack" / "clouds.yaml"
    assert merge(source, target) is None
    assert yaml.safe_load(target.read_text()) == {"clouds": OURS}


word = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Zl", "Zp")), max_size=8)
entry = st.recursive(
    st.one_of(word, st.integers(), st.booleans()),
    lambda inner: st.dictionaries(word, inner, max_size=3),
    max_leaves=8,
)
others = st.dictionaries(word.filter(lambda name: name not in OURS), entry, min_size=1)


@example(clouds={"\xa0": {}}, more={}, indent=4)
@given(clouds=others, more=st.dictionaries(word, entry, max_size=2), indent=st.integers(2, 6))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_block_file_keeps_what_it_says(source: Path, clouds: Any, more: Any, indent: int) -> None:
    data = {"clouds": clouds, **{key: value for key, value in more.items() if key != "clouds"}}
    target, _ = merged(source, yaml.safe_dump(data, indent=indent, default_flow_style=False, allow_unicode=True))
    assert yaml.safe_load(target.read_text()) == {**data, "clouds": {**clouds, **OURS}}


def test_the_place_is_where_clients_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", "/somewhere")
    assert own_path() == Path("/somewhere/openstack/clouds.yaml")
    monkeypatch.delenv("XDG_CONFIG_HOME")
    assert own_path() == Path.home() / ".config/openstack/clouds.yaml"
