"""Verbs that need no cloud say the same whatever a person's shell brings along."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

import hotstack_os
from hotstack_os.cli.env import past_proxies
from hotstack_os.exec import Command, run_here
from hotstack_os.exec.become import direct, own
from surroundings import AS_ROOT, EVERYWHERE, within

SOURCE = Path(hotstack_os.__file__).parents[1]
LAUNCHER = SOURCE.parent / "hotstack-os"
VERBS = (("settings", "show", "--json"), ("box", "list", "--json"))


@cache
def begin() -> tuple[str, ...]:
    """The program as the root script begins it."""
    text = LAUNCHER.read_text()
    (line,) = (each for each in text.splitlines() if each.startswith("BEGIN = "))
    return (sys.executable, "-I", "-c", line.removeprefix("BEGIN = ").strip('"'), str(SOURCE))


@cache
def plain(verb: tuple[str, ...]) -> str:
    """What a verb says to a person whose shell is like any other."""
    return subprocess.run([*begin(), *verb], env=environ(), cwd="/", capture_output=True, text=True, check=True).stdout


def environ() -> dict[str, str]:
    homes = {"HOTSTACK_STATE_DIR": "/nonexistent/clouds", "HOTSTACK_CACHE_DIR": "/nonexistent/cache"}
    return {**{name: os.environ[name] for name in ("PATH", "HOME", "TERM") if name in os.environ}, **homes}


@pytest.mark.parametrize("name", [*EVERYWHERE, *(AS_ROOT if os.geteuid() == 0 else ())])
def test_verbs_say_the_same_in_any_surroundings(name: str, tmp_path: Path) -> None:
    for verb in VERBS:
        done = within(name, [*begin(), *verb], environ(), tmp_path / verb[0])
        assert (done.returncode, done.stdout, done.stderr) == (0, plain(verb), "")


@pytest.mark.parametrize(
    "name", ["a tiny terminal", "a German one", "umask of nothing", "a directory that was deleted"]
)
def test_an_error_is_a_sentence_in_any_surroundings(name: str, tmp_path: Path) -> None:
    done = within(name, [*begin(), "env"], environ(), tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("hotstack-os: wanted the cloud hotstack-os; found no such cloud on this machine\n  ")
    assert "Traceback" not in done.stderr


def test_what_other_clouds_and_pythons_are_told_by_is_not_passed_on() -> None:
    given = {"OS_PASSWORD": "canary", "OS_CLOUD": "", "PYTHONPATH": "/odd", "PATH": "/bin", "TERM": "xterm"}
    assert own(given) == {"PATH": "/bin", "TERM": "xterm"}


@pytest.mark.parametrize("case", [str.lower, str.upper])
def test_clients_go_past_every_proxy(case: object, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "ftp_proxy"):
        monkeypatch.setenv(case(name), "http://127.0.0.1:9")  # type: ignore[operator]
    assert "proxy" not in run_here(Command(direct(("env",)))).stdout.lower()
    assert "127.0.0.1:9" in run_here(Command(("env",))).stdout  # but package indexes are reached through them


@pytest.mark.parametrize("variable", ["PATH", "HOME", "TMPDIR"])
@pytest.mark.parametrize("value", [None, "", "/nonexistent"])
def test_children_find_programs_and_a_place_for_files(
    variable: str, value: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if value is None:
        monkeypatch.delenv(variable, raising=False)
    else:
        monkeypatch.setenv(variable, value)
    monkeypatch.setattr("tempfile.tempdir", None)
    look = 'command -v ip && command -v sh && [ -n "$HOME" ] && [ -d "${TMPDIR:-/tmp}" ]'
    assert run_here(Command(("sh", "-c", look))).status == 0


def test_a_shell_is_told_to_go_past_the_proxy_it_has() -> None:
    assert past_proxies({}, "192.0.2.129", "cloud.test") == {}
    told = past_proxies({"HTTPS_PROXY": "http://p", "no_proxy": "localhost,192.0.2.129"}, "192.0.2.129", "cloud.test")
    assert told["no_proxy"] == told["NO_PROXY"] == "localhost,192.0.2.129,cloud.test"
