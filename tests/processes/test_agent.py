"""An agent whose way is noisy, deaf or broken, and what is left of what it ran: nobody waits for ever."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

import hotstack_os
from hotstack_os.exec import Command, Host, HostLost, agent, run_here
from hotstack_os.exec.agent import AgentHost
from hotstack_os.exec.command import ITS_OWN
from hotstack_os.exec.wait import until
from hotstack_os.hidden import Hidden
from hotstack_os.node import agent as program

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(hotstack_os.__file__).parents[1])}
HELLO = Command(("echo", "hello"))


def sh(script: str, **more: object) -> Command:
    return Command(("sh", "-c", script), **more)  # type: ignore[arg-type]


def behind(script: str) -> AgentHost:
    """An agent behind a script, as a login shell is one: it ends with exec "$@"."""
    return AgentHost("lab", ("sh", "-c", f'{script}; exec "$@"', "sh"))


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def gone(path: Path, seconds: float = 4) -> bool:
    """Whether the process whose pid the file says ends soon."""
    return until(lambda: not alive(int(path.read_text())), "its end", seconds=seconds)


def written(path: Path) -> int:
    return int(until(lambda: (path.read_text().strip() or None) if path.exists() else None, str(path), seconds=20))


def test_both_halves_agree_how_an_agent_begins() -> None:
    assert agent.BEGINS == program.BEGINS


@pytest.mark.parametrize(
    "banner",
    [
        "echo Welcome to lab",
        "printf 'no end of line'",
        """echo '{"id": 0, "ok": {}}'""",
        "echo 7; echo; echo '[]'",
        "printf '\\377\\000\\n'",
        "head -c 60000 /dev/zero; echo; yes 2>/dev/null | head -n 2000",
    ],
)
def test_what_a_login_says_before_is_skipped(banner: str) -> None:
    host = behind(banner)
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(host.run, HELLO).result(30).stdout == "hello\n"
    host.close()


def test_what_has_an_end_of_its_own_is_waited_for_on_both_sides() -> None:
    host = AgentHost("lab")
    assert host.run(sh("sleep 0.3; echo done", timeout=ITS_OWN)).stdout == "done\n"
    assert run_here(sh("sleep 0.3; echo done", timeout=ITS_OWN)).stdout == "done\n"
    host.close()


def test_a_banner_without_an_end_is_an_error_that_shows_it() -> None:
    host = behind("yes 'Are you there?'")
    with pytest.raises(HostLost, match=r"(?s)64 KiB.*Are you there"):
        host.run(HELLO)
    host.close()


def test_an_agent_that_never_begins_is_an_error_with_what_was_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent, "START_SECONDS", 0.5)
    host = AgentHost("lab", ("sh", "-c", "echo 'Password:'; exec sleep 60"))
    with pytest.raises(HostLost, match=r"(?s)start its agent.*0\.5 s.*Password:"):
        host.run(HELLO)
    monkeypatch.setattr(agent, "_GRACE", 0.1)
    host.close()


def test_junk_where_answers_come_ends_all_who_wait() -> None:
    host = behind(":")
    said: list[str] = []

    def wait_long() -> None:
        with pytest.raises(HostLost) as lost:
            host.run(sh("sleep 100", timeout=100))
        said.append(str(lost.value))

    waiters = [threading.Thread(target=wait_long) for _ in range(3)]
    for each in waiters:
        each.start()
    with pytest.raises(HostLost, match="last login: today"):
        host.run(sh("echo 'last login: today' > /proc/$PPID/fd/1; sleep 100", timeout=100))
    for each in waiters:
        each.join(10)
    assert len(said) == 3
    assert all("last login: today" in each for each in said)
    host.close()


@pytest.mark.parametrize(
    "junk", ["7", "[]", "{}", '{"id": 0}', '{"ok": 1}', "null", '{"id": [], "ok": 1}', '{"id": "0", "ok": 1}']
)
def test_what_is_json_and_no_answer_is_junk_too(junk: str) -> None:
    host = behind(":")
    with pytest.raises(HostLost):
        host.run(sh(f"echo '{junk}' > /proc/$PPID/fd/1; sleep 100", timeout=100))
    host.close()


def test_more_complaints_than_a_pipe_holds_stop_nobody() -> None:
    host = behind("head -c 300000 /dev/zero >&2")
    with ThreadPoolExecutor(1) as pool:
        loud = sh("head -c 300000 /dev/zero > /proc/$PPID/fd/2; echo said")
        assert pool.submit(host.run, loud).result(30).stdout == "said\n"
    host.close()


REQUESTS: list[Callable[[Host], object]] = [
    lambda host: host.run(Command(("true",), timeout=0.2)),
    lambda host: host.run(Command(("wc", "-c"), stdin=Hidden("x" * 1_000_000), timeout=0.2)),
    lambda host: host.http("GET", "http://127.0.0.1:1/", headers={}, body=None, timeout=0.2),
    lambda host: host.stat(["/etc"]),
    lambda host: host.read(["/etc/passwd"]),
    lambda host: host.read_tree(["/etc/apt"]),
    lambda host: host.write("/nowhere/file", b"x" * 1_000_000, mode=0o644),
    lambda host: host.make_directory("/nowhere", mode=0o755),
    lambda host: host.make_link("/nowhere", "/"),
    lambda host: host.remove("/nowhere"),
]


@pytest.fixture
def deaf(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Host]:
    """A node whose agent has begun, and is stopped."""
    host = behind(f"echo $$ > {tmp_path}/pid")
    host.run(HELLO)
    monkeypatch.setattr(agent, "MARGIN", 0.3)
    monkeypatch.setattr(agent, "FILE_SECONDS", 0.5)
    monkeypatch.setattr(agent, "_GRACE", 0.3)
    os.kill(written(tmp_path / "pid"), signal.SIGSTOP)
    yield host
    host.close()


@pytest.mark.parametrize("request_", REQUESTS)
def test_an_answer_that_never_comes_is_not_waited_for(deaf: Host, request_: Callable[[Host], object]) -> None:
    with ThreadPoolExecutor(1) as pool, pytest.raises(HostLost, match="node lab to"):
        pool.submit(request_, deaf).result(10)


def test_many_may_ask_a_deaf_node_and_each_gives_up(deaf: Host) -> None:
    """The pipe to it is full after the first few."""
    with ThreadPoolExecutor(20) as pool:
        asked = [pool.submit(deaf.write, "/nowhere/file", b"x" * 100_000, mode=0o644) for _ in range(20)]
        for each in asked:
            assert isinstance(each.exception(20), HostLost)


def test_an_answer_that_comes_too_late_disturbs_nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    host = behind(f"echo $$ > {tmp_path}/pid")
    host.run(HELLO)
    monkeypatch.setattr(agent, "FILE_SECONDS", 0.3)
    os.kill(written(tmp_path / "pid"), signal.SIGSTOP)
    with pytest.raises(HostLost):
        host.stat(["/etc"])
    os.kill(written(tmp_path / "pid"), signal.SIGCONT)
    assert host.run(HELLO).stdout == "hello\n"
    host.close()


class TestWhatIsLeft:
    """Of processes that an agent has started, each in a session of its own."""

    @pytest.mark.parametrize("stubborn", ["", "trap '' TERM;"])
    def test_nothing_when_the_agent_is_killed(self, tmp_path: Path, stubborn: str) -> None:
        """It is another request that kills it: by then the guard has heard of the first."""
        host = behind(":")
        child = f"(sleep 100 & echo $! > {tmp_path}/child; wait) &"
        script = f"{stubborn} {child} echo $$ > {tmp_path}/pid; while :; do sleep 1; done"
        with ThreadPoolExecutor(1) as pool:
            first = pool.submit(host.run, sh(script, timeout=100))
            written(tmp_path / "pid")
            written(tmp_path / "child")
            host.run(HELLO)
            with pytest.raises(HostLost):
                host.run(sh("kill -9 $PPID; sleep 100", timeout=100))
            with pytest.raises(HostLost):
                first.result(20)
        assert gone(tmp_path / "pid")
        assert gone(tmp_path / "child")
        host.close()

    @pytest.mark.parametrize("stubborn", ["", "trap '' TERM;"])
    def test_nothing_when_the_asker_is_killed(self, tmp_path: Path, stubborn: str) -> None:
        script = f"{stubborn} echo $$ > {tmp_path}/pid; while :; do sleep 1; done"
        code = (
            "from hotstack_os.exec import Command; from hotstack_os.exec.agent import AgentHost\n"
            f"AgentHost('lab').run(Command(('sh', '-c', {script!r})))"
        )
        asker = subprocess.Popen([sys.executable, "-c", code], env=ENVIRONMENT)
        written(tmp_path / "pid")
        asker.kill()
        asker.wait()
        assert gone(tmp_path / "pid")

    def test_nothing_when_the_way_is_closed_and_that_does_not_take_long(self, tmp_path: Path) -> None:
        host = behind(":")
        script = f"trap '' TERM; echo $$ > {tmp_path}/pid; while :; do sleep 1; done"

        def run() -> None:
            with suppress(HostLost):  # or the end of the process, whichever is told first
                host.run(sh(script, accept=frozenset({-signal.SIGKILL})))

        waiter = threading.Thread(target=run)
        waiter.start()
        pid = written(tmp_path / "pid")
        began = time.monotonic()
        host.close()
        assert time.monotonic() - began < 2
        assert not alive(pid)
        waiter.join(5)

    def test_but_what_was_meant_to_stay(self, tmp_path: Path) -> None:
        """A daemon has a session of its own."""
        host = behind(":")
        host.run(sh(f"setsid sh -c 'echo $$ > {tmp_path}/pid; exec sleep 30' >/dev/null 2>&1 &"))
        pid = written(tmp_path / "pid")
        host.close()
        assert alive(pid)
        os.kill(pid, signal.SIGKILL)

    def test_and_no_guard(self, tmp_path: Path) -> None:
        host = behind(f"echo $$ > {tmp_path}/pid")
        host.run(HELLO)
        pid = written(tmp_path / "pid")
        children = [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        assert len(children) == 1
        host.close()
        assert not alive(children[0])
