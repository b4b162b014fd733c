"""Who may change a cloud at the same time: whose caches are used does not matter, and which cloud it is does."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest

import hotstack_os
from hotstack_os.deploy import lock
from hotstack_os.errors import HotstackError
from hotstack_os.settings.cloud import Cloud
from hotstack_os.settings.loading import load

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(hotstack_os.__file__).parent.parent)}
HOLD = """
import sys
from pathlib import Path
from hotstack_os.deploy import lock
from hotstack_os.settings.loading import load

cloud = load(None, {"HOTSTACK_STATE_DIR": sys.argv[1], "HOTSTACK_CACHE_DIR": sys.argv[2], "HOTSTACK_NAME": "lab"}, ())
if sys.argv[3] == "local":
    from dataclasses import replace
    cloud = replace(cloud, target="local")
    lock.MACHINE = Path(sys.argv[4])
way = lock.smoking(cloud) if sys.argv[3] == "smoke" else lock.held(cloud, "up", make=True)
with way:
    print("held", flush=True)
    sys.stdin.read()
"""
RACE = """
import sys
from hotstack_os.deploy import lock
from hotstack_os.errors import HotstackError
from hotstack_os.settings.loading import load

cloud = load(None, {"HOTSTACK_STATE_DIR": sys.argv[1], "HOTSTACK_CACHE_DIR": sys.argv[1], "HOTSTACK_NAME": "lab"}, ())
done = 0
while done < 40:
    try:
        with lock.held(cloud, "up", make=True):
            alone = cloud.state / "alone"
            alone.mkdir()
            (cloud.state / "journal.jsonl").write_text("mine")
            assert (cloud.state / "journal.jsonl").read_text() == "mine"
            alone.rmdir()
            lock.remove_state(cloud)
            done += 1
    except HotstackError as error:
        assert "is at it" in error.found, error
"""


def cloud(state: Path, cache: str = "cache", name: str = "lab", target: Literal["box", "local"] = "box") -> Cloud:
    """A cloud below `state`, made with a cache of its own."""
    environment = {"HOTSTACK_STATE_DIR": str(state), "HOTSTACK_CACHE_DIR": str(state / cache), "HOTSTACK_NAME": name}
    return replace(load(None, environment, {}), target=target)


@contextmanager
def holder(state: Path, way: str = "up", machine: str = "") -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock of the cloud "lab" with a cache of its own, until its input ends."""
    argv = (sys.executable, "-c", HOLD, str(state), str(state / "another-cache"), way, machine)
    pipe = subprocess.PIPE
    with subprocess.Popen(argv, stdin=pipe, stdout=pipe, text=True, env={**ENVIRONMENT, "SUDO_UID": "0"}) as process:
        assert process.stdout
        assert process.stdout.readline() == "held\n"
        yield process
        if process.poll() is None:
            process.communicate("")


def test_two_caches_do_not_change_one_cloud_at_once(tmp_path: Path) -> None:
    mine = cloud(tmp_path)
    with holder(tmp_path) as other:
        with pytest.raises(HotstackError) as refused, lock.held(mine, "down"):
            pass
        assert refused.value.wanted == "to change the cloud lab"
        said = rf"that process {other.pid} of \w+.* \(hotstack-os up, since \d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d\) is at it"
        assert re.fullmatch(said, refused.value.found)
    with lock.held(mine, "down"):
        pass


def test_different_clouds_change_at_the_same_time(tmp_path: Path) -> None:
    with holder(tmp_path), lock.held(cloud(tmp_path, "another-cache", "second"), "up", make=True):
        assert (tmp_path / "second" / lock.FILE).exists()


def test_a_killed_holder_holds_nothing_and_is_not_named(tmp_path: Path) -> None:
    with holder(tmp_path) as other:
        other.send_signal(signal.SIGKILL)
        other.wait()
    left = (tmp_path / "lab" / lock.FILE).read_text()
    assert str(other.pid) in left
    with lock.held(cloud(tmp_path), "up"):
        (tmp_path / "lab" / lock.FILE).write_text(left)  # as if the new holder had not said yet who he is
        with pytest.raises(HotstackError, match="that another process is at it"), lock.held(cloud(tmp_path), "up"):
            pass


