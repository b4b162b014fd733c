"""Recipes: references known before anything is built, reasons for a new build."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hotstack_os.catalogue.spec import Image, User
from hotstack_os.images import lock
from hotstack_os.images.recipe import Recipe, lineage, recipes, references, why_rebuild

ROOT = Image("root", parent=None)
BASE = Image("base", parent="root", deb=("python3",))
WHEELS = Image("wheels", parent="base", builds=("sdist-only",))
OPENSTACK = Image("openstack", parent="base", pip=("oslo",))
NOVA = Image("nova", parent="openstack", pip=("nova",), files={"/etc/a": "a"}, user=User("nova", 5))
IMAGES = (NOVA, OPENSTACK, WHEELS, BASE, ROOT)

HASH = ("sha256:" + "0" * 64,)
LOCK = {
    "nova": lock.Pin("nova", "32.0.0", HASH),
    "oslo": lock.Pin("oslo", "1.0", HASH, ("nova",)),
    "sdist-only": lock.Pin("sdist-only", "2.0", HASH, ("nova",)),
}


def read(name: str) -> bytes:
    return name.encode()


def made(*changed: Image, release: lock.Lock = LOCK) -> dict[str, Recipe]:
    by_name = {image.name: image for image in IMAGES} | {image.name: image for image in changed}
    return recipes(by_name.values(), release, read)


def reasons(*changed: Image, name: str = "nova", release: lock.Lock = LOCK) -> tuple[str, ...]:
    return why_rebuild(made()[name].inputs, made(*changed, release=release)[name].inputs)


def test_parents_come_before_children_whatever_the_order() -> None:
    order = list(made())
    assert sorted(order) == ["base", "nova", "openstack", "root", "wheels"]
    assert order.index("root") < order.index("base") < order.index("openstack") < order.index("nova")


def test_references_are_known_without_building_and_do_not_vary() -> None:
    found = references(IMAGES, LOCK, read)
    assert found == references(reversed(IMAGES), LOCK, read)
    repository, _, tag = found["nova"].partition(":")
    assert repository == "localhost/hotstack-os/nova"
    assert len(tag) == 16
    assert int(tag, 16) >= 0


def test_a_change_reaches_all_descendants_and_nobody_else() -> None:
    before, after = made(), made(replace(OPENSTACK, deb=("uwsgi-core",)))
    changed = {name for name in before if before[name].reference != after[name].reference}
    assert changed == {"openstack", "nova"}


def test_an_image_installs_what_its_parents_lack() -> None:
    found = made()
    assert set(found["openstack"].requirements) == {"oslo"}
    assert set(found["nova"].requirements) == {"nova", "sdist-only"}
    assert found["nova"].inputs["wheels"] == ["sdist-only"]
    assert set(made(replace(NOVA, without=("sdist-only",)))["nova"].requirements) == {"nova"}


def test_lineage_ends_at_the_root() -> None:
    names = [image.name for image in lineage({image.name: image for image in IMAGES}, "nova")]
    assert names == ["nova", "openstack", "base", "root"]


def test_the_same_recipe_has_no_reason_to_be_built_again() -> None:
    assert reasons() == ()


def test_an_image_that_never_was_says_so() -> None:
    assert why_rebuild(None, made()["nova"].inputs) == ("never built here",)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        (replace(NOVA, deb=("qemu-utils",)), "deb: added qemu-utils"),
        (replace(NOVA, unpack=("novnc",)), "unpack: added novnc"),
        (replace(NOVA, steps=("true",)), "steps: added true"),
        (replace(NOVA, files={}), "file: removed /etc/a"),
        (replace(NOVA, files={"/etc/a": "b"}), "file: /etc/a changed"),
        (replace(NOVA, user=User("nova", 6)), "user changed"),
        (replace(NOVA, without=("sdist-only",)), "lock: removed sdist-only"),
    ],
)
def test_a_changed_image_is_explained(changed: Image, reason: str) -> None:
    assert reason in reasons(changed)


def test_removal_and_order_are_explained() -> None:
    two = made(replace(NOVA, steps=("a", "b")))["nova"].inputs
    assert why_rebuild(two, made(replace(NOVA, steps=("b", "a")))["nova"].inputs) == ("steps: order changed",)
    assert "steps: removed b" in why_rebuild(two, made(replace(NOVA, steps=("a",)))["nova"].inputs)


def test_a_changed_lock_is_explained() -> None:
    newer = LOCK | {"nova": replace(LOCK["nova"], version="32.0.1")}
    assert reasons(release=newer) == ("lock: nova 32.0.0 → 32.0.1",)
    other = LOCK | {"nova": replace(LOCK["nova"], hashes=("sha256:" + "1" * 64,))}
    assert reasons(release=other) == ("lock: nova 32.0.0 has other hashes",)


def test_a_changed_parent_is_named() -> None:
    (reason,) = reasons(replace(OPENSTACK, deb=("uwsgi-core",)))
    assert reason.startswith("parent changed: openstack:")


def test_a_changed_tool_rebuilds_what_it_works_on() -> None:
    before = made()
    after = recipes(IMAGES, LOCK, lambda name: b"other" if name == "compile_python.py" else name.encode())
    changed = {name for name in before if before[name].reference != after[name].reference}
    assert changed == {"openstack", "nova", "wheels"}
    assert why_rebuild(before["openstack"].inputs, after["openstack"].inputs) == ("the way of building changed",)
