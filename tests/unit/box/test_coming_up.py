"""A box comes up as long as services of the cloud are being started in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from hotstack_os.box import Box, BoxSpec, machine
from hotstack_os.box.spec import BoxState
from hotstack_os.exec import Command, Result, patience
from hotstack_os.exec.wait import WaitedTooLong

RUNS = "123 hotstack-os-keystone.service start running\n124 hotstack-os-glance.service start waiting\n"
WAITS = "124 hotstack-os-glance.service start waiting\n"
AGAIN = "125 hotstack-os-mariadb.service start running\n"


def coming_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jobs: list[str], ends: str) -> list[str]:
    """What is left of the answers to the question for jobs; when they are used up, systemd says how it ended."""

    def answer(command: Command) -> Result:
        if "list-jobs" in command.argv:
            return Result(command, 0, jobs.pop(0) if jobs else "", "", 0.0)
        if "--property=NRestarts" in command.argv:
            return Result(
                command, 0, "\n\n".join("7" if "mariadb" in each else "0" for each in units(command)), "", 0.0
            )
        return Result(command, 0, "starting\n" if jobs else f"{ends}\n", "", 0.0)

    def units(command: Command) -> list[str]:
        return [each for each in command.argv if each.endswith(".service")]

    monkeypatch.setattr(machine, "run_here", answer)
    monkeypatch.setattr(machine, "_AGAIN_SECONDS", 0.01)
    monkeypatch.setattr(Box, "state", lambda _: BoxState("running", 1, 1))
    Box(BoxSpec("lab", tmp_path, tmp_path / "box"))._wait_until_up(0.01, float("inf"))
    return jobs


def test_it_is_waited_for_while_a_service_is_being_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert coming_up(tmp_path, monkeypatch, [RUNS] * 3, "running") == []


@pytest.mark.parametrize("jobs", [[WAITS], [""], [RUNS, WAITS]])
def test_without_one_its_time_is_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jobs: list[str]) -> None:
    with pytest.raises(WaitedTooLong, match="box lab to be up"):
        coming_up(tmp_path, monkeypatch, jobs, "starting")


def test_what_failed_and_is_started_again_and_again_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = [RUNS + AGAIN, AGAIN, AGAIN]
    with pytest.raises(WaitedTooLong, match="box lab to be up"):
        coming_up(tmp_path, monkeypatch, jobs, "starting")
    assert jobs == [AGAIN]


def test_a_person_is_told_once_a_minute_and_of_all_the_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(patience, "FIRST", 0.02)
    monkeypatch.setattr(patience._Told, "say", told.append)
    with pytest.raises(WaitedTooLong) as late:
        coming_up(tmp_path, monkeypatch, [RUNS] * 30, "starting")
    (line,) = told
    assert line.startswith("waiting for box lab to be up (")
    assert "within 0.01 s" not in late.value.wanted  # nor within what is waited between two looks
