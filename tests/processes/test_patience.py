"""One factor stretches every time after which somebody gives up."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from hotstack_os.exec import Command, CommandTimeout, HostLost, agent
from hotstack_os.exec.agent import AgentHost
from hotstack_os.exec.local import run_here
from hotstack_os.exec.patience import stretch, stretched
from hotstack_os.exec.wait import WaitedTooLong, until


@pytest.fixture(autouse=True)
def five_times() -> Iterator[None]:
    stretch(5.0)
    yield
    stretch(1.0)


def test_what_is_waited_for_has_more_time() -> None:
    began = time.monotonic()
    with pytest.raises(WaitedTooLong, match=r"it within 1 s"):
        until(lambda: None, "it", seconds=0.2)
    assert time.monotonic() - began >= 1.0


@pytest.mark.parametrize("where", ["here", "agent"])
def test_commands_have_more_time(where: str) -> None:
    run = run_here if where == "here" else AgentHost("here").run
    assert run(Command(("sh", "-c", "sleep 0.3; echo done"), timeout=0.2)).stdout == "done\n"
    with pytest.raises(CommandTimeout, match="within 1 s"):
        run(Command(("sleep", "60"), timeout=0.2))


def test_who_hears_nothing_says_how_long_it_waited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent, "START_SECONDS", 0.2)
    host = AgentHost("here", ("sh", "-c", "exec sleep 60", "sh"))
    with pytest.raises(HostLost, match=r"no word of it in 1 s"):
        host.run(Command(("true",)))
    host.close()


def test_a_machine_like_others_takes_the_numbers_as_they_are() -> None:
    stretch(1.0)
    assert stretched(180) == 180
