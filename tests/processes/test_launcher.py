"""The root script on machines that lack things: real processes, with a cache, a lock file and an apt of their own."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import hotstack_os
from hotstack_os.cli.main import VERBS
from hotstack_os.exec.wait import until

ROOT = Path(hotstack_os.__file__).parents[2]
NEEDS_NOTHING = [[], ["--help"], ["-h"], ["--version"], ["-V"], ["nonsense"], *([verb, "--help"] for verb in VERBS)]
APT = """#!/bin/sh
echo "$@" >> {log}
[ -e {log}.held ] && {{ echo 'E: Could not get lock /var/lib/dpkg/lock. It is held by process 1 (apt)'; exit 100; }}
[ "$1" = install ] && for each in mmdebstrap buildah systemd-nspawn ip nsenter ping; do
  printf '#!/bin/sh\\n' > {programs}/$each; chmod +x {programs}/$each; done
exit 0
"""


class Machine:
    """A checkout with an empty lock file, an empty cache, and a PATH without the programs that are needed."""

    def __init__(self, place: Path) -> None:
        self.checkout, self.cache, self.programs = place / "checkout", place / "cache", place / "programs"
        self.log = place / "apt.log"
        self.checkout.mkdir()
        shutil.copy(ROOT / "hotstack-os", self.checkout)
        (self.checkout / "requirements.lock").touch()
        (self.checkout / "src").symlink_to(ROOT / "src")
        self.programs.mkdir()
        for name in ("python3", "env", "sh", "chmod"):
            (self.programs / name).symlink_to(sys.executable if name == "python3" else shutil.which(name) or name)
        (self.programs / "apt-get").write_text(APT.format(log=self.log, programs=self.programs))
        (self.programs / "apt-get").chmod(0o755)

    @property
    def environment(self) -> dict[str, str]:
        """PATH is the test's; what the script appends to it is emptied below."""
        return {"PATH": str(self.programs), "HOTSTACK_CACHE_DIR": str(self.cache), "HOME": str(self.cache)}

    def lacking(self) -> None:
        """Have the script look in PATH alone, and take no other Python."""
        script = self.checkout / "hotstack-os"
        text = script.read_text()
        for line in (*text.splitlines(),):
            if line.startswith(("SYSTEM_PATH =", "OWN_PYTHON =")):
                text = text.replace(line, f'{line.split(" =")[0]} = "{self.programs / "none"}"')
        script.write_text(text)

    def start(self, *words: str, **more: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [str(self.checkout / "hotstack-os"), *words],
            env={**self.environment, **more},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
        process = self.start(*words, **more)
        out, err = process.communicate(timeout=240)
        return subprocess.CompletedProcess(words, process.returncode, out, err)

    @property
    def places(self) -> list[Path]:
        """What is below the cache's directory of environments, but for locks."""
        return sorted(each for each in self.cache.glob("env/*") if each.suffix != ".lock")


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    found = Machine(tmp_path)
    found.lacking()
    return found


@pytest.mark.parametrize("words", NEEDS_NOTHING, ids=" ".join)
def test_help_and_the_version_need_nothing_and_leave_nothing(machine: Machine, words: list[str]) -> None:
    done = machine.run(*words)
    assert done.returncode == (64 if words in ([], ["nonsense"]) else 0), done.stderr
    assert "hotstack-os" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert not machine.cache.exists()
    assert not machine.log.exists()


@pytest.mark.parametrize(
    "words", [["plan"], ["status"], ["doctor"], ["openstack", "token", "issue"], ["images", "list"]]
)
def test_who_only_looks_is_told_what_is_missing_and_nothing_is_made(machine: Machine, words: list[str]) -> None:
    done = machine.run(*words)
    assert done.returncode == 1
    assert done.stdout == ""
    assert "the environment of this command" in done.stderr
    assert "mmdebstrap" in done.stderr
    assert "hotstack-os up" in done.stderr
    assert len(done.stderr.splitlines()) == 2
    assert not machine.cache.exists()
    assert not machine.log.exists()


def test_up_says_what_is_missing_before_it_installs_it(machine: Machine) -> None:
    done = machine.run("up", "--no-such-option")
    said = done.stderr.splitlines()
    assert said[0].startswith("hotstack-os: missing on this machine: the packages buildah, iproute2, mmdebstrap")
    assert said[1] == "hotstack-os: missing on this machine: the environment of this command"
    assert machine.log.read_text().splitlines()[0] == "update -q"
    assert "install --yes --no-install-recommends -q buildah iproute2 mmdebstrap" in machine.log.read_text()
    assert (machine.places[-1] / "complete").exists()
    again = machine.run("up", "--no-such-option")
    assert "missing" not in again.stderr
    assert len(machine.log.read_text().splitlines()) == 2


def test_two_at_once_make_one_environment(machine: Machine) -> None:
    both = [machine.start("uninstall", "--no-such-option") for _ in range(2)]
    said = [each.communicate(timeout=240)[1] for each in both]
    assert all("--no-such-option" in each for each in said)  # said by the program, in the environment
    assert sum("making the environment" in each for each in said) == 1
    assert sum("another process makes the environment; waiting for it" in each for each in said) <= 1
    link, place = sorted(machine.places, key=lambda each: not each.is_symlink())
    assert link.resolve() == place
    assert (link / "complete").exists()


def test_one_that_was_killed_does_not_harm_the_next(machine: Machine) -> None:
    process = machine.start("uninstall")
    until(lambda: list(machine.cache.glob("env/.*.env/pyvenv.cfg")), "it to be at it", seconds=60, step=0.005)
    process.kill()
    process.communicate()
    assert not any((each / "complete").exists() for each in machine.places)
    assert "making the environment" in machine.run("uninstall").stderr
    assert [each.is_symlink() for each in machine.places] == [False, True]


def test_a_module_that_is_missing_is_a_sentence(machine: Machine) -> None:
    """The lock file of the test is empty."""
    done = machine.run("uninstall")
    assert done.returncode == 1
    assert re.search(r"wanted the Python module \w+, which this program needs; found none in /", done.stderr)
    assert "Remove that directory" in done.stderr


@pytest.mark.parametrize("broken", ["complete", "bin/python"])
def test_a_broken_one_is_said_and_heals(machine: Machine, broken: str) -> None:
    machine.run("uninstall")
    (link,) = (each for each in machine.places if each.is_symlink())
    (link / broken).unlink()
    assert "found none" in machine.run("status").stderr
    assert "making the environment" in machine.run("uninstall").stderr
    assert "making the environment" not in machine.run("uninstall").stderr
    assert len(machine.places) == 2


def test_one_of_an_earlier_version_that_is_not_whole_is_replaced(machine: Machine) -> None:
    machine.run("uninstall")
    (link,) = (each for each in machine.places if each.is_symlink())
    link.unlink()
    (link / "bin").mkdir(parents=True)
    assert "making the environment" in machine.run("uninstall").stderr
    assert link.is_symlink()
    assert len(machine.places) == 2


def test_another_apt_is_waited_for_and_said_once(machine: Machine) -> None:
    held = Path(f"{machine.log}.held")
    held.touch()
    process = machine.start("up", "--no-such-option")
    until(
        lambda: machine.log.exists() and len(machine.log.read_text().splitlines()) >= 2, "it to try again", seconds=60
    )
    held.unlink()
    _, said = process.communicate(timeout=240)
    assert said.count("another program is installing packages; waiting for it") == 1
    assert "install --yes" in machine.log.read_text()


def test_an_apt_that_fails_is_a_sentence_with_what_it_said(machine: Machine) -> None:
    (machine.programs / "apt-get").write_text("#!/bin/sh\necho 'E: no network'; exit 100\n")
    done = machine.run("up")
    assert done.returncode == 1
    assert "wanted apt-get update to succeed; found:\nE: no network" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user")
@pytest.mark.parametrize("verb", ["up", "uninstall", "status"])
def test_a_person_who_is_not_root_gets_a_sentence(tmp_path: Path, verb: str) -> None:
    machine = Machine(tmp_path)
    for each in (*tmp_path.parents, tmp_path):
        if each.stat().st_uid == 0 and each.is_relative_to("/tmp") and each != Path("/tmp"):
            each.chmod(0o755)
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    argv = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", str(machine.checkout / "hotstack-os"), verb]
    environment = {**os.environ, "HOTSTACK_CACHE_DIR": str(closed / "cache"), "PATH": "/usr/bin:/bin"}
    if os.access("/root", os.X_OK) and verb == "status":  # the checkout's sources may lie where only root looks
        (machine.checkout / "src").unlink()
        shutil.copytree(ROOT / "src", machine.checkout / "src")
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False, cwd="/")
    assert done.returncode == 1
    assert done.stderr.startswith("hotstack-os: wanted ")
    assert "Traceback" not in done.stderr


