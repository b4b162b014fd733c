"""The programs that run during image builds, run for real on small environments."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from hotstack_os.images.assemble import FILES


@pytest.fixture
def site(tmp_path: Path) -> Path:
    path = tmp_path / "lib/python3.13/site-packages"
    path.mkdir(parents=True)
    return path


def run(tool: str, site: Path) -> str:
    argv = [sys.executable, "-E", str(FILES / tool), str(site.parents[2])]  # as in the build: without our variables
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


def script(directory: Path, name: str, text: str) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    (directory / name).write_text(text)


def test_heads_are_what_nobody_descends_from(site: Path) -> None:
    keystone = site / "keystone/common/sql/migrations/versions"
    script(keystone / "2024/expand", "a.py", "revision = 'a'\ndown_revision = None\n")
    script(keystone / "2024/expand", "b.py", "revision = 'b'\ndown_revision = 'a'\nbranch_labels = make()\n")
    script(keystone / "2024/contract", "c.py", "revision = 'c'\ndown_revision = 'a'\n")
    script(keystone / "2025/expand", "d.py", "import nothing_like_this\nrevision = 'd'\ndown_revision = ('b',)\n")
    script(keystone, "__init__.py", "")
    script(site / "nova/db/api/migrations/versions", "x.py", "revision = 'x'\ndown_revision = None\n")
    assert json.loads(run("schema_heads.py", site)) == {"keystone": ["c", "d"], "nova_api": ["x"]}


def test_test_suites_go_and_the_rest_is_compiled_for_good(site: Path) -> None:
    script(site / "package", "module.py", "VALUE = 1\n")
    script(site / "package", "template.py", "print 'of another Python'\n")
    script(site / "package/tests/unit", "test_it.py", "")
    said = run("compile_python.py", site)
    assert "compiled 1 modules" in said
    assert "template.py" in said
    assert not (site / "package/tests").exists()
    (compiled,) = (site / "package/__pycache__").iterdir()
    # PEP 552: flags 0b01 are a hash that is never checked.
    assert compiled.read_bytes()[4:8] == b"\x01\x00\x00\x00"
    written = compiled.stat().st_mtime_ns
    assert "compiled 0 modules" in run("compile_python.py", site)
    assert compiled.stat().st_mtime_ns == written
