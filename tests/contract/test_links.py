"""What a service puts in the way of root: symbolic links where it may write, and directories exchanged meanwhile."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hotstack_os.catalogue import registry
from hotstack_os.core.model import Ref, Resource
from hotstack_os.deploy.desired import desired
from hotstack_os.exec import Command, Host, RequestRefused
from hotstack_os.exec.agent import AgentHost
from hotstack_os.host import files, user_units
from hotstack_os.runtime import libvirt
from hotstack_os.settings.loading import load
from unit.deploy.test_desired import further_of, node_of

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="owners need root")
SOMEBODY = 64999
Planted = tuple[Resource, str, str]
"""What is wanted, which component of its path is planted, and the directory on the way that a service may write to."""


def several_nodes(ground: Path) -> list[dict[Ref, Resource]]:
    """The desired state of the node of a cloud with one, and of both nodes of a cloud with two."""
    settings = ground / "settings.yaml"
    settings.write_text("nodes: {compute-1: }\nservices: {nova-compute-fake: {}}\n")
    one, two = (load(each, {}, registry.takes()) for each in (None, settings))
    return [desired(node_of(one)), desired(node_of(two)), desired(further_of(two))]


def path_of(resource: Resource) -> str:
    if resource.ref.kind == user_units.USER_UNIT:
        return f"{libvirt.HOME}/.config/systemd/user/{resource.ref.name.partition('/')[2]}"
    return resource.ref.name


def writable(wanted: dict[Ref, Resource]) -> set[str]:
    """Directories of ours that another user than root may write to."""
    states = {ref.name: each.state for ref, each in wanted.items() if ref.kind == files.DIRECTORY}
    shared = {path for path, each in states.items() if int(str(each["mode"]), 8) & 0o020 and each["group"] != "root"}
    return {path for path, each in states.items() if each["owner"] != "root"} | shared | {libvirt.HOME}


def ways(wanted: dict[Ref, Resource]) -> list[Planted]:
    """Each component of each path that lies below such a directory."""
    theirs = writable(wanted)
    kinds = (files.DIRECTORY, files.FILE, files.BLOCK, user_units.USER_UNIT)
    found = []
    for resource in (each for each in wanted.values() if each.ref.kind in kinds):
        path = path_of(resource)
        parts = path.split("/")
        for length in range(2, len(parts) + 1):
            component = "/".join(parts[:length])
            above = [each for each in theirs if component.startswith(f"{each}/")]
            if above:
                found.append((resource, component, max(above, key=len)))
    return found


def number(name: object) -> int:
    return int(str(name)) if str(name).isdigit() else {"root": 0}.get(str(name), SOMEBODY)


@pytest.fixture
def ground() -> Iterator[Path]:
    """A directory in which, and above which, nobody but root may write."""
    path = Path(tempfile.mkdtemp(prefix="hotstack-os-links-", dir="/run"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def here() -> Iterator[Host]:
    host = AgentHost("here")
    yield host
    host.close()


def snapshot(root: Path) -> list[tuple[str, int, int, int, bytes]]:
    """Everything below a directory, and itself: path, owner, group, mode, content."""
    found = []
    for path in (root, *sorted(root.rglob("*"))):
        stat = path.lstat()
        content = path.read_bytes() if path.is_file() else b""
        found.append((str(path), stat.st_uid, stat.st_gid, stat.st_mode, content))
    return found


def plant(ground: Path, component: str, theirs: str) -> Path:
    """Root's directory outside, and a link to it in place of a component, made by who owns the directory around it."""
    outside = ground / "outside"
    (outside / "precious").mkdir(parents=True, mode=0o700)
    (outside / "file").write_text("precious")
    (outside / "file").chmod(0o600)
    place = Path(f"{ground}/node{component}")
    place.parent.mkdir(parents=True)
    around = Path(f"{ground}/node{theirs}")
    for each in (around, *(parent for parent in place.parents if parent.is_relative_to(around))):
        os.chown(each, SOMEBODY, SOMEBODY)
    place.symlink_to(outside)
    os.lchown(place, SOMEBODY, SOMEBODY)
    return outside


