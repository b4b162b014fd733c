"""A box as data: what is refused, what is kept, what the supervisor is told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hotstack_os.box import Bind, Box, BoxSpec, BoxState, list_boxes
from hotstack_os.box import plan as plans
from hotstack_os.box.launch import transient_unit
from hotstack_os.errors import HotstackError

SPEC = BoxSpec("hot1", Path("/r"), Path("/h/hot1"), Path("/images"), (Bind("/a b", "/srv/a"), Bind("/c", "/c", True)))


def test_json_there_and_back() -> None:
    assert BoxSpec.from_json(SPEC.to_json()) == SPEC
    bare = BoxSpec("x", Path("/r"), Path("/h"))
    assert BoxSpec.from_json(bare.to_json()) == bare


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        (BoxSpec("Hot", Path("/"), Path("/h")), "'Hot' is no host name label"),
        (BoxSpec("hot", Path("/"), Path("/h"), hostname="a.b"), "'a.b' is no host name label"),
        (BoxSpec("hot", Path("/"), Path("h")), "h is not absolute"),
        (BoxSpec("hot", Path("/"), Path("/h,x=y")), "/h,x=y is not absolute or has a comma"),
        (BoxSpec("hot", Path("/no/such"), Path("/h")), "/no/such does not exist"),
        (BoxSpec("hot", Path("/"), Path("/h"), Path("/no/store")), "/no/store does not exist"),
        (BoxSpec("hot", Path("/"), Path("/h"), binds=(Bind("/no", "/srv"),)), "/no does not exist"),
        (BoxSpec("hot", Path("/"), Path("/h"), binds=(Bind("/", "/run/x"),)), "/run/x in the box is covered"),
        (BoxSpec("hot", Path("/"), Path("/h"), binds=(Bind("/", "srv"),)), "srv in the box is covered"),
    ],
)
def test_unfit_specs_are_refused(spec: BoxSpec, problem: str) -> None:
    with pytest.raises(HotstackError) as caught:
        spec.checked()
    assert problem in caught.value.found


def test_all_problems_at_once_and_none() -> None:
    with pytest.raises(HotstackError) as caught:
        BoxSpec("Hot", Path("/no"), Path("h")).checked()
    assert caught.value.found.count(";") == 2
    fine = BoxSpec("hot-1", Path("/"), Path("/h"), binds=(Bind("/", "/running"),))
    assert fine.checked() is fine


def test_units_of_equal_names_differ_by_home() -> None:
    other = BoxSpec("hot1", Path("/r"), Path("/elsewhere/hot1"))
    assert SPEC.unit.startswith("hotstack-os-box-hot1-")
    assert SPEC.unit != other.unit
    assert SPEC.unit == BoxSpec("hot1", Path("/other"), SPEC.home).unit


def test_mounts_of_an_overlay() -> None:
    root, *rest = plans.mounts(SPEC, overlay=True)
    layers = "lowerdir=/r,upperdir=/h/hot1/upper,workdir=/h/hot1/work"
    assert root == plans.Mount("overlay", "", "overlay", layers)
    assert rest == [
        plans.Mount("/h/hot1/containers", "/var/lib/containers"),
        plans.Mount("/h/hot1/data", "/var/lib/hotstack-os"),
        plans.Mount("/images", "/var/lib/hotstack-os-images", read_only=True),
        plans.Mount("/a b", "/srv/a", read_only=True),
        plans.Mount("/c", "/c"),
    ]


def test_mounts_of_a_copy_have_no_overlay_and_containers_in_memory() -> None:
    first, *rest = plans.mounts(SPEC, overlay=False)
    assert first == plans.Mount("tmpfs", "/var/lib/containers", "tmpfs", "mode=755")
    assert rest[0].inner == "/var/lib/hotstack-os"
    assert not [each for each in rest if each.kind == "overlay"]


def test_the_plan_touches_the_outer_machine_nowhere_but_in_home() -> None:
    plan = json.loads(plans.supervisor_plan(SPEC, overlay=True, own_cgroup=True))
    for key in ("lock", "console", "root", "cgroups_file"):
        assert plan[key].startswith("/h/hot1/")
    assert plan["cgroup"] == SPEC.unit
    assert json.loads(plans.supervisor_plan(SPEC, overlay=True, own_cgroup=False))["cgroup"] == ""
    argv = plan["argv"]
    for needed in ("--register=no", "--keep-unit", "--settings=no", "--network-namespace-path=/proc/1/ns/net"):
        assert needed in argv
    assert "--drop-capability=CAP_SYS_MODULE,CAP_SYS_TIME,CAP_SYS_RAWIO,CAP_SYSLOG" in argv
    assert not [each for each in argv if each.startswith("--bind")]
    assert plan["environment"]["SYSTEMD_NSPAWN_API_VFS_WRITABLE"] == "network"


def test_transient_unit_is_delegated_and_forks() -> None:
    argv = transient_unit(SPEC)
    assert argv[0] == "systemd-run"
    assert {f"--unit={SPEC.unit}", "--service-type=forking", "--property=Delegate=yes", "--collect"} <= set(argv)


def test_list_boxes_takes_whole_ones_only(tmp_path: Path) -> None:
    assert list_boxes(tmp_path / "none") == ()
    for name in ("b", "a", ".c.new"):
        home = tmp_path / name
        home.mkdir()
        home.joinpath("box.json").write_text(BoxSpec(name, Path("/r"), home).to_json(), encoding="utf-8")
    (tmp_path / "unrelated").mkdir()
    stopped = BoxState("stopped")
    assert list_boxes(tmp_path) == (("a", stopped), ("b", stopped))


@pytest.mark.parametrize("left", [None, "half"])
def test_list_boxes_takes_those_whose_description_was_lost(tmp_path: Path, left: str | None) -> None:
    for name in ("box/data", "box/root", "dumps/data"):
        tmp_path.joinpath(name).mkdir(parents=True)
    if left:
        tmp_path.joinpath("box/box.json").write_text(left)
    assert list_boxes(tmp_path) == ((f"{tmp_path}/box", BoxState("stopped")),)


def test_boxes_need_root(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(HotstackError, match="sudo"):
        Box(BoxSpec("hot", tmp_path, tmp_path / "hot")).create()
    assert list(tmp_path.iterdir()) == []
