"""Ctrl-C, and other polite ends: real processes that wait in every way there is end within two seconds, in a line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import hotstack_os
from hotstack_os.exec.wait import until

SOURCE = str(Path(hotstack_os.__file__).parents[1])
BEGIN = """
import sys, threading, time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from hotstack_os import __main__ as program, interrupt
from hotstack_os.cli import main as command
from hotstack_os.exec import Command, patience, run_here, stream
from hotstack_os.exec.agent import AgentHost
from hotstack_os.exec.wait import until

place = Path(sys.argv[1])
ready = lambda name: (place / name).touch()
script = lambda name: ("sh", "-c", f"trap '' TERM; echo $$ > {place}/{name}; while :; do sleep 1; done")
sleeper = lambda name: Command(script(name), "sleep", timeout=300)
host = AgentHost("lab")
waits = {
    "agent": lambda: host.run(sleeper("agent")),
    "here": lambda: run_here(sleeper("here")),
    "until": lambda: (ready("until"), until(lambda: None, "the moon", seconds=300, step=100)),
    "deaf": lambda: time.sleep(300) if ready("deaf") is None else None,
}

def lines():
    with stream.lines(Command(script("lines"))) as said:
        list(said)

waits["lines"] = lines

def pool(*names):
    with ThreadPoolExecutor(8) as pool:
        for each in [pool.submit(waits[name]) for name in names]:
            each.result()

def main():
    try:
        DO
    finally:
        host.close()
    return 0

command._run = lambda words: main()
sys.exit(program.begin())
"""
"""A program that begins and ends as ours does, with another verb."""


def start(place: Path, act: str) -> subprocess.Popen[str]:
    code = BEGIN.replace("DO", act)
    return subprocess.Popen(
        [sys.executable, "-c", code, str(place)],
        env={**os.environ, "PYTHONPATH": SOURCE},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def ended(process: subprocess.Popen[str], *signals: int) -> tuple[float, int, str]:
    """Seconds from the first signal to the end, were the machine not busy; exit status, and what was said."""
    began, busy = time.monotonic(), os.getloadavg()[0] / (os.cpu_count() or 1)
    for number in signals:
        process.send_signal(number)
        time.sleep(0.02)
    try:
        _, said = process.communicate(timeout=20)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    # Two seconds are meant on a machine that has a processor for us.
    return (time.monotonic() - began) / max(1.0, busy / 3), process.returncode, said


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


ACTS = {
    "pool('agent', 'here', 'until')": ("agent", "here", "until"),
    "waits['agent']()": ("agent",),
    "waits['here']()": ("here",),
    "waits['until']()": ("until",),
    "waits['lines']()": ("lines",),
    "pool('deaf', 'here', 'agent')": ("deaf", "here", "agent"),
}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("act", ACTS)
def test_whatever_waits_ends_within_two_seconds_and_leaves_nothing(act: str, number: int, tmp_path: Path) -> None:
    process = start(tmp_path, act)
    until(lambda: all((tmp_path / each).exists() for each in ACTS[act]), "all to wait", seconds=20)
    seconds, status, said = ended(process, number)
    assert seconds < 2
    assert status == 128 + number
    word = "interrupted" if number == signal.SIGINT else f"ended by {signal.Signals(number).name}"
    assert said == f"hotstack-os: {word}; run the same command again to go on\n"
    pids = [int(text) for each in ACTS[act] if (text := (tmp_path / each).read_text())]
    until(lambda: not any(map(alive, pids)), "all that it started to end", seconds=5)


def test_a_second_one_ends_it_at_once_and_in_the_same_words(tmp_path: Path) -> None:
    process = start(tmp_path, "pool('deaf', 'here')")
    until((tmp_path / "here").exists, "it to wait", seconds=20)
    seconds, status, said = ended(process, signal.SIGINT, signal.SIGINT)
    assert seconds < 1
    assert status == 130
    assert said == "hotstack-os: interrupted; run the same command again to go on\n"
    pid = int((tmp_path / "here").read_text())
    until(lambda: not alive(pid), "what it started to end", seconds=5)


@pytest.mark.parametrize("many", [3, 30])
def test_an_impatient_person_gets_no_traceback(many: int, tmp_path: Path) -> None:
    process = start(tmp_path, "pool('agent', 'here', 'until')")
    until((tmp_path / "agent").exists, "it to wait", seconds=20)
    seconds, status, said = ended(process, *[signal.SIGINT] * many)
    assert seconds < 2
    assert status in (130, -signal.SIGINT)
    assert "Traceback" not in said


CLEAN = """waits['here']()
    except KeyboardInterrupt:
        with interrupt.cleaning("sweeping"):
            run_here(Command(("sleep", "2.5")))
            waits['agent']()"""


def test_who_must_clean_does_it_and_says_so_and_the_next_one_ends_that(tmp_path: Path) -> None:
    process = start(tmp_path, CLEAN)
    until((tmp_path / "here").exists, "it to wait", seconds=20)
    process.send_signal(signal.SIGINT)
    until((tmp_path / "agent").exists, "it to clean for longer than a moment", seconds=20)
    seconds, status, said = ended(process, signal.SIGINT)
    assert seconds < 2
    assert status == 130
    assert said.splitlines() == [
        "hotstack-os: interrupted; sweeping (once more: leave it)",
        "hotstack-os: interrupted; run the same command again to go on",
    ]


def test_what_our_starter_ignores_we_ignore(tmp_path: Path) -> None:
    """nohup(1)."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        process = start(tmp_path, "waits['here']()")
    finally:
        signal.signal(signal.SIGHUP, before)
    until((tmp_path / "here").exists, "it to wait", seconds=20)
    process.send_signal(signal.SIGHUP)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(2)
    assert ended(process, signal.SIGTERM)[1] == 128 + signal.SIGTERM


