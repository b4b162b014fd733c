"""Each of the ways in which a command can go wrong has a sentence of its own."""

from __future__ import annotations

import sys

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
    text = said(python("import sys; print('out'); sys.exit('because')", purpose="make the bridge"))
    assert text.startswith(f"wanted to make the bridge; found {sys.executable} -c ")
    assert text.endswith(" ended with status 1:\nout\n\nbecause")


def test_killed() -> None:
    assert said(python("import os; os.kill(os.getpid(), 9)")).endswith("was killed by SIGKILL:\n(no output)")


def test_timeout() -> None:
    code = "import sys, time; print('begun', flush=True); time.sleep(60)"
    text = said(python(code, purpose="make the bridge", timeout=0.5))
    assert text.startswith("wanted to make the bridge within 0.5 s; found ")
    assert text.endswith("still running; killed. Its output:\nbegun\n")
    silent = said(python("import time; time.sleep(60)", timeout=0.5))
    assert silent.endswith("still running; killed")


def test_without_a_purpose_the_program_is_named() -> None:
    assert CommandMissing(Command(("ip", "link")), "node1").wanted == "ip to succeed"


def test_the_end_of_a_long_output_is_kept() -> None:
    result = Result(Command(("x",)), 1, "begin" + "x" * 9000, "the end", 0.0)
    found = CommandFailed(result).found
    assert found.endswith("the end")
    assert "begin" not in found
    assert len(found) < 4100
    assert CommandTimeout(Command(("x",)), "y" * 9000).found.endswith("y" * 4000)


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
