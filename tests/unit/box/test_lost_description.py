"""A box is where its home is: one whose description was lost is stopped, asked about, and described anew."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hotstack_os.box import Box, BoxSpec, machine, plan
from hotstack_os.box.paths import Home
from hotstack_os.errors import HotstackError

HOLDER = """
import fcntl, sys, time
handle = open(sys.argv[1], "w")
fcntl.lockf(handle, fcntl.LOCK_EX)
print("held", flush=True)
time.sleep(600)
"""


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BoxSpec:
    """A box that ran and has data, without its description."""
    monkeypatch.setattr(machine, "_require_tools", lambda: None)
    (tmp_path / "rootfs").mkdir()
    made = BoxSpec("lab", tmp_path / "rootfs", tmp_path / "box")
    home = Home(made.home)
    for directory in (home.path, home.upper, home.work, home.root, home.data):
        directory.mkdir()
    (home.data / "precious").write_text("data")
    home.plan.write_text(plan.supervisor_plan(made, overlay=True, own_cgroup=True))
    return made


@pytest.fixture
def supervisor(spec: BoxSpec) -> Iterator[subprocess.Popen[str]]:
    """What holds the lock of the box's supervisor."""
    argv = (sys.executable, "-c", HOLDER, str(Home(spec.home).lock))
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


@pytest.mark.parametrize("left", [None, "", "{}", "half"])
def test_the_description_is_written_anew_and_the_data_stays(spec: BoxSpec, left: str | None) -> None:
    home = Home(spec.home)
    if left is not None:
        home.spec.write_text(spec.to_json()[:40] if left == "half" else left)
    assert Box(spec).state().status == "stopped"
    Box(spec).create()
    assert BoxSpec.read(home.spec) == spec
    assert (home.data / "precious").read_text() == "data"


def test_another_root_file_system_is_not_put_below_what_was_changed(spec: BoxSpec, tmp_path: Path) -> None:
    (tmp_path / "newer").mkdir()
    with pytest.raises(HotstackError, match=f"made from {tmp_path}/rootfs"):
        Box(BoxSpec("lab", tmp_path / "newer", spec.home)).create()
    assert not Home(spec.home).spec.exists()


def test_a_home_that_lost_its_data_too_is_no_box(spec: BoxSpec) -> None:
    home = Home(spec.home)
    (home.data / "precious").unlink()
    home.data.rmdir()
    with pytest.raises(HotstackError, match="no data in it"):
        Box(spec).create()


def test_an_empty_home_is_none(tmp_path: Path) -> None:
    spec = BoxSpec("lab", tmp_path, tmp_path / "box")
    assert Box(spec).state().status == "absent"
    spec.home.mkdir()
    assert Box(spec).state().status == "absent"


def test_what_runs_is_stopped_before_its_home_goes(spec: BoxSpec, supervisor: subprocess.Popen[str]) -> None:
    assert Box(spec).state().supervisor == supervisor.pid
    Box(spec).stop(seconds=0.1)
    assert supervisor.wait(timeout=10) == -9
    assert (spec.home / "data" / "precious").exists()
    Box(spec).remove()
    assert not spec.home.exists()