def acts(host: Host, resource: Resource, path: str) -> list[Callable[[], object]]:
    """All that handlers do at the path of a resource."""
    state, below = resource.state, f"{path}/file"
    if resource.ref.kind == files.DIRECTORY:
        mode, owner, group = (int(str(state["mode"]), 8), str(number(state["owner"])), str(number(state["group"])))
        return [
            lambda: host.make_directory(path, mode=mode, owner=owner, group=group),
            lambda: host.stat([below]),
            lambda: host.read([below]),
            lambda: host.write(below, b"ours", mode=0o644, owner=owner, group=group),
            lambda: host.make_link(below, "/etc/shadow"),
            lambda: host.remove(below),
        ]
    return [
        lambda: host.read([path]),
        lambda: host.write(path, b"ours", mode=0o644, owner=str(SOMEBODY), group=str(SOMEBODY)),
    ]


def test_no_path_of_the_catalogue_is_gone_along_through_a_planted_link(here: Host, ground: Path) -> None:
    planted = [each for wanted in several_nodes(ground) for each in ways(wanted)]
    kinds = {resource.ref.kind for resource, _, _ in planted}
    assert kinds >= {files.DIRECTORY, files.FILE, user_units.USER_UNIT}
    assert len(planted) > 20
    for resource, component, theirs in planted:
        outside = plant(ground, component, theirs)
        before, path = snapshot(outside), f"{ground}/node{path_of(resource)}"
        for act in acts(here, resource, path):
            last = component == path_of(resource)
            told = refusal(act)
            assert last or told, f"{resource.ref} with a link at {component}"
            assert not told or (f"{component} is a symbolic link to {outside}, owned by {SOMEBODY}" in told)
            assert snapshot(outside) == before, f"{resource.ref} with a link at {component}"
        here.read_tree([f"{ground}/node"])
        here.remove(f"{ground}/node")
        assert snapshot(outside) == before, f"{resource.ref} removed with a link at {component}"
        shutil.rmtree(outside)


def refusal(act: Callable[[], object]) -> str:
    try:
        act()
    except RequestRefused as error:
        return error.found
    return ""


def test_the_file_behind_a_planted_link_is_not_read_and_the_link_is_replaced(here: Host, ground: Path) -> None:
    outside = plant(ground, "/keys/1", "/keys")
    link = ground / "node/keys/1"
    link.unlink()
    link.symlink_to(outside / "file")
    os.lchown(link, SOMEBODY, SOMEBODY)
    with pytest.raises(RequestRefused, match=f"owned by {SOMEBODY}"):
        here.read([str(link)])
    assert here.read_tree([str(ground / "node")]) == {}
    handler = files.FileHandler(here, b"key")
    wanted = files.file(str(link), "here", "ours", owner=str(SOMEBODY))
    seen = handler.observe([wanted])[wanted.ref]
    assert "precious" not in repr(seen)
    here.write(str(link), "ours", mode=0o600)
    assert (link.read_text(), link.is_symlink(), (outside / "file").read_text()) == ("ours", False, "precious")


def test_the_machines_own_links_are_followed(host: Host) -> None:
    base = host.run(Command(("mktemp", "-d", "/run/hotstack-os-links-XXXXXX"))).stdout.strip()
    script = (
        "chmod 755 . && mkdir real && ln -s real absolute && ln -s ../{0}/real/../real up && ln -sfn {1}/real absolute"
    )
    host.run(Command(("sh", "-c", script.format(base.rpartition("/")[2], base)), cwd=base))
    try:
        for link in ("absolute", "up"):
            host.make_directory(f"{base}/{link}/{link}.d", mode=0o2750, owner="daemon", group="4242")
            host.write(f"{base}/{link}/{link}.d/file", b"text", mode=0o644)
            host.make_link(f"{base}/{link}/{link}", "file")
            assert host.read([f"{base}/{link}/{link}.d/file"]) == {f"{base}/{link}/{link}.d/file": b"text"}
        found = host.read_tree([f"{base}/up"])
        assert found == {f"{base}/up/{each}.d/file": b"text" for each in ("absolute", "up")}
        status = host.stat([f"{base}/real/up.d"])[f"{base}/real/up.d"]
        assert status
        assert (status.mode, status.owner, status.group) == (0o2750, "daemon", "4242")
        host.remove(f"{base}/up/up.d")
        assert host.stat([f"{base}/real/up.d"]) == {f"{base}/real/up.d": None}
        assert host.read(["/proc/self/status", "/var/run/none"])["/proc/self/status"]
        host.make_link(f"{base}/circle", f"{base}/circle")
        with pytest.raises(RequestRefused, match="symbolic links"):
            host.read([f"{base}/circle/x"])
    finally:
        host.remove(base)


