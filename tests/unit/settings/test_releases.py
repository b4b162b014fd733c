from __future__ import annotations

import shutil
import sys
from pathlib import Path

from hotstack_os.exec import Command, run_here
from hotstack_os.settings.releases import releases


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
    (package / "locks" / "2031.1").mkdir(parents=True)
    (package / "locks" / "2031.1" / "requirements.lock").touch()
    found = "from hotstack_os.settings.releases import releases; print(*releases())"
    program = f"import sys\nsys.path[:0] = [{str(tmp_path)!r}]\n{found}\n"
    assert run_here(Command((sys.executable, "-"), stdin=program)).stdout == "2031.1\n"
