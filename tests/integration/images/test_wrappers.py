"""The programs that stand in front of mount.nfs and qemu-img, run for real: mounts in a private mount namespace."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from hotstack_os.exec import run_here
from hotstack_os.images.assemble import FILES
from hotstack_os.images.store import Store


class Share:
    """A configured share and a place to mount it; `run` is a shell in a mount namespace that ends with it."""

    def __init__(self, tmp_path: Path) -> None:
        self.source, self.target, self.other = (tmp_path / name for name in ("source dir", "target dir", "other"))
        for path in (self.source, self.target, self.other):
            path.mkdir()
        (self.source / "file").write_text("of the share")
        self.conf = tmp_path / "wrapper.conf"
        self.conf.write_text(f"[share]\nsource = fake.example:/volumes\ndirectory = {self.source}\n")
        self.real = tmp_path / "real"
        self.real.write_text("#!/bin/sh\nprintf '[%s]' \"$@\"; exit 7\n")
        self.real.chmod(0o755)

    def run(self, script: str) -> subprocess.CompletedProcess[str]:
        env = os.environ | {
            "HOTSTACK_MOUNT_CONF": str(self.conf),
            "HOTSTACK_MOUNT_REAL": str(self.real),
            "W": str(FILES / "mount.nfs"),
            "T": str(self.target),
            "O": str(self.other),
        }
        script = f'nfs() {{ python3 -I "$W" "$@"; }}; mounts() {{ grep -c "target" /proc/self/mountinfo; }}; {script}'
        argv = ["unshare", "--mount", "sh", "-euc", script]
        return subprocess.run(argv, env=env, capture_output=True, text=True, check=False)


@pytest.fixture
def share(tmp_path: Path) -> Share:
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    return Share(tmp_path)


@pytest.mark.parametrize("flags", ["", "-o vers=4,rw", "-s -v", "-n", "-sv -o nolock"])
def test_the_share_becomes_one_bind_mount_however_often_it_is_asked_for(share: Share, flags: str) -> None:
    done = share.run(
        f'nfs fake.example:/volumes "$T" {flags}; nfs fake.example:/volumes/ "$T" {flags}; cat "$T/file"; mounts'
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "of the share1\n", "")


def test_requests_at_once_do_not_stack(share: Share) -> None:
    done = share.run('for i in 1 2 3 4 5 6; do nfs fake.example:/volumes "$T" & done; wait; mounts')
    assert (done.returncode, done.stdout) == (0, "1\n")


def test_options_may_come_first_and_be_joined(share: Share) -> None:
    done = share.run('nfs -oro fake.example:/volumes "$T"; ! touch "$T/new"; mounts')
    assert (done.returncode, done.stdout) == (0, "1\n")
    assert not (share.source / "new").exists()


def test_a_fake_mount_mounts_nothing(share: Share) -> None:
    done = share.run('nfs -f fake.example:/volumes "$T"; mounts || true')
    assert (done.returncode, done.stdout) == (0, "0\n")


def test_something_else_on_the_target_is_an_error(share: Share) -> None:
    done = share.run('mount --bind "$O" "$T"; nfs fake.example:/volumes "$T"')
    assert done.returncode == 32
    assert "something else is mounted on" in done.stderr


def test_a_missing_target_or_share_is_an_error(share: Share) -> None:
    done = share.run('nfs fake.example:/volumes "$T/missing"')
    assert done.returncode == 32
    (share.source / "file").unlink()
    share.source.rmdir()
    done = share.run('nfs fake.example:/volumes "$T"')
    assert done.returncode == 32
    assert "source dir" in done.stderr


def test_anything_else_is_the_real_helper(share: Share) -> None:
    done = share.run('nfs files.example:/volumes "$T" -o "rw,soft" || echo "=$?"; nfs -V || echo "=$?"')
    assert done.stdout == f"[files.example:/volumes][{share.target}][-o][rw,soft]=7\n[-V]=7\n"


def test_without_a_configuration_everything_is_the_real_helper(share: Share) -> None:
    share.conf.unlink()
    done = share.run('nfs fake.example:/volumes "$T"')
    assert (done.returncode, done.stdout) == (7, f"[fake.example:/volumes][{share.target}]")


def test_without_a_target_it_explains_itself(share: Share) -> None:
    done = share.run("nfs fake.example:/volumes")
    assert done.returncode == 1
    assert done.stderr.startswith("usage: mount.nfs")


@pytest.fixture(scope="module")
def disks(cache: Store) -> Iterator[Path]:
    """The file system of a container of the image with QEMU's tools, with our wrapper as it is now."""
    found = sorted(name for name in cache.names() if "/disks:" in name)
    if not found:
        pytest.skip("build the images first")
    made = run_here(cache.buildah("from", "--pull-never", found[0], purpose="start a container")).stdout.strip()
    root = Path(run_here(cache.buildah("mount", made, purpose="mount a container")).stdout.strip())
    (root / "usr/local/bin/qemu-img").write_bytes((FILES / "qemu-img").read_bytes())
    yield root
    run_here(cache.buildah("rm", made, purpose="remove the container"))


