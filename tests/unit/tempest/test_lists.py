"""The lists of tests that have to pass."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hotstack_os.errors import HotstackError
from hotstack_os.tempest import lists

ID = re.compile(r"tempest(\.\w+){4,}")


@pytest.mark.parametrize("name", [*lists.PARTS, *lists.SELECTIONS])
def test_a_list_names_tests_each_once(name: str) -> None:
    text = Path(lists.__file__).with_name("lists").joinpath(f"{name}.txt").read_text()
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert lines
    assert lines == sorted(set(lines))
    assert all(ID.fullmatch(line) for line in lines)


@pytest.mark.parametrize("name", lists.SELECTIONS)
def test_selections_are_of_what_has_to_pass(name: str) -> None:
    assert set(lists.bundled(name)) <= set(lists.required())


def test_no_test_is_on_two_lists() -> None:
    required = lists.required()
    assert len(required) == len(set(required))


def test_the_selection_for_ci_covers_each_service() -> None:
    areas = {".".join(test.split(".")[1:3]) for test in lists.bundled("ci")}
    assert areas >= {"api.identity", "api.image", "api.compute", "api.network", "api.volume"}
    assert any(area.startswith("scenario.") for area in areas)


def test_a_file_is_a_list_too(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("# mine\na.b.C.test_x[id-1,smoke]\n\na.b.C.test_y  # slow\na.b.C.test_x\n")
    assert lists.chosen(str(tmp_path / "mine")) == ("a.b.C.test_x", "a.b.C.test_y")


def test_a_list_that_is_not_there_is_told() -> None:
    with pytest.raises(HotstackError, match="smoke, ci"):
        lists.chosen("nonsense")


def test_ids_are_completed_and_what_is_gone_is_left_out() -> None:
    there = ["a.C.test_x[id-1]", "a.C.test_z[id-3]"]
    assert lists.resolve(["a.C.test_x", "a.C.test_y"], there) == ("a.C.test_x[id-1]",)
