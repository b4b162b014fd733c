"""`pip install .` gives the same command, with everything that it needs to know at run time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import uv

ROOT = Path(__file__).parents[2]


def test_an_installed_package_has_command_locks_and_files(tmp_path: Path) -> None:
    environment = tmp_path / "env"
    subprocess.run([uv.find_uv_bin(), "venv", "-q", "--python", sys.executable, str(environment)], check=True)
    python = environment / "bin" / "python"
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "-q", "--no-deps", str(ROOT)]
    subprocess.run(install, check=True)
    said = subprocess.run(
        [environment / "bin" / "hotstack-os", "--version"], capture_output=True, text=True, check=True
    )
    assert said.stdout.startswith("hotstack-os ")
    package = next(environment.glob("lib/python3*/site-packages/hotstack_os"))
    for name in ("locks/2025.2/requirements.lock", "node/agent.py", "node/health.py", "images/files/mount.nfs"):
        assert (package / name).read_bytes() == (
            ROOT / ("" if name.startswith("locks") else "src/hotstack_os") / name
        ).read_bytes()