def qemu_img(root: Path, script: str) -> subprocess.CompletedProcess[str]:
    script = f"cd /tmp && rm -rf ./* && umask 022 && {script}"
    return subprocess.run(["chroot", root, "sh", "-euc", script], capture_output=True, text=True, check=False)


def modes(root: Path) -> dict[str, int]:
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in (root / "tmp").iterdir()}


@pytest.mark.parametrize(
    "line",
    [
        "create -q -f qcow2 new 1M",
        "create -f qcow2 -q new 1M",
        "create new 1M -f raw -q",
        "create -q -f qcow2 -o preallocation=metadata new 1M",
    ],
)
def test_created_files_are_writable_for_the_group(disks: Path, line: str) -> None:
    done = qemu_img(disks, f"qemu-img {line}")
    assert (done.returncode, modes(disks)) == (0, {"new": 0o664}), done.stderr


def test_the_source_of_a_conversion_keeps_its_mode(disks: Path) -> None:
    done = qemu_img(disks, "/usr/bin/qemu-img create -q -f raw old 1M; qemu-img convert -f raw old -O qcow2 new")
    assert (done.returncode, modes(disks)) == (0, {"old": 0o644, "new": 0o664}), done.stderr


def test_a_backing_file_keeps_its_mode_and_a_rewritten_one_gets_the_new(disks: Path) -> None:
    done = qemu_img(
        disks,
        "/usr/bin/qemu-img create -q -f raw base 1M; touch over; chmod 0600 over;"
        " qemu-img create -q -f qcow2 -b base -F raw over",
    )
    assert (done.returncode, modes(disks)) == (0, {"base": 0o644, "over": 0o664}), done.stderr


def test_a_directory_that_is_open_to_others_is_open_to_its_group_too(disks: Path) -> None:
    script = "mkdir snapshot; chgrp 36 snapshot; chmod {} snapshot; qemu-img create -q -f qcow2 snapshot/new 1M;"
    for before, after in (("0701", "711"), ("0700", "700"), ("2775", "2775")):
        done = qemu_img(disks, f"{script.format(before)} stat -c '%a %g' snapshot snapshot/new")
        assert done.stdout.splitlines() == [f"{after} 36", "664 36"], done.stderr


def test_other_commands_change_no_mode(disks: Path) -> None:
    done = qemu_img(
        disks, "/usr/bin/qemu-img create -q -f raw one 1M; qemu-img resize -q -f raw one 2M; qemu-img info one"
    )
    assert (done.returncode, modes(disks)) == (0, {"one": 0o644}), done.stderr
    assert "file format: raw" in done.stdout


def test_the_exit_status_is_that_of_the_real_program(disks: Path) -> None:
    for line in ("create -f nonsense new 1M", "convert missing new", "info missing", "nonsense"):
        real = qemu_img(disks, f"/usr/bin/qemu-img {line}")
        ours = qemu_img(disks, f"qemu-img {line}")
        assert real.returncode != 0
        assert (ours.returncode, ours.stderr) == (real.returncode, real.stderr)