def test_roots_own_link_is_refused_where_others_could_exchange_it(host: Host) -> None:
    for mode, owner in (("1777", "root:root"), ("775", "root:games"), ("755", "daemon:root")):
        base = host.run(Command(("mktemp", "-d", "/run/hotstack-os-links-XXXXXX"))).stdout.strip()
        host.run(Command(("sh", "-c", f"chown {owner} . && chmod {mode} . && mkdir real && ln -s real link"), cwd=base))
        try:
            with pytest.raises(RequestRefused, match=f"{base}/link is a symbolic link to real, owned by root"):
                host.make_directory(f"{base}/link/x", mode=0o755)
            with pytest.raises(RequestRefused, match="its parent may be another"):
                host.read([f"{base}/real/../link"])
        finally:
            host.remove(base)


def test_what_another_user_put_in_place_of_ours_is_not_given_away(here: Host, ground: Path) -> None:
    theirs = ground / "theirs"
    (theirs / "ours").mkdir(parents=True)
    os.chown(theirs, SOMEBODY, SOMEBODY)
    os.chown(theirs / "ours", 64998, 64998)
    with pytest.raises(RequestRefused, match="belongs to 64998"):
        here.make_directory(str(theirs / "ours"), mode=0o777, owner=str(SOMEBODY))
    assert (theirs / "ours").stat().st_uid == 64998


FLIP = """
import os, sys
os.chdir(sys.argv[1])
os.mkdir("mine"); os.symlink(sys.argv[2], "link")
print("ready", flush=True)
while True:
    for other in ("link", "mine"):
        try:
            os.rename("place", "away." + other)
        except OSError:
            pass
        try:
            os.rename(other, "place")
            os.rename("place", other)
        except OSError:
            pass
        for name, make in (("mine", os.mkdir), ("link", lambda path: os.symlink(sys.argv[2], path))):
            try:
                make(name)
            except OSError:
                pass
"""


def test_a_service_that_exchanges_directory_and_link_all_the_time_gains_nothing(here: Host, ground: Path) -> None:
    outside, theirs = ground / "outside", ground / "theirs"
    outside.mkdir(mode=0o700)
    (outside / "sub").mkdir(mode=0o700)
    (outside / "file").write_text("precious")
    theirs.mkdir()
    os.chown(theirs, SOMEBODY, SOMEBODY)
    before = snapshot(outside)
    argv = ["setpriv", f"--reuid={SOMEBODY}", f"--regid={SOMEBODY}", "--clear-groups"]
    with subprocess.Popen(
        [*argv, sys.executable, "-I", "-S", "-c", FLIP, str(theirs), str(outside)], stdout=subprocess.PIPE
    ) as flip:
        try:
            assert flip.stdout
            assert flip.stdout.readline() == b"ready\n"
            done = refused = 0
            for _ in range(400):
                for act in (
                    lambda: here.make_directory(f"{theirs}/place", mode=0o777, owner=str(SOMEBODY)),
                    lambda: here.make_directory(f"{theirs}/place/sub", mode=0o777, owner=str(SOMEBODY)),
                    lambda: here.write(f"{theirs}/place/file", b"ours", mode=0o666, owner=str(SOMEBODY)),
                    lambda: here.read([f"{theirs}/place/file"]),
                    lambda: here.remove(f"{theirs}/place/file"),
                    lambda: here.remove(f"{theirs}/place"),
                ):
                    told = refusal(act)
                    done, refused = done + (not told), refused + ("symbolic link" in told)
            assert snapshot(outside) == before
            assert done > 100
            assert refused > 10  # the race took place
        finally:
            flip.kill()
