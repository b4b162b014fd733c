"""The builder with a real buildah: order, failures, a killed builder, two builders, garbage."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from hotstack_os.catalogue.images import IMAGES
from hotstack_os.catalogue.spec import Image, User
from hotstack_os.errors import HotstackError
from hotstack_os.exec import run_here, wait
from hotstack_os.images import lock
from hotstack_os.images.builder import Event, build_images, plan_images
from hotstack_os.images.store import Store

ROOTFS = Image("rootfs", parent=None)
SMALL = Image("small", parent="rootfs", user=User("small", 64999), steps=("echo one > /one",))
TWIN = Image("twin", parent="rootfs", steps=("echo two > /two",))
CHILD = Image("child", parent="small", files={"/sbin/tool": "qemu-img"}, steps=("test -x /sbin/tool && cat /one",))


def default_store() -> str:
    done = subprocess.run(["buildah", "images", "--all", "--json"], capture_output=True, text=True, check=True)
    return done.stdout


def inside(store: Store, reference: str, script: str) -> str:
    """What a shell in a container of the image prints."""
    made = run_here(store.buildah("from", "--pull-never", reference, purpose="start a container")).stdout.strip()
    try:
        return run_here(store.buildah("run", made, "--", "sh", "-c", script, purpose="look into an image")).stdout
    finally:
        run_here(store.buildah("rm", made, purpose="remove the container"))


def test_images_are_built_in_order_and_only_once(store: Store) -> None:
    before = default_store()
    events: list[Event] = []
    images = (CHILD, TWIN, SMALL, ROOTFS)
    references = build_images(images, {}, store, progress=events.append)
    finished = [event.image for event in events if event.kind == "finished"]
    assert finished[0] == "rootfs"
    assert finished.index("small") < finished.index("child")
    assert set(references.values()) <= store.names()
    assert (
        inside(store, references["child"], "cat /one; id -un; stat -c '%a %u' /usr/sbin/tool") == "one\nroot\n755 0\n"
    )
    assert inside(store, references["small"], "id -un; id -u; id -g") == "small\n64999\n64999\n"

    again: list[Event] = []
    assert build_images(images, {}, store, progress=again.append) == references
    assert again == []
    assert default_store() == before


def test_a_failing_step_is_shown_whole_and_stops_the_rest(store: Store) -> None:
    broken = Image("broken", parent="rootfs", steps=("echo before", "seq 1 3000; echo to-stderr >&2; exit 3"))
    above = Image("above", parent="broken")
    events: list[Event] = []
    with pytest.raises(HotstackError) as caught:
        build_images((ROOTFS, broken, above), {}, store, progress=events.append)
    assert caught.value.wanted == "to build image broken"
    lines = caught.value.found.splitlines()
    assert [line for line in lines if line.isdigit()] == [str(number) for number in range(1, 3001)]
    assert "to-stderr" in lines
    assert "before" not in lines
    assert [(event.kind, event.image) for event in events] == [("started", "broken"), ("failed", "broken")]
    (state,) = [state for state in plan_images((ROOTFS, broken), {}, store) if state.recipe.image.name == "broken"]
    assert state.reasons == ("never built here",)


_BUILD_AND_HANG = """
import sys
from pathlib import Path
from hotstack_os.catalogue.spec import Image
from hotstack_os.images.builder import build_images
from hotstack_os.images.store import Store
images = (Image("rootfs", parent=None), Image("slow", parent="rootfs", steps=(sys.argv[2],)))
build_images(images, {}, Store(Path(sys.argv[1])))
"""


def _start(store: Store, step: str) -> subprocess.Popen[bytes]:
    env = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3] / "src")}
    return subprocess.Popen([sys.executable, "-c", _BUILD_AND_HANG, str(store.cache), step], env=env)


def _running(step: str) -> str:
    """Processes of this machine that run exactly the step."""
    return subprocess.run(["pgrep", "-xf", step], capture_output=True, text=True, check=False).stdout


def _reached(store: Store, step: str) -> bool:
    log = store.work / "slow/build.log"
    return log.is_file() and "hotstack-step 0\n" in log.read_text()


def test_a_killed_builder_leaves_nothing_that_hinders_the_next(store: Store) -> None:
    step = "sleep 617"
    builder = _start(store, step)
    wait.until(lambda: _reached(store, step), "the slow step", seconds=60)
    builder.send_signal(signal.SIGKILL)
    builder.wait()
    wait.until(lambda: not _running(step), "an end of all that the build started", seconds=10)
    assert (store.work / "slow/build.log").is_file()
    started = time.monotonic()
    slow = Image("slow", parent="rootfs", steps=("true",))
    references = build_images((ROOTFS, slow), {}, store)
    assert references["slow"] in store.names()
    assert time.monotonic() - started < 60
    assert list(store.work.iterdir()) == []
    assert json.loads((store.root / "overlay-containers/containers.json").read_text()) == []
    assert f"{store.root}/overlay/" not in Path("/proc/self/mountinfo").read_text()


def test_two_builders_take_turns(store: Store) -> None:
    step = "sleep 2"
    builder = _start(store, step)
    wait.until(lambda: _reached(store, step), "the slow step", seconds=60)
    events: list[Event] = []
    slow = Image("slow", parent="rootfs", steps=(step,))
    references = build_images((ROOTFS, slow), {}, store, progress=events.append)
    assert builder.wait() == 0
    assert references["slow"] in store.names()
    assert [event.kind for event in events] == ["waiting"]


def test_garbage_goes_and_what_is_kept_stays_with_its_parents(store: Store) -> None:
    references = build_images((ROOTFS, SMALL, TWIN, CHILD), {}, store)
    gone = store.collect(lambda: {references["child"]})
    assert references["twin"] in gone
    assert {references[name] for name in ("rootfs", "small", "child")} == store.names()
    reasons = {state.recipe.image.name: state.reasons for state in plan_images((ROOTFS, SMALL, TWIN, CHILD), {}, store)}
    assert reasons == {"rootfs": (), "small": (), "twin": ("never built here",), "child": ()}


def test_an_image_without_a_record_is_built_again(store: Store) -> None:
    references = build_images((ROOTFS, TWIN), {}, store)
    (store.record_directory(references["twin"]) / "record.json").unlink()
    states = {state.recipe.image.name: state.reasons for state in plan_images((ROOTFS, TWIN), {}, store)}
    assert states["twin"] == ("an earlier build did not finish",)
    build_images((ROOTFS, TWIN), {}, store)
    assert all(state.present for state in plan_images((ROOTFS, TWIN), {}, store))


def test_images_that_do_not_depend_on_each_other_are_built_at_once(store: Store) -> None:
    if (os.cpu_count() or 1) < 2:
        pytest.skip("one processor builds one image at a time")
    pair = tuple(Image(name, parent="rootfs", steps=(f"sleep 1; echo {name}",)) for name in ("left", "right"))
    open_now: set[str] = set()
    most = 0
    guard = threading.Lock()

    def watch(event: Event) -> None:
        nonlocal most
        with guard:
            open_now.add(event.image) if event.kind == "started" else open_now.discard(event.image)
            most = max(most, len(open_now))

    build_images((ROOTFS, *pair), {}, store, progress=watch)
    assert most == 2


def test_planning_the_whole_catalogue_is_fast_and_changes_nothing(store: Store) -> None:
    release = lock.load("2025.2")
    before = sorted(store.cache.rglob("*"))
    started = time.monotonic()
    states = plan_images(IMAGES, release, store)
    assert time.monotonic() - started < 0.3
    assert len(states) == len(IMAGES)
    assert sorted(store.cache.rglob("*")) == before
