"""A box comes up as long as services of the cloud are being started in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from hotstack_os.box import Box, BoxSpec, machine
from hotstack_os.box.spec import BoxState
from hotstack_os.exec import Command, Result
from hotstack_os.exec.wait import WaitedTooLong

RUNS = "123 hotstack-os-keystone.service start running\n124 hotstack-os-glance.service start waiting\n"
WAITS = "124 hotstack-os-glance.service start waiting\n"


def coming_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jobs: list[str], ends: str) -> list[str]:
    """What is left of the answers to the question for jobs; when they are used up, systemd says how it ended."""

    def answer(command: Command) -> Result:
        if "list-jobs" in command.argv:
            return Result(command, 0, jobs.pop(0) if jobs else "", "", 0.0)
        return Result(command, 0, "starting\n" if jobs else f"{ends}\n", "", 0.0)

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
