"""Starts of services: what systemd brings up by itself is up, and few processors start few at once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from hotstack_os import interrupt
from hotstack_os.catalogue.infrastructure import CACHE
from hotstack_os.errors import HotstackError
from hotstack_os.exec import Command, Result
from hotstack_os.exec import wait as waiting
from hotstack_os.runtime import quadlet
from hotstack_os.runtime.quadlet import Container
from hotstack_os.runtime.starting import Starter
from unit.runtime.clouds import make_context

SERVICE = CACHE.services[0]
CONTAINER = Container(SERVICE, "localhost/x:1", {}, {}, "", make_context(SERVICE))


class Systemd:
    """A `Host` whose start jobs fail, and whose unit is then seen in these states: (ActiveState, NRestarts)."""

    def __init__(self, *states: tuple[str, int]) -> None:
        self._states = list(states)

    def run(self, command: Command) -> Result:
        status, said = 0, ""
        if command.argv[:2] == ("systemctl", "restart"):
            status = 1
        elif command.argv[:2] == ("systemctl", "show"):
            state, restarts = self._states.pop(0) if len(self._states) > 1 else self._states[0]
            said = f"ActiveState={state}\nNRestarts={restarts}\n"
        elif command.argv[0] == "journalctl":
            said = "503 Service Unavailable"
        return Result(command, status, said, "", 0.0).check()


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "_sleep", lambda *_: None)


def start(host: Systemd) -> None:
    Starter(host, [CONTAINER]).restart(CONTAINER)  # type: ignore[arg-type]


def test_what_systemd_brings_up_in_its_next_start_is_up() -> None:
    start(Systemd(("activating", 0), ("activating", 0), ("activating", 1), ("activating", 1), ("active", 1)))


@pytest.mark.parametrize(
    "states",
    [
        [("activating", 0), ("activating", 1), ("activating", 2)],
        [("activating", 1), ("activating", 2), ("activating", 3), ("active", 3)],
        [("failed", 0)],
        [("inactive", 0)],
    ],
)
def test_what_fails_again_has_failed_and_says_why(states: list[tuple[str, int]]) -> None:
    with pytest.raises(HotstackError, match=r"memcached to start; found\s+503 Service Unavailable"):
        start(Systemd(*states))


@pytest.mark.parametrize(("cores", "most"), [(1, 4), (2, 8)])
def test_so_many_start_at_once_as_the_processors_carry(cores: int, most: int) -> None:
    context = CONTAINER.context
    container = replace(CONTAINER, context=replace(context, facts=replace(context.facts, cores=cores)))
    lock, now, highest = threading.Lock(), 0, 0
    full, more = threading.Event(), threading.Event()

    class Slow(Systemd):
        def run(self, command: Command) -> Result:
            nonlocal now, highest
            with lock:
                now += 1
                highest = max(highest, now)
                if now == most:
                    full.set()
                if now > most:
                    more.set()
            assert full.wait(10)  # all that may are here
            more.wait(0.1)
            with lock:
                now -= 1
            return Result(command, 0, "", "", 0.0)

    starter = Starter(Slow(("active", 0)), [container])  # type: ignore[arg-type]
    with ThreadPoolExecutor(32) as pool:
        list(pool.map(starter.restart, [container] * 32))
    assert highest == most


def test_who_waits_for_a_turn_is_not_started_after_an_interrupt(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[Command] = []

    class Interrupted(Systemd):
        def run(self, command: Command) -> Result:
            begun.append(command)
            monkeypatch.setattr(interrupt._Heard, "number", 2)
            raise KeyboardInterrupt

    starter = Starter(Interrupted(), [CONTAINER])  # type: ignore[arg-type]
    monkeypatch.setattr(starter, "_turns", threading.Semaphore(1))
    with ThreadPoolExecutor(3) as pool:
        ends = [pool.submit(starter.restart, CONTAINER).exception() for _ in range(3)]
    assert [type(each) for each in ends] == [KeyboardInterrupt] * 3
    assert len(begun) == 1


def test_a_slow_machine_has_more_time_in_its_units() -> None:
    context = CONTAINER.context
    slow = replace(CONTAINER, context=replace(context, cloud=replace(context.cloud, patience=10.0)))
    assert "wait memcached 180\n" in quadlet.text(CONTAINER)
    assert "TimeoutStartSec=210\n" in quadlet.text(CONTAINER)
    assert "wait memcached 1800\n" in quadlet.text(slow)
    assert "TimeoutStartSec=1830\n" in quadlet.text(slow)
