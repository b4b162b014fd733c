"""Device lines, files of a box, the lock that names its holder."""

from __future__ import annotations

import fcntl
import multiprocessing
import os
import re
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from hotstack_os.box import BoxSpec, devices, enter, furnish, observe, supervisor
from hotstack_os.box.paths import Home
from hotstack_os.errors import HotstackError

fork = multiprocessing.get_context("fork")

KVM = devices.Device("/dev/kvm", 0o660, "kvm", (10, 232))


def test_tmpfiles_lines() -> None:
    tun = devices.Device("/dev/net/tun", 0o666, "root", (10, 200))
    assert devices.tmpfiles((tun, KVM), {"root", "kvm"}).splitlines()[1:] == [
        "d /dev/net 0755 root root - -",
        "c /dev/net/tun 0666 root root - 10:200",
        "c /dev/kvm 0660 root kvm - 10:232",
    ]


def test_a_group_that_the_box_lacks_becomes_root() -> None:
    assert "c /dev/kvm 0660 root root - 10:232" in devices.tmpfiles((KVM,), {"root"})


def test_present_devices_have_their_numbers() -> None:
    wanted = [devices.Device(path, 0o666, "root") for path in ("/dev/null", "/dev/no-such", "/dev")]
    assert devices.present(wanted) == (devices.Device("/dev/null", 0o666, "root", (1, 3)),)


def test_first_files_give_a_box_an_identity() -> None:
    spec = BoxSpec("box", Path("/r"), Path("/h"), hostname="node1")
    one, other = furnish.first_files(spec), furnish.first_files(spec)
    assert one["etc/hostname"] == "node1\n"
    assert "127.0.1.1 node1\n" in one["etc/hosts"]
    assert one["etc/resolv.conf"] == ""
    assert re.fullmatch(r"[0-9a-f]{32}\n", one["etc/machine-id"])
    assert one["etc/machine-id"] != other["etc/machine-id"]


def test_write_never_follows_a_link_out_of_the_layer(tmp_path: Path) -> None:
    layer, outside = tmp_path / "layer", tmp_path / "outside"
    (layer / "etc").mkdir(parents=True)
    outside.write_text("precious", encoding="utf-8")
    (layer / "etc/resolv.conf").symlink_to(outside)
    furnish.write(layer, {"etc/resolv.conf": "", "etc/a/b": "c"})
    assert outside.read_text(encoding="utf-8") == "precious"
    assert not (layer / "etc/resolv.conf").is_symlink()
    assert (layer / "etc/a/b").read_text(encoding="utf-8") == "c"
    assert sorted(path.name for path in (layer / "etc").iterdir()) == ["a", "resolv.conf"]


@pytest.mark.parametrize("planted", ["etc", "etc/tmpfiles.d", "etc/group"])
def test_a_link_on_the_way_through_a_layer_is_refused(tmp_path: Path, planted: str) -> None:
    """Root of the box may have put it there, to this machine's own files."""
    layer, outside = tmp_path / "layer", tmp_path / "outside"
    outside.mkdir()
    (outside / "group").write_text("theirs:x:1:\n", encoding="utf-8")
    (tmp_path / "rootfs/etc").mkdir(parents=True)
    (tmp_path / "rootfs/etc/group").write_text("root:x:0:\n", encoding="utf-8")
    (layer / planted).parent.mkdir(parents=True)
    (layer / planted).symlink_to(outside / "group" if planted == "etc/group" else outside)
    with pytest.raises(HotstackError, match=f"{planted} as the box's own; found a symbolic link"):
        furnish.write(layer, furnish.files_at_boot(layer, tmp_path / "rootfs"))
    assert [each.name for each in outside.iterdir()] == ["group"]


def test_what_another_box_exchanged_for_a_link_is_not_mounted(tmp_path: Path) -> None:
    data, source = tmp_path / "data", tmp_path / "data/a/volumes"
    source.mkdir(parents=True)
    for within in ("", str(data)):
        handle = supervisor.opened(str(source), within)
        assert os.fstat(handle).st_ino == source.stat().st_ino
        os.close(handle)
    source.rmdir()
    source.symlink_to("/etc")
    with pytest.raises(OSError, match="is a symbolic link, made in another box"):
        supervisor.opened(str(source), str(data))
    source.unlink()
    (data / "a").rmdir()
    (data / "a").symlink_to("/var")
    with pytest.raises(NotADirectoryError):
        supervisor.opened(str(data / "a/lib"), str(data))


def test_powers_that_a_box_does_not_have_are_given_up_on_this_side() -> None:
    argv = enter.namespaces(1)
    assert argv[0] == "setpriv"
    assert argv.index("nsenter") > next(n for n, word in enumerate(argv) if word.startswith("--bounding-set=-sys_mod"))
    assert "setpriv" not in argv[argv.index("nsenter") :]


def test_groups_at_boot_are_those_of_the_box(tmp_path: Path) -> None:
    rootfs, layer = tmp_path / "rootfs", tmp_path / "layer"
    for tree, text in ((rootfs, "root:x:0:\n"), (layer, "root:x:0:\nkvm:x:104:\n")):
        (tree / "etc").mkdir(parents=True)
        (tree / "etc/group").write_text(text, encoding="utf-8")
    with_own = furnish.files_at_boot(layer, rootfs)["etc/tmpfiles.d/hotstack-os-devices.conf"]
    assert with_own == devices.tmpfiles(devices.present(), {"root", "kvm"})
    (layer / "etc/group").unlink()
    without = furnish.files_at_boot(layer, rootfs)["etc/tmpfiles.d/hotstack-os-devices.conf"]
    assert without == devices.tmpfiles(devices.present(), {"root"})


def hold(path: Path, talk: Connection) -> None:
    with path.open("w", encoding="utf-8") as handle:
        fcntl.lockf(handle, fcntl.LOCK_EX)
        talk.send("held")
        talk.recv()


def test_the_lock_names_its_holder_and_dies_with_it(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    assert observe.lock_holder(path) is None
    ours, theirs = fork.Pipe()
    holder = fork.Process(target=hold, args=(path, theirs))
    holder.start()
    assert ours.recv() == "held"
    assert observe.lock_holder(path) == holder.pid
    holder.kill()
    holder.join()
    assert observe.lock_holder(path) is None


def test_state_without_and_with_a_home(tmp_path: Path) -> None:
    home = Home(tmp_path)
    assert observe.state(home).status == "absent"
    home.spec.write_text("{}", encoding="utf-8")
    assert observe.state(home).status == "stopped"


def test_watched_process(tmp_path: Path) -> None:
    ours, theirs = fork.Pipe()
    process = fork.Process(target=hold, args=(tmp_path / "lock", theirs))
    process.start()
    assert process.pid
    with observe.watched(process.pid) as ended:
        assert ours.recv() == "held"
        assert not ended()
        process.kill()
        process.join()
        assert ended()
    with observe.watched(process.pid) as ended:
        assert ended()
    assert not observe.takes_power_off(os.getpid())
