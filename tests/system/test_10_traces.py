"""Removal leaves the host as it was, also when `up` was killed anywhere in between."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from hotstack_os.exec.wait import WaitedTooLong, until
from system.conftest import CACHE, ROOT, CloudUnderTest, discard, make_cloud

CHANCE = random.Random()  # noqa: S311 (for moments, not for secrets)
# The named caches (buildah keeps its share of them in /run), Python's byte code, and what others write all the time.
ELSEWHERE = (
    str(CACHE),
    "/run/hotstack-os",
    str(ROOT),
    "/proc",
    "/sys",
    "/dev/pts",
    "/var/log",
    "/var/lib/systemd",
    "/root",
    "/tmp",
    "/mnt",
)


@pytest.fixture
def fresh() -> Iterator[CloudUnderTest]:
    cloud = make_cloud("traces")
    cloud.run("images", "build", timeout=1800)
    yield cloud
    discard(cloud)


def said(*argv: str) -> str:
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


def snapshot(cloud: CloudUnderTest) -> dict[str, set[str]]:
    """Everything of the host that a cloud could leave something in."""
    inside = str(cloud.settings.parent)
    skipped = [part for path in (*ELSEWHERE, inside) for part in ("-path", path, "-prune", "-o")]
    files = said(
        "find", "/", "-xdev", *skipped, "(", "-type", "f", "-o", "-type", "l", ")", "-printf", "%p %m %U %G %s\\n"
    )
    devices = said("find", "/dev", "-xdev", "-printf", "%p %m %U %G\\n")
    return {
        "mounts": {line.split(" ")[1] for line in Path("/proc/self/mounts").read_text().splitlines()},
        "interfaces": {each["ifname"] for each in json.loads(said("ip", "-json", "link"))},
        "namespaces": set(said("ip", "netns", "list").split()),
        "users": set(Path("/etc/passwd").read_text().splitlines()) | set(Path("/etc/group").read_text().splitlines()),
        "control groups": {str(path) for path in Path("/sys/fs/cgroup").rglob(f"*hotstack*{cloud.name}*")},
        "devices": set(devices.splitlines()),
        "files": {line for line in files.splitlines() if "__pycache__" not in line},
        "state": {str(path) for path in cloud.settings.parent.rglob("*")},
        "processes": processes(),
    }


def processes() -> set[str]:
    """Command lines of processes that lost their parent and are a cloud's: by name, by environment, by namespaces.

    Other programs of the machine come and go meanwhile.
    """
    found = set()
    for status in Path("/proc").glob("[0-9]*/status"):
        process = status.parent
        try:
            fields = dict(line.split(":\t", 1) for line in status.read_text().splitlines() if ":\t" in line)
            argv = (process / "cmdline").read_bytes()
            told = b"hotstack" in argv or b"HOTSTACK_STATE_DIR" in (process / "environ").read_bytes()
            elsewhere = any(
                (process / "ns" / kind).readlink() != Path(f"/proc/self/ns/{kind}").readlink()
                for kind in ("pid", "net")
            )
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue  # It has ended, or it is the machine's own first process, which nobody may look into.
        if fields["PPid"] in ("0", "1") and argv and (told or elsewhere):
            found.add(argv.replace(b"\0", b" ").decode(errors="replace"))
    return found


def difference(before: dict[str, set[str]], after: dict[str, set[str]]) -> dict[str, set[str]]:
    return {name: changed for name in before if (changed := before[name] ^ after[name])}


def test_the_comparison_sees_what_is_left(fresh: CloudUnderTest) -> None:
    before = snapshot(fresh)
    left = Path("/etc/hotstack-os-left-behind")
    left.write_text("x")
    try:
        assert difference(before, snapshot(fresh)).keys() == {"files"}
    finally:
        left.unlink()


def test_up_goes_on_after_a_kill_and_down_leaves_nothing_behind(fresh: CloudUnderTest) -> None:
    before = snapshot(fresh)
    killed_up(fresh, moment := CHANCE.uniform(0.5, 30))
    print(f"killed after {moment:.1f} s")  # noqa: T201 (shown when what follows fails)
    fresh.run("up")
    assert difference(before, snapshot(fresh)).keys() >= {"state", "processes"}
    refused = fresh.run("down", accept=(64,))
    assert "Nothing was removed" in refused.stderr
    assert fresh.openstack("token", "issue")["id"]
    fresh.run("down", "--yes")
    assert difference(before, snapshot(fresh)) == {}


@pytest.mark.long
def test_down_after_a_kill_of_up_leaves_nothing_behind(fresh: CloudUnderTest) -> None:
    before = snapshot(fresh)
    for _ in range(3):
        moment = CHANCE.uniform(0.5, 45)
        killed_up(fresh, moment)
        fresh.run("down", "--yes")
        assert difference(before, snapshot(fresh)) == {}, f"killed after {moment:.1f} s"


def killed_up(cloud: CloudUnderTest, seconds: float) -> None:
    """Start `up`, and kill it with all its children of the same process group after so many seconds."""
    argv = [str(ROOT / "hotstack-os"), "up", "--settings", str(cloud.settings)]
    process = subprocess.Popen(
        argv, env=cloud.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        until(lambda: process.poll() is not None, "up to end", seconds=seconds)
    except WaitedTooLong:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