APPLY = """apply_all()
    finally:
        pass

from hotstack_os.core.apply import apply, make_plan
from hotstack_os.core.handler import World
from hotstack_os.core.journal import Journal
from hotstack_os.core.model import Absent, Ref, Resource

class Slow:
    def observe(self, resources):
        return {each.ref: Absent() for each in resources}
    def apply(self, action):
        host.run(sleeper(action.ref.name))

def apply_all():
    wanted = {ref: Resource(ref, {"a": 1}) for ref in (Ref("slow", f"n{each}", "lab") for each in range(12))}
    journal, world = Journal(place / "journal"), World({("lab", "slow"): Slow()})
    apply(make_plan(wanted, world, journal), world, journal)

def rest():
    try:
        pass"""


def test_a_plan_is_left_so_that_the_next_run_goes_on(tmp_path: Path) -> None:
    process = start(tmp_path, APPLY)
    names = [f"n{each}" for each in range(12)]
    until(lambda: all((tmp_path / each).exists() for each in names), "all actions to run", seconds=30)
    seconds, status, _ = ended(process, signal.SIGINT)
    assert seconds < 2
    assert status == 130
    events = [json.loads(line) for line in (tmp_path / "journal").read_text().splitlines()]
    assert sorted(each["event"] for each in events) == ["begin"] * 12


FRAGILE = """
import sys, time
sys.path.insert(0, PLACE)
from hotstack_os import interrupt
interrupt.listen()
try:
    import fragile
    for _ in range(1000):
        time.sleep(0.01)
except KeyboardInterrupt:
    sys.exit(interrupt.last_word())
"""
MODULE = """
import time
print("loads", flush=True)
try:
    end = time.monotonic() + 0.3
    while time.monotonic() < end:
        pass
except BaseException as error:
    raise ImportError("as extension modules do") from error
"""


def test_an_interrupt_waits_until_a_module_is_loaded(tmp_path: Path) -> None:
    (tmp_path / "fragile.py").write_text(MODULE)
    code = FRAGILE.replace("PLACE", repr(str(tmp_path)))
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": SOURCE},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    assert process.stdout.readline() == "loads\n"
    seconds, status, rest = ended(process, signal.SIGINT)
    assert (status, rest) == (130, "hotstack-os: interrupted; run the same command again to go on\n")
    assert seconds < 1.4  # and not because it was cut off


def test_an_interrupt_while_the_program_begins_is_no_traceback(tmp_path: Path) -> None:
    """At many moments of its start; before its first line it is Python that hears, and the root script sees to that."""
    environment = {**os.environ, "PYTHONPATH": SOURCE, "HOTSTACK_STATE_DIR": str(tmp_path / "clouds")}
    argv = [sys.executable, "-X", "importtime", "-m", "hotstack_os", "doctor"]
    for number in range(12):
        process = subprocess.Popen(argv, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        assert process.stderr
        said = ""
        while " argparse" not in said:  # one of the first modules that come after that line
            said = process.stderr.readline()
            assert said
        time.sleep(number * 0.03)
        _, status, rest = ended(process, signal.SIGINT)
        told = [line for line in rest.splitlines() if not line.startswith("import time:")]
        assert "Traceback" not in rest
        assert status in (130, 0, 1, -signal.SIGINT)
        assert status != 130 or told == ["hotstack-os: interrupted; run the same command again to go on"]
