"""Who did what from where, as it is recorded and shown."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

import hotstack_os
from hotstack_os.cli import main as command
from hotstack_os.core.generations import Generations
from hotstack_os.core.model import Ref, Resource
from hotstack_os.core.plan import Action, Plan
from hotstack_os.deploy.caller import Caller, caller
from hotstack_os.hidden import Hidden

ADA = Caller("ada", 1000, "lab", "/dev/pts/1", "192.0.2.7")
UPDATE = Action("update", Resource(Ref("service", "keystone", "lab"), {"key": Hidden("canary")}), None, ("it changed",))


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The records of the default cloud of this test."""
    monkeypatch.setenv("HOTSTACK_STATE_DIR", str(tmp_path))
    monkeypatch.setenv("HOTSTACK_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "hotstack-os" / "generations"


def test_a_generation_says_who_ran_what_from_where_with_which_plan(
    directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = Generations(directory)
    kept.record([UPDATE.resource], "1.0", "up", asdict(ADA), Plan((UPDATE,)))
    assert "canary" not in (directory / "000001.json").read_text()
    assert command.main(["generations"]) == 0
    head, row = capsys.readouterr().out.splitlines()
    assert head.split() == ["NUMBER", "WHEN", "WHO", "FROM", "VERB", "VERSION", "CHANGES"]
    assert row.split()[0] == "1"
    assert row.split()[3:] == ["ada", "192.0.2.7", "/dev/pts/1", "lab", "up", "1.0", "1"]
    assert command.main(["generations", "1"]) == 0
    assert capsys.readouterr().out.splitlines()[-2:] == ["~ lab:service/keystone", "    it changed"]
    assert command.main(["generations", "--json"]) == 0
    (said,) = json.loads(capsys.readouterr().out)["generations"]
    assert said["caller"] == asdict(ADA)
    assert said["plan"] == [{"verb": "update", "ref": "lab:service/keystone", "reasons": ["it changed"]}]
    assert "resources" not in said


def test_what_mended_something_is_a_generation_and_what_did_nothing_is_none(directory: Path) -> None:
    kept = Generations(directory)
    first = kept.record([UPDATE.resource], "1.0", "up", asdict(ADA), Plan((UPDATE,)))
    assert kept.record([UPDATE.resource], "1.0", "up", asdict(ADA), Plan()) == first
    assert kept.record([UPDATE.resource], "1.0", "up", asdict(ADA), Plan((UPDATE,))).number == 2


def test_records_of_the_earlier_version_are_shown(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    directory.mkdir(parents=True)
    old = {"number": 7, "time": 1795000000.5, "version": "0.9", "resources": {"lab:file//x": {"state": {}}}}
    (directory / "000007.json").write_text(json.dumps(old, indent=1, sort_keys=True))
    assert command.main(["generations"]) == 0
    assert capsys.readouterr().out.splitlines()[1].split()[3:] == ["-", "-", "-", "0.9", "-"]
    assert Generations(directory).record([], "1").number == 8


def test_a_generation_that_is_not_there_is_said(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["generations"]) == 0
    assert capsys.readouterr().out == "The cloud hotstack-os has none.\n"
    assert command.main(["generations", "3"]) == 1
    assert "found none, or none any more" in capsys.readouterr().err


def test_the_person_behind_sudo_is_found_with_the_address_that_it_hides() -> None:
    show = "from hotstack_os.deploy.caller import caller; print(caller())"
    environment = {**os.environ, "PYTHONPATH": str(Path(hotstack_os.__file__).parent.parent)}
    environment |= {"SUDO_UID": "1", "SUDO_USER": "daemon"}
    # The shell has the variable; what it starts has not, as below sudo.
    shell = f"env -u SSH_CONNECTION {sys.executable} -c '{show}'; true"
    done = subprocess.run(
        ("bash", "-c", shell),
        env={**environment, "SSH_CONNECTION": "192.0.2.7 5 192.0.2.1 22"},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == ("daemon (192.0.2.7)\n" if os.geteuid() == 0 else f"{caller().user} (192.0.2.7)\n")


def test_whoever_has_no_name_has_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 0)
    monkeypatch.setenv("SUDO_UID", "54321")
    found = caller()
    assert (found.user, found.uid, found.host) == ("54321", 54321, os.uname().nodename)


@pytest.mark.skipif(os.geteuid() != 0, reason="makes a mount namespace")
def test_a_terminal_without_a_name_here_is_none() -> None:
    """Who comes by `nsenter`, or from a container, has a terminal whose file this machine's /dev has not."""
    show = "from hotstack_os.deploy.caller import caller; print(repr(caller().terminal))"
    environment = {**os.environ, "PYTHONPATH": str(Path(hotstack_os.__file__).parent.parent)}
    ends = os.openpty()
    hidden = 'mount -t tmpfs none /dev/pts && exec "$@"'
    apart = ("unshare", "--mount", "--propagation=private", "sh", "-c", hidden, "sh", sys.executable, "-c", show)
    try:
        done = subprocess.run(apart, env=environment, stdin=ends[1], capture_output=True, text=True, check=False)
    finally:
        for each in ends:
            os.close(each)
    assert (done.returncode, done.stdout) == (0, "''\n"), done.stderr
