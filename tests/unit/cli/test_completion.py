"""Completion: bash completes for real; the texts for all shells know every verb, option and service."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from hotstack_os.catalogue import registry
from hotstack_os.cli import main as command
from hotstack_os.cli.completions import Option, Verb, bash, fish, read, zsh
from hotstack_os.cli.main import VERBS, verb_parser


def printed(shell: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert command.main(["completion", shell]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_all_verbs_options_and_services_are_in_it(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(shell, capsys)
    assert all(verb in text for verb in VERBS)
    assert all(service in text for service in registry.services())
    for word in ("follow", "target", "settings", "constraints", "explain"):
        assert word in text


def complete(text: str, place: Path, *words: str) -> set[str]:
    """What bash offers for the last of the words."""
    (place / "completion").write_text(text)
    script = 'source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($#-1)); _hotstack_os; printf "%s\\n" "${COMPREPLY[@]}"'
    argv = [shutil.which("bash") or "bash", "-c", script, str(place / "completion"), "hotstack-os", *words]
    environ = {**os.environ, "HOTSTACK_STATE_DIR": str(place / "clouds")}
    done = subprocess.run(argv, env=environ, cwd=place, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return set(done.stdout.split())


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["st"], {"start", "status", "stop"}),
        (["restart", "heat"], {"heat-api", "heat-api-cfn", "heat-engine"}),
        (["exec", "keys"], {"keystone"}),
        (["--cloud", "x", "logs", "--fo"], {"--follow"}),
        (["up", "--target", ""], {"box", "local"}),
        (["logs", "-n", ""], set()),
        (["status", "--cloud", "l"], {"lab"}),
        (["up", "-s", "fi"], {"file.yaml"}),
        (["completion", ""], {"bash", "zsh", "fish", "-h", "--help"}),
        (["settings", "check", "fi"], {"file.yaml"}),
    ],
)
def test_bash_completes(
    words: list[str], offered: set[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "clouds/lab").mkdir(parents=True)
    (tmp_path / "clouds/other").mkdir()
    (tmp_path / "file.yaml").touch()
    assert complete(printed("bash", capsys), tmp_path, *words) == offered


def test_a_verb_is_read_off_its_parser() -> None:
    verb = read(verb_parser("logs"), "logs", "about", ["keystone"])
    options = {option.flags: option.takes for option in verb.options}
    assert options["-f", "--follow"] is None
    assert options["-s", "--settings"] == "FILES"
    assert options["--cloud",] == "CLOUDS"
    assert options["-n", "--lines"] == "NOTHING"
    assert verb.words == ("keystone",)


def test_quotes_in_help_texts_end_no_word() -> None:
    verb = Verb("it", "it's", (Option(("--do",), "don't", None),), (), files=False)
    assert "'it'\\''s'" in fish([verb])
    assert "'--do:don'\\''t'" in zsh([verb])
    assert subprocess.run(["bash", "-n"], input=bash([verb]), text=True, check=False).returncode == 0