def test_an_interrupt_at_any_moment_is_no_traceback(machine: Machine) -> None:
    for number in range(12):
        process = machine.start("status")
        time.sleep(number * 0.012)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
        assert process.returncode in (-signal.SIGINT, 1, 130)
        # Python hears before it has come to our first line; that moment is its own.
        assert "Traceback" not in said or said.count(" line ") == said.count(" line 0,") == 1


ODD = {
    "a module named like one of Python's": {"PYTHONPATH": "{place}/odd"},
    "another Python's home": {"PYTHONHOME": "/nonexistent"},
    "a start-up file": {"PYTHONSTARTUP": "{place}/odd/json.py"},
    "no byte code": {"PYTHONDONTWRITEBYTECODE": "1"},
    "pip's user": {"PIP_USER": "1", "PIP_REQUIRE_VIRTUALENV": "1", "PIP_TARGET": "{place}/target"},
    "pip's requirements": {"PIP_REQUIREMENT": "{place}/none.txt", "PIP_CONSTRAINT": "{place}/none.txt"},
    "no temporary directory": {"TMPDIR": "{place}/none"},
    "no HOME": {"HOME": ""},
    "a locale that is not there": {"LANG": "de_DE.UTF-8", "LC_ALL": "de_DE.ISO-8859-1"},
    "a tiny terminal": {"COLUMNS": "10", "LINES": "3"},
}


