"""Root file systems as data and the argv that makes them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from hotstack_os.images import box_packages
from hotstack_os.images.bases import BOX, CONTAINER, SUITE
from hotstack_os.images.rootfs import mmdebstrap_argv

LINES = (f"deb http://mirror.example/debian {SUITE} main",)


def test_the_box_is_a_tree_of_all_listed_packages_and_the_container_a_tar() -> None:
    box, container = (mmdebstrap_argv(one, Path("/made"), LINES) for one in (BOX, CONTAINER))
    include = next(word for word in box if word.startswith("--include=")).removeprefix("--include=").split(",")
    assert set(include) == {*box_packages.NODE, *box_packages.BOX}
    assert box[-3:] == (SUITE, "/made/tree", *LINES)
    assert container[-3:] == (SUITE, "/made/rootfs.tar", *LINES)
    assert {"--format=directory", "--variant=minbase"} <= set(box)
    assert "--format=tar" in container


def test_traces_of_the_machine_are_removed_after_all_else() -> None:
    hooks = [word for word in mmdebstrap_argv(BOX, Path("/made"), LINES) if word.startswith("--customize-hook=")]
    for path in ("/etc/resolv.conf", "/etc/apt/sources.list", "/etc/apt/sources.list.d/*"):
        assert f'"$1"{path}' in hooks[-1]


def test_every_placeholder_is_filled_in() -> None:
    assert not [word for word in mmdebstrap_argv(BOX, Path("/made"), ()) if "{root}" in word]


def test_the_digest_follows_the_recipe_and_not_the_mirror() -> None:
    assert replace(BOX, packages=(*BOX.packages, "nano")).digest != BOX.digest
    assert replace(BOX, hooks=()).digest != BOX.digest
    assert len({BOX.digest, CONTAINER.digest}) == 2


def test_units_are_masked_or_disabled_but_not_both() -> None:
    assert not box_packages.MASKED.keys() & box_packages.DISABLED.keys()
