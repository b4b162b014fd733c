from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from hotstack_os.cli.main import main
from hotstack_os.core.journal import Journal
from hotstack_os.core.model import Ref, Resource
from hotstack_os.core.plan import Action
from hotstack_os.deploy.release import of_cloud, require_possible
from hotstack_os.errors import HotstackError
from hotstack_os.exec import Command, run_here
from hotstack_os.images import builder
from hotstack_os.settings.effective import origins
from hotstack_os.settings.loading import load
from hotstack_os.settings.problems import SettingsError
from hotstack_os.settings.releases import Remembered, releases, remembered
from hotstack_os.settings.secrets import Vault
from hotstack_os.settings.text import as_yaml
from hotstack_os.whole import Damaged
from unit.settings.world import RELEASES


def test_a_release_is_a_directory_with_a_lock(tmp_path: Path) -> None:
    for name in ("2026.1", "2025.2", "notes", "2025.3"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "requirements.lock").touch()
    (tmp_path / "2025.1").mkdir()
    found = releases(tmp_path)
    assert list(found) == ["2025.2", "2026.1"]
    assert found["2025.2"] == tmp_path / "2025.2" / "requirements.lock"


def test_there_are_no_releases_in_a_directory_that_is_missing(tmp_path: Path) -> None:
    assert releases(tmp_path / "none") == {}


def test_in_a_source_tree_the_locks_are_those_of_the_repository() -> None:
    root = Path(__file__).parents[3] / "locks"
    assert list(releases().values()) == sorted(root.glob("20*/requirements.lock"))


def test_in_an_installed_package_the_locks_are_its_own(tmp_path: Path) -> None:
    source = Path(__file__).parents[3] / "src" / "hotstack_os"
    package = tmp_path / "hotstack_os"
    shutil.copytree(source / "settings", package / "settings")
    shutil.copy(source / "__init__.py", package)
    for name in ("errors.py", "whole.py"):
        shutil.copy(source / name, package)
    (package / "locks" / "2031.1").mkdir(parents=True)
    (package / "locks" / "2031.1" / "requirements.lock").touch()
    found = "from hotstack_os.settings.releases import releases; print(*releases())"
    program = f"import sys\nsys.path[:0] = [{str(tmp_path)!r}]\n{found}\n"
    assert run_here(Command((sys.executable, "-"), stdin=program)).stdout == "2031.1\n"


def written(state: Path, text: str) -> Path:
    state.mkdir(parents=True, exist_ok=True)
    (state / "settings.yaml").write_text(text)
    return state


def test_a_cloud_has_the_release_that_it_was_last_brought_to(tmp_path: Path) -> None:
    assert remembered(tmp_path) is None
    cloud = load(None, {"OPENSTACK_RELEASE": "2026.1"}, {}, RELEASES)
    state = written(tmp_path / "lab", as_yaml(cloud))
    assert remembered(state) == Remembered("2026.1", f"{state}/settings.yaml:3")


@pytest.mark.parametrize(
    ("file", "environ", "release"),
    [
        ("name: lab\n", {}, "2026.1"),
        ("name: lab\nrelease:\n", {}, "2026.1"),
        ("name: lab\nrelease: 2025.2\n", {}, "2025.2"),
        ("name: lab\n", {"OPENSTACK_RELEASE": "2025.1"}, "2025.1"),
        ("name: lab\n", {"OPENSTACK_RELEASE": ""}, "2026.1"),
        ("name: another\n", {}, "2025.2"),
    ],
)
def test_a_release_that_is_left_out_is_the_one_that_the_cloud_has(
    tmp_path: Path, file: str, environ: dict[str, str], release: str
) -> None:
    written(tmp_path / "clouds" / "lab", "name: lab\nrelease: '2026.1'\n")
    settings = tmp_path / "s.yaml"
    settings.write_text(file)
    around = {**environ, "HOTSTACK_STATE_DIR": str(tmp_path / "clouds")}
    cloud = load(settings, around, {}, RELEASES, own=remembered)
    assert cloud.release == release
    of_cloud = f"{tmp_path}/clouds/lab/settings.yaml:2"
    where = {"": "OPENSTACK_RELEASE"} if environ.get("OPENSTACK_RELEASE") else {}
    expected = where.get("") or {"2026.1": of_cloud, "2025.2": "default"}[release]
    found = origins(cloud, settings, around, remembered(cloud.state))["release"]
    assert found == (f"{settings}:2" if "2025.2" in file else expected)


