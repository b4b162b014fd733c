"""Lines of a running program: they come while it runs, it ends with the block, and a failure is told."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from hotstack_os.exec import Command, CommandFailed, CommandMissing, patience, stream
from hotstack_os.exec.wait import until


def test_lines_come_while_the_program_runs() -> None:
    slow = "import time; print('one', flush=True); time.sleep(60); print('two')"
    began = time.monotonic()
    with stream.lines(Command((sys.executable, "-c", slow))) as said:
        assert next(said) == "one"
    assert time.monotonic() - began < 30


def test_the_program_and_its_children_end_with_the_block(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    with stream.lines(Command(("sh", "-c", f"sleep 60 & echo $! > {pid}; echo on; wait"))) as said:
        assert next(said) == "on"
    until(lambda: not running(int(pid.read_text())), "the child to end", seconds=5)


def running(pid: int) -> bool:
    try:
        return ") Z" not in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False


def test_a_failure_is_told_with_what_was_said() -> None:
    command = Command(("sh", "-c", "echo some; echo wrong >&2; exit 3"), "try")
    with stream.lines(command) as said, pytest.raises(CommandFailed, match="wrong") as failed:
        list(said)
    assert failed.value.result.status == 3


def test_a_missing_program() -> None:
    with pytest.raises(CommandMissing), stream.lines(Command(("no-such-program",))):
        pass


def test_who_says_nothing_is_told_to_be_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(patience, "FIRST", 0.1)
    patience.tell_through(told.append)
    script = "import time; time.sleep(1); print('one')"
    try:
        for follows in (False, True):
            with stream.lines(Command((sys.executable, "-c", script), "read it"), follows=follows) as said:
                assert list(said) == ["one"]
    finally:
        patience.tell_through(None)
    (line,) = told
    assert line.startswith("waiting for this machine to read it (")


def test_a_line_may_come_in_pieces_and_the_last_one_without_its_end() -> None:
    script = r"printf 'on'; sleep 0.1; printf 'e\n\ntwo\nthr\303'; sleep 0.1; printf '\251e'"
    with stream.lines(Command(("sh", "-c", script))) as said:
        assert list(said) == ["one", "", "two", "thrée"]
