"""The steps by which images change a module of upstream's: run here on a module of the test's."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from hotstack_os.catalogue.images import IMAGES
from hotstack_os.catalogue.patching import edited

TEXT = "def upload():\n    return later()\n"


def run(module: Path, expression: str, wanted: str) -> int:
    step = edited(str(module), expression, wanted)
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    return subprocess.run(["sh", "-c", step], env={"PATH": path}, capture_output=True, check=False).returncode


@pytest.fixture
def module(tmp_path: Path) -> Path:
    path = tmp_path / "module.py"
    path.write_text(TEXT)
    return path


def test_a_change_is_made_and_found(module: Path) -> None:
    assert run(module, r"s/later()/now()/", r"^    return now()$") == 0
    assert module.read_text() == TEXT.replace("later", "now")


def test_a_change_that_finds_no_place_fails(module: Path) -> None:
    assert run(module, r"s/someday()/now()/", r"^    return now()$") != 0


def test_a_result_that_was_there_before_proves_nothing(module: Path) -> None:
    module.write_text(f"{TEXT}\n\ndef other():\n    return now()\n")
    assert run(module, r"s/someday()/now()/", r"^    return now()$") != 0


def test_every_edit_of_an_image_is_such_a_step() -> None:
    edits = [step for image in IMAGES for step in image.steps if "sed -i" in step]
    assert edits
    assert all(step.startswith("! grep -q '") for step in edits)