def test_the_lock_is_free_after_an_error(tmp_path: Path) -> None:
    mine = cloud(tmp_path)
    with pytest.raises(ValueError, match="mine"), lock.held(mine, "up", make=True):
        raise ValueError("mine")
    with lock.held(mine, "up"):
        pass


def test_a_cloud_that_is_not_there_is_not_made_by_its_lock(tmp_path: Path) -> None:
    with pytest.raises(HotstackError, match="wanted a cloud named lab; found none"), lock.held(cloud(tmp_path), "down"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_removing_a_cloud_takes_its_lock_last_and_leaves_what_is_made_meanwhile(tmp_path: Path) -> None:
    processes = [
        subprocess.Popen(
            (sys.executable, "-c", RACE, str(tmp_path / "clouds")), env=ENVIRONMENT, stderr=subprocess.PIPE
        )
        for _ in range(3)
    ]
    said = [each.communicate(timeout=120)[1].decode() for each in processes]
    assert said == ["", "", ""]
    assert not (tmp_path / "clouds").exists()


def test_removing_a_cloud_leaves_other_clouds(tmp_path: Path) -> None:
    mine, other = cloud(tmp_path / "clouds"), cloud(tmp_path / "clouds", name="second")
    with lock.held(other, "up", make=True), lock.held(mine, "down", make=True):
        (mine.state / "box").mkdir()
        (mine.state / "box" / "file").touch()
        (mine.state / "client").symlink_to(tmp_path)
        lock.remove_state(mine)
    assert [each.name for each in (tmp_path / "clouds").iterdir()] == ["second"]


def test_a_smoke_test_is_alone_on_its_cloud_and_beside_changes(tmp_path: Path) -> None:
    mine = cloud(tmp_path)
    with lock.held(mine, "up", make=True), holder(tmp_path, "smoke") as other:
        with pytest.raises(HotstackError) as refused, lock.smoking(mine):
            pass
        assert refused.value.wanted == "to run the smoke test of the cloud lab"
        assert f"process {other.pid} of" in refused.value.found
        assert "(hotstack-os smoke, since" in refused.value.found


def test_this_machine_is_changed_for_one_cloud_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = tmp_path / "machine.lock"
    monkeypatch.setattr(lock, "MACHINE", machine)
    second = cloud(tmp_path / "other", name="second", target="local")
    with holder(tmp_path / "clouds", "local", str(machine)):
        with pytest.raises(HotstackError, match="wanted to change this machine; found that process"), ExitStack() as on:
            on.enter_context(lock.held(second, "up", make=True))
        with lock.held(cloud(tmp_path / "other"), "up", make=True):
            pass


def test_a_lock_of_somebody_else_in_a_directory_of_everybody_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = tmp_path / "machine.lock"
    machine.touch()
    os.chown(machine, 65534, 65534) if os.geteuid() == 0 else pytest.skip("chown needs root")
    monkeypatch.setattr(lock, "MACHINE", machine)
    mine = cloud(tmp_path, target="local")
    with pytest.raises(HotstackError, match="found something of user 65534"), lock.held(mine, "up", make=True):
        pass
    machine.unlink()
    machine.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(HotstackError, match=f"to lock {machine}"), lock.held(mine, "up", make=True):
        pass
    assert not (tmp_path / "elsewhere").exists()


def test_something_in_the_way_of_the_state_directory_is_said(tmp_path: Path) -> None:
    (tmp_path / "lab").symlink_to(tmp_path / "nowhere")
    with pytest.raises(HotstackError, match=f"to make the directory {tmp_path}/lab; found File exists"):
        lock.held(cloud(tmp_path), "up", make=True).__enter__()