@pytest.mark.parametrize("said", ["", "2031.1"])
def test_a_cloud_whose_lock_is_gone_is_seen_and_not_changed(tmp_path: Path, said: str) -> None:
    """It can be looked at and taken away; only what would build says what is missing."""
    written(tmp_path / "hotstack-os", "name: hotstack-os\nrelease: '2031.1'\n")
    environ = {"HOTSTACK_STATE_DIR": str(tmp_path), "OPENSTACK_RELEASE": said}
    cloud = load(None, environ, {}, RELEASES, own=remembered)
    assert cloud.release == "2031.1"
    with pytest.raises(HotstackError, match=r"a lock for release 2031\.1") as missing:
        require_possible(cloud)
    assert "images lock" in missing.value.hint
    with pytest.raises(SettingsError, match=r"a release that comes with this program"):
        load(None, {**environ, "OPENSTACK_RELEASE": "2032.1"}, {}, RELEASES, own=remembered)


def test_a_damaged_record_is_no_release(tmp_path: Path) -> None:
    with pytest.raises(Damaged, match=f"{tmp_path}/settings.yaml as it was written"):
        remembered(written(tmp_path, "release: ["))
    with pytest.raises(SettingsError, match=f"{tmp_path}/settings.yaml"):
        remembered(written(tmp_path, "name: lab\nrelease: ["))


@pytest.mark.parametrize(("release", "refused"), [("2025.1", True), ("2025.2", False), ("2026.1", False)])
def test_no_cloud_goes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, release: str, refused: bool) -> None:
    monkeypatch.setattr("hotstack_os.deploy.release.lock_of", lambda _: {})
    cloud = load(None, {"HOTSTACK_STATE_DIR": str(tmp_path), "OPENSTACK_RELEASE": release}, {}, RELEASES)
    require_possible(cloud)  # there is none yet
    written(cloud.state, "name: lab\nrelease: '2025.2'\n")
    if not refused:
        require_possible(cloud)
        return
    with pytest.raises(HotstackError) as said:
        require_possible(cloud)
    assert "release 2025.2, which the cloud hotstack-os has" in said.value.wanted
    assert said.value.hint.startswith("Name release 2025.2 (key release, OPENSTACK_RELEASE), or none")


def test_neither_plan_nor_up_begins_with_an_older_release(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is built, and nothing in the state changes but that a command looked at it."""
    state = written(tmp_path / "clouds" / "hotstack-os", "name: lab\nrelease: '2931.1'\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOTSTACK_STATE_DIR", str(tmp_path / "clouds"))
    monkeypatch.setenv("HOTSTACK_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("OPENSTACK_RELEASE", "2025.2")
    monkeypatch.setattr(builder, "build_images", lambda *_, **__: pytest.fail("it builds"))
    for verb in ("plan", "up"):
        assert main([verb]) == 1
        assert "wanted release 2931.1, which the cloud hotstack-os has" in capsys.readouterr().err
    assert {each.name for each in state.iterdir()} <= {"settings.yaml", "lock"}


def test_a_release_that_nobody_remembers_has_to_be_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A default in its place would take the cloud of another release for one of its own."""
    state = tmp_path / "clouds" / "hotstack-os"
    state.mkdir(parents=True)
    Vault.open(state).save()
    journal = Journal(state / "journal.jsonl")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOTSTACK_STATE_DIR", str(tmp_path / "clouds"))
    monkeypatch.setenv("HOTSTACK_CACHE_DIR", str(tmp_path / "cache"))
    journal.begin(Action("create", Resource(Ref("package", "podman", "node")), None, ()))
    assert of_cloud(state) is None  # it was begun, and nothing of any release is there
    journal.begin(Action("create", Resource(Ref("schema", "nova", "node")), None, ()))
    monkeypatch.setattr(builder, "build_images", lambda *_, **__: pytest.fail("it builds"))
    for verb in ("plan", "up"):
        assert main([verb]) == 1
        assert "wanted the release of the cloud hotstack-os; found no record" in capsys.readouterr().err
    around = {"HOTSTACK_STATE_DIR": str(tmp_path / "clouds"), "OPENSTACK_RELEASE": "2025.2"}
    require_possible(load(None, around, {}, own=of_cloud))
