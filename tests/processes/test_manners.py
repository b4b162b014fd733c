"""How every verb behaves: quick to start, data on standard output, talk on standard error, no codes in a pipe."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import hotstack_os
from hotstack_os.cli.main import VERBS
from hotstack_os.health import cloud, machine

HEAVY = (
    "openstack",
    "rich",
    "jinja2",
    "pydantic",
    "yaml",
    "hotstack_os.deploy.cloud",
    "hotstack_os.catalogue.registry",
)
"""What costs tens of milliseconds to import each."""


def environment(place: Path) -> dict[str, str]:
    return {
        **os.environ,
        "PYTHONPATH": str(Path(hotstack_os.__file__).parents[1]),
        "HOTSTACK_STATE_DIR": str(place / "clouds"),
        "HOTSTACK_CACHE_DIR": str(place / "cache"),
        "TERM": "xterm-256color",
        "FORCE_COLOR": "",
    }


def run(place: Path, *words: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "hotstack_os", *words]
    return subprocess.run(argv, env=environment(place), cwd=place, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("verb", VERBS)
def test_a_verbs_module_imports_nothing_heavy(verb: str, tmp_path: Path) -> None:
    code = (
        "import sys; from hotstack_os.cli.main import verb_parser\n"
        f"verb_parser({verb!r}); print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment(tmp_path), capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


WITHOUT_CLOUD = [
    (["status"], 1),
    (["status", "--json"], 1),
    (["doctor"], None),
    (["doctor", "--json"], None),
    (["settings", "show"], 0),
    (["settings", "show", "--json"], 0),
    (["settings", "schema"], 0),
    (["plan", "--help"], 0),
    (["images", "list"], 0),
    (["images", "list", "--json"], 0),
    (["box", "list"], 0),
    (["box", "list", "--json"], 0),
    (["completion", "bash"], 0),
]


@pytest.mark.parametrize(("words", "status"), WITHOUT_CLOUD)
def test_data_goes_to_standard_output_without_codes(words: list[str], status: int | None, tmp_path: Path) -> None:
    done = run(tmp_path, *words)
    assert done.returncode == status or (status is None and done.returncode in (0, 1)), done.stderr
    assert "\x1b" not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    if words[0] != "doctor" or "--json" in words:  # a good machine needs no word
        assert done.stdout
    if "--json" in words or words[-1] == "schema":
        json.loads(done.stdout)


@pytest.mark.parametrize(
    "words", [["start"], ["logs"], ["shell"], ["smoke"], ["exec", "keystone", "--", "id"], ["uninstall"]]
)
def test_talk_goes_to_standard_error(words: list[str], tmp_path: Path) -> None:
    done = run(tmp_path, *words)
    assert done.stdout == ""
    assert "cloud" in done.stderr
    assert "\x1b" not in done.stderr


def test_json_of_the_doctor(tmp_path: Path) -> None:
    said = json.loads(run(tmp_path, "doctor", "--json").stdout)
    assert said.keys() == {"problems", "findings"}
    assert all(each.keys() == {"check", "subject", "severity", "what", "why", "todo"} for each in said["findings"])


def test_every_check_of_the_doctor_is_in_the_table_of_troubles() -> None:
    page = (Path(hotstack_os.__file__).parents[2] / "docs/TROUBLESHOOTING.md").read_text()
    checks = {check.__name__.replace("_", "-") for check in (*machine.CHECKS, *cloud.CHECKS)}
    missing = {check for check in checks if f"`{check}`" not in page}
    assert missing == {"operating-system", "cores"}  # these speak for themselves


def test_every_verb_is_in_the_readme() -> None:
    page = (Path(hotstack_os.__file__).parents[2] / "README.md").read_text()
    rows = "\n".join(line.split(" | ")[0] for line in page.splitlines() if line.startswith("| `"))
    assert [verb for verb in VERBS if verb not in rows] == []


def test_every_verb_that_speaks_json_is_documented() -> None:
    page = (Path(hotstack_os.__file__).parents[2] / "docs/JSON.md").read_text()
    for verb in ("status", "plan", "up", "doctor", "smoke", "images list", "box list", "settings show"):
        assert f"`{verb} --json`" in page


def test_a_wrong_name_behind_cloud_blames_the_option(tmp_path: Path) -> None:
    done = run(tmp_path, "status", "--cloud", "UPPER")
    assert done.returncode == 64
    assert "--cloud" in done.stderr
    assert "'UPPER'" in done.stderr
    assert "variable" not in done.stderr


def test_a_directory_in_the_place_of_an_image_is_called_one(tmp_path: Path) -> None:
    (tmp_path / "hotstack-os.yaml").write_text(f"content: {{images: {{mine: {{file: {tmp_path}}}}}}}\n")
    done = run(tmp_path, "plan")
    assert "found a directory" in done.stderr
    assert "Correct content.images.mine.file." in done.stderr