@pytest.mark.parametrize("name", ODD)
def test_the_environment_of_a_person_does_not_count(machine: Machine, tmp_path: Path, name: str) -> None:
    odd = tmp_path / "odd"
    odd.mkdir()
    for module in ("json", "hashlib", "argparse", "hotstack_os", "signal"):
        (odd / f"{module}.py").write_text("raise SystemExit('taken from PYTHONPATH')\n")
    more = {key: value.format(place=tmp_path) for key, value in ODD[name].items()}
    done = machine.run("uninstall", "--no-such-option", **more)
    assert "making the environment" in done.stderr
    assert "--no-such-option" in done.stderr.splitlines()[-2]  # said by the program, in the environment
    assert done.returncode == 64
    assert "taken from PYTHONPATH" not in done.stderr + done.stdout
    assert not (tmp_path / "target").exists()
    assert machine.run("--version", **more).stdout.startswith("hotstack-os ")


def test_where_packages_come_from_still_counts(machine: Machine, tmp_path: Path) -> None:
    (machine.checkout / "requirements.lock").write_text("no-such-project==1 --hash=sha256:" + "0" * 64 + "\n")
    done = machine.run("uninstall", PIP_NO_INDEX="1", PIP_FIND_LINKS=str(tmp_path / "links-of-the-test"))
    assert done.returncode == 1
    assert "links-of-the-test" in done.stderr
    assert [each for each in machine.places if each.is_symlink() or (each / "complete").exists()] == []


@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_whoever_may_run_it_may_read_what_was_made(machine: Machine, umask: int) -> None:
    before = os.umask(umask)
    try:
        machine.run("uninstall")
    finally:
        os.umask(before)
    (link,) = (each for each in machine.places if each.is_symlink())
    for path in (machine.cache, machine.cache / "env", link.resolve(), link / "bin", link / "complete"):
        assert path.stat().st_mode & 0o044 == 0o044, path


def test_the_machines_own_python_is_taken_where_another_comes_first(tmp_path: Path) -> None:
    """One that is too old: it can read the script, and says so."""
    if not Path("/usr/bin/python3").exists():
        pytest.skip("this machine has no Python of its own")
    machine = Machine(tmp_path)
    (machine.programs / "python3").unlink()
    old = f"""#!{sys.executable} -IS
import sys
sys.version_info = (3, 6, 0)
script = sys.argv[1 + sys.argv[1:].index(next(each for each in sys.argv[1:] if not each.startswith("-")))]
sys.argv = sys.argv[sys.argv.index(script):]
exec(compile(open(script).read(), script, "exec"), {{"__name__": "__main__", "__file__": script}})
"""
    (machine.programs / "python3").write_text(old)
    (machine.programs / "python3").chmod(0o755)
    assert machine.run("--version").stdout.startswith("hotstack-os ")
