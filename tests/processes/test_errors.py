"""Each of the ways in which a command can go wrong has a sentence of its own."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from hotstack_os.errors import HotstackError, UsageError
from hotstack_os.exec import Command, CommandFailed, CommandMissing, CommandTimeout, Result, run_here
from hotstack_os.exec.wait import WaitedTooLong, until
from hotstack_os.hidden import Hidden


def python(code: str, **more: object) -> Command:
    return Command((sys.executable, "-c", code), **more)  # type: ignore[arg-type]


def said(command: Command) -> str:
    with pytest.raises(HotstackError) as caught:
        run_here(command)
    return str(caught.value)


def test_an_error_says_what_was_wanted_found_and_can_be_done() -> None:
    assert str(HotstackError("peace", "war", "Talk.")) == "wanted peace; found war\n  → Talk."
    assert str(HotstackError("peace", "war")) == "wanted peace; found war"
    assert (HotstackError.exit_status, UsageError.exit_status) == (1, 64)


def test_missing() -> None:
    assert said(Command(("no-such-program", "-x"), "make the bridge")) == (
        "wanted to make the bridge; found no program 'no-such-program' on this machine\n"
        "  → Install the package that provides 'no-such-program'."
    )


def test_failed() -> None:
    command = python("import sys; print('out'); sys.exit('because')", purpose="make the bridge")
    with pytest.raises(CommandFailed) as caught:
        run_here(command)
    program = Path(sys.executable).name
    assert str(caught.value) == f"wanted to make the bridge; found {program} ended with status 1:\nout\nbecause"
    assert caught.value.whole == f"{caught.value}\n{command.line}\nout\n\nbecause"


def test_killed() -> None:
    assert said(python("import os; os.kill(os.getpid(), 9)")).endswith("was killed by SIGKILL:\n(no output)")


def test_timeout() -> None:
    code = "import sys, time; print('begun', flush=True); time.sleep(60)"
    command = python(code, purpose="make the bridge", timeout=0.5)
    with pytest.raises(CommandTimeout) as caught:
        run_here(command)
    text = str(caught.value)
    assert text.startswith("wanted to make the bridge within 0.5 s; found ")
    assert text.endswith("still running; killed. Its last words:\nbegun")
    assert caught.value.whole == f"{text}\n{command.line}\nbegun\n"
    silent = said(python("import time; time.sleep(60)", timeout=0.5))
    assert silent.endswith("still running; killed")


def test_without_a_purpose_the_program_is_named() -> None:
    assert CommandMissing(Command(("ip", "link")), "node1").wanted == "ip to succeed"


def test_the_end_of_a_long_output_is_kept() -> None:
    argv = ("/usr/bin/x", "--with", "y" * 5000)
    output = "begin\n" + "".join(f"line {number}\n" for number in range(900)) + "z" * 3000
    error = CommandFailed(Result(Command(argv), 1, output, "the end", 0.0))
    assert len(str(error)) < 700
    assert len(str(error).splitlines()) == 11
    assert str(error).startswith("wanted /usr/bin/x to succeed; found x ended with status 1:\nline 892\n")
    assert str(error).endswith("\nthe end")
    assert argv[-1] in error.whole
    assert "z" * 3000 in error.whole
    assert "begin" not in error.whole
    late = CommandTimeout(Command(argv), "y" * 9000)
    assert (len(str(late)) < 500, late.whole.endswith("y" * 4000)) == (True, True)


def test_accepted_statuses_are_answers() -> None:
    assert run_here(python("import sys; sys.exit(3)", accept=frozenset({3}))).status == 3
    with pytest.raises(CommandFailed):
        run_here(python("pass", accept=frozenset({3})))


def test_secrets_reach_standard_input_and_no_error() -> None:
    text = said(python("import sys; sys.exit(len(sys.stdin.read()))", stdin=Hidden("canary-8b")))
    assert "status 9" in text
    assert "canary-8b" not in text


def test_the_environment_is_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PASSWORD", "canary")
    shown = run_here(python("import os; print(dict(os.environ))", env={"GIVEN": "1"})).stdout
    assert "canary" not in shown
    assert "'GIVEN': '1'" in shown


def test_waiting_ends_with_the_first_answer() -> None:
    answers = iter([None, False, 0, 1])
    assert until(lambda: next(answers), "an answer", seconds=5, step=0) == 0
    assert next(answers) == 1


def test_waiting_too_long_says_what_was_there() -> None:
    with pytest.raises(WaitedTooLong, match=r"wanted the box to be up within 0.01 s; found it boots"):
        until(lambda: None, "the box to be up", seconds=0.01, step=0.001, last=lambda: "it boots")
    with pytest.raises(WaitedTooLong, match="found nothing of it"):
        until(lambda: False, "the box", seconds=0)
