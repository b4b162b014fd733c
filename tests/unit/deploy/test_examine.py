"""What this machine is, read from texts like those of the kernel; and that looking leaves nothing behind."""

from __future__ import annotations

import importlib.machinery
import importlib.util
from pathlib import Path

import pytest

import hotstack_os
from hotstack_os.deploy import examine_machine as examine
from hotstack_os.deploy.examine_cloud import _percent
from hotstack_os.health.machine import Attempt
from hotstack_os.settings.loading import load

LAUNCHER = Path(hotstack_os.__file__).parents[2] / "hotstack-os"
MEMINFO = "MemTotal:       1000 kB\nMemFree:         100 kB\nMemAvailable:    500 kB\n"


@pytest.mark.parametrize(
    ("mounts", "mode"),
    [
        ("cgroup2 /sys/fs/cgroup cgroup2 rw 0 0", "unified"),
        ("cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\nx /sys/fs/cgroup/cpu cgroup rw 0 0", "hybrid"),
        ("cgroup /sys/fs/cgroup/memory cgroup rw 0 0", "version 1"),
        ("proc /proc proc rw 0 0", "none"),
    ],
)  # fmt: skip
def test_control_groups(mounts: str, mode: str) -> None:
    assert examine.cgroup_mode(mounts) == mode


def test_memory_is_bounded_by_our_own_group() -> None:
    assert examine._memory(MEMINFO, None) == (1024000, 512000)
    assert examine._memory(MEMINFO, 300000) == (300000, 300000)


def test_mounts_below_our_directories_are_leftovers(tmp_path: Path) -> None:
    lines = f"a {tmp_path} ext4 rw 0 0\nb {tmp_path}/lab/box/root overlay rw 0 0\nc /elsewhere ext4 rw 0 0"
    (found,) = examine._mounts(lines, (tmp_path,))
    assert found.remove == f"umount {tmp_path}/lab/box/root"


def test_a_state_without_settings_is_a_leftover(tmp_path: Path) -> None:
    (tmp_path / "half").mkdir()
    (tmp_path / "whole").mkdir()
    (tmp_path / "whole/settings.yaml").write_text("name: whole\n")
    cloud = load(None, {"HOTSTACK_STATE_DIR": str(tmp_path), "HOTSTACK_CACHE_DIR": str(tmp_path / "c")}, {})
    told = [each.remove for each in examine._leftovers(cloud)]
    assert "hotstack-os down --cloud half" in told
    assert not any("whole" in each for each in told)


def test_attempts_answer_and_leave_nothing(tmp_path: Path) -> None:
    found = examine._attempts(tmp_path)
    assert found.keys() == {"namespaces", "overlay", "tun", "kvm"}
    assert not list(tmp_path.iterdir())


def test_an_attempt_that_fails_says_why() -> None:
    assert examine._try("sh", "-c", "echo one >&2; echo two >&2; exit 1") == Attempt(False, "two")
    assert not examine._try("no-such-program").worked
    assert examine._try("true").worked


def test_the_launcher_installs_what_the_doctor_misses() -> None:
    loader = importlib.machinery.SourceFileLoader("launcher", str(LAUNCHER))
    spec = importlib.util.spec_from_loader("launcher", loader)
    assert spec
    launcher = importlib.util.module_from_spec(spec)
    loader.exec_module(launcher)
    assert dict(examine.REQUIRED) == launcher.PACKAGES
    assert not {("doctor",), ("status",), ("plan",)} & {*launcher.INSTALL, *launcher.REMOVE}


def test_a_number_that_a_file_system_does_not_have() -> None:
    assert (_percent("42%"), _percent("-")) == (42, 0)
