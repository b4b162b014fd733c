"""The parts of the whole run: nothing is left out, nothing runs twice, and none takes much longer than another."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

RUN = Path(__file__).parents[1] / "run"
FURTHER = ["a cloud of other values", "nodes with jumbo frames"]


def program() -> ModuleType:
    loader = importlib.machinery.SourceFileLoader("tests_run", str(RUN))
    spec = importlib.util.spec_from_loader("tests_run", loader)
    assert spec
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


@pytest.mark.parametrize("count", [1, 2, 3, 4, 7])
def test_all_parts_together_are_the_whole(count: int) -> None:
    run = program()
    every = [*run.places(), *FURTHER]
    shares = [run.part(number, count, every) for number in range(1, count + 1)]
    assert sorted(name for share in shares for name in share) == sorted(every)
    lengths = [sum(run.MINUTES.get(name, run.FEW) for name in share) for share in shares]
    assert max(lengths) - min(lengths) <= max(run.MINUTES.values())


def test_the_whole_leaves_no_module_out() -> None:
    run = program()
    told = [RUN.parents[1] / name for name in (*run.FAST, *run.ROOTLESS, *run.places())]
    files = [path for path in (RUN.parent).rglob("test_*.py") if "__pycache__" not in path.parts]
    assert len(files) > 100
    assert [str(path) for path in files if not any(path == each or each in path.parents for each in told)] == []


def test_four_parts_end_within_two_hours_each() -> None:
    run = program()
    every = [*run.places(), *FURTHER]
    for number in range(1, 5):
        assert sum(run.MINUTES.get(name, run.FEW) for name in run.part(number, 4, every)) <= 90


def test_what_is_told_of_exists() -> None:
    run = program()
    assert set(run.MINUTES) <= {*run.places(), *FURTHER}
    assert "tests/system/test_20_keystone.py" in run.places()
    assert "tests/integration/handlers" in run.places()


@pytest.mark.parametrize("words", [["--part", "0/2"], ["--part", "3/2"], ["--part"], ["--parts", "1/2"]])
def test_a_part_that_does_not_exist_is_refused(words: list[str]) -> None:
    done = subprocess.run([sys.executable, str(RUN), "whole", *words], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "wanted whole --part N/M, N from 1 to M" in done.stderr
