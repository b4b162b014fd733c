"""The command line itself: statuses, hints, and that a wrong word changes nothing."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest

import hotstack_os
from hotstack_os import __version__, interrupt
from hotstack_os.cli import main as command
from hotstack_os.cli.confirm import confirm
from hotstack_os.errors import HotstackError

Run = Callable[..., int]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(hotstack_os.__file__).parent.parent)}


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Directories of this test's own: the state of its clouds."""
    monkeypatch.setenv("HOTSTACK_STATE_DIR", str(tmp_path / "clouds"))
    monkeypatch.setenv("HOTSTACK_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "clouds"


@pytest.mark.parametrize("words", [["--version"], ["-V"]])
def test_version(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(words) == 0
    assert capsys.readouterr().out == f"hotstack-os {__version__}\n"


@pytest.mark.parametrize(
    "words",
    [[], ["upp"], ["upp", "up"], ["up", "--no-such-option"], ["up", "--target", "moon"], ["box"], ["box", "explode"],
     ["--json"], ["status", "extra"], ["images", "lock"]],
)  # fmt: skip
def test_wrong_usage_has_a_status_and_a_hint_of_its_own(
    words: list[str], state: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert command.main(words) == 64
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("hotstack-os: wanted ")
    assert not state.exists()


@pytest.mark.parametrize(
    "words",
    [
        ["box", "remove", "lab"],
        ["box", "stop", "lab"],
        ["box", "start", "lab"],
        ["box", "create", "lab"],
        ["box", "list", "lab"],
        ["box", "list", "--node", "x"],
        ["box", "stop", "--json"],
        ["box", "stop", "--yes"],
        ["images", "list", "--release", "2025.2"],
        ["images", "build", "--json"],
        ["images", "lock", "--json"],
        ["settings", "show", "name"],
        ["settings", "explain", "name", "--json"],
        ["settings", "schema", "-s", "lab.yaml"],
        ["settings", "check", "lab.yaml", "-s", "other.yaml"],
        ["down", "--json"],
        ["openstack", "--json", "token", "issue"],
        ["tempest", "--clean", "--json"],
        ["up", "lab"],
        ["plan", "lab"],
        ["down", "lab"],
    ],
)
def test_an_argument_that_is_not_used_is_wrong_usage(
    words: list[str], state: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for name in ("hotstack-os", "lab"):
        (state / name / "box").mkdir(parents=True)
        (state / name / "box" / "precious").write_text("data")
    assert command.main(words) == 64
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("hotstack-os: wanted ")
    assert {path.name for path in state.rglob("*") if path.is_file()} == {"precious"}


def test_a_box_is_not_removed_without_its_clouds_name(
    state: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home = state / "hotstack-os" / "box"
    home.mkdir(parents=True)
    (home / "box.json").write_text("{}")
    monkeypatch.setattr(sys, "stdin", io.StringIO("hotstack-os\n"))
    assert command.main(["box", "remove"]) == 64
    assert "no terminal" in capsys.readouterr().err
    monkeypatch.setattr(sys, "stdin", Terminal("lab\n"))
    assert command.main(["box", "remove"]) == 64
    assert "Nothing was removed" in capsys.readouterr().err
    assert (home / "box.json").exists()


@pytest.mark.parametrize("verb", ["up", "plan"])
def test_a_cloud_in_a_box_does_not_become_the_machines(
    verb: str, state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = state / "hotstack-os" / "box"
    home.mkdir(parents=True)
    (home / "box.json").write_text("{}")
    assert command.main([verb, "--target", "local"]) == 1
    assert "lives in a box" in capsys.readouterr().err
    assert [path.name for path in state.rglob("*") if path.is_file()] == ["box.json"]


def test_an_unknown_verb_is_told_with_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    command.main(["upp"])
    said = capsys.readouterr().err
    assert "'upp'" in said
    assert all(verb in said for verb in command.VERBS)
    assert "→ See hotstack-os --help." in said


@pytest.mark.parametrize("words", [["up", "--target", "moon"], ["up", "--no-such-option"], ["up", "too-much"]])
def test_a_verbs_own_mistake_points_to_its_own_help(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(words) == 64
    assert "→ See hotstack-os up --help." in capsys.readouterr().err


@pytest.mark.parametrize("verb", command.VERBS)
def test_every_verb_has_help_with_examples(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        command.main([verb, "--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert import_module(f"hotstack_os.cli.{verb}").EXAMPLES.strip() in shown
    assert f"hotstack-os {verb}" in shown


def test_help_lists_all_verbs(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        command.main(["--help"])
    assert ended.value.code == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert all(f"{verb} {summary}" in shown for verb, summary in command.VERBS.items())


def test_only_the_chosen_verb_is_imported() -> None:
    code = (
        "import sys; from hotstack_os.cli.main import main\n"
        "try: main(['up', '--help'])\n"
        "except SystemExit: pass\n"
        "sys.exit(any(name in sys.modules for name in "
        "('pydantic', 'openstack', 'hotstack_os.cli.plan', 'hotstack_os.deploy.cloud')))"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], env=ENVIRONMENT, stdout=subprocess.DEVNULL, check=False).returncode
        == 0
    )


class Terminal(io.StringIO):
    """Somebody who types."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("verb", ["down", "uninstall"])
@pytest.mark.parametrize("answer", ["", "\n", "other\n", "Lab\n", "lab2\n", "y\n", "yes\n"])
def test_removal_with_another_name_changes_nothing(
    verb: str, answer: str, state: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (state / "lab").mkdir(parents=True)
    (state / "lab" / "precious").write_text("data")
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    assert command.main([verb, "--cloud", "lab"]) == 64
    assert "Nothing was removed." in capsys.readouterr().err
    assert [str(path.relative_to(state)) for path in sorted(state.rglob("*"))] == ["lab", "lab/precious"]


@pytest.mark.parametrize("verb", ["down", "uninstall"])
def test_removal_asks_nobody_who_is_not_there(
    verb: str, state: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The right name from a pipe is no answer of a person."""
    (state / "lab").mkdir(parents=True)
    (state / "lab" / "precious").write_text("data")
    monkeypatch.setattr(sys, "stdin", io.StringIO("lab\n"))
    assert command.main([verb, "--cloud", "lab"]) == 64
    assert "no terminal" in capsys.readouterr().err
    assert (state / "lab" / "precious").exists()


def test_whoever_types_the_name_means_it(
    state: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal("lab\n"))
    confirm("This removes it.", "lab")
    assert capsys.readouterr().err == "This removes it. Type lab to go on: "


@pytest.mark.parametrize("verb", ["down", "uninstall"])
def test_removal_of_a_cloud_that_is_not_there_is_done(
    verb: str, state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main([verb, "--cloud", "lab"]) == 0
    assert "There is no cloud lab." in capsys.readouterr().err
    assert not state.exists()


def test_wrong_settings_are_one_error_without_traceback(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("hotstack-os.yaml").write_text("nmae: lab\n")
    assert command.main(["down"]) == 1
    said = capsys.readouterr().err
    assert "nmae" in said
    assert "Traceback" not in said


class TestWhatVerbsRaise:
    """`status` stands for any verb."""

    @pytest.fixture
    def run(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
        monkeypatch.setenv("TMPDIR", str(tmp_path))
        monkeypatch.setattr("tempfile.tempdir", None)

        def run(error: BaseException) -> int:
            def fail(_: object) -> int:
                raise error

            monkeypatch.setattr(import_module("hotstack_os.cli.status"), "run", fail)
            return command.main(["status"])

        return run

    def test_a_foreseen_failure(self, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
        assert run(HotstackError("peace", "war", "Talk.")) == 1
        assert capsys.readouterr().err == "hotstack-os: wanted peace; found war\n  → Talk.\n"

    def test_an_interrupt(self, run: Run, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(interrupt._Heard, "told", False)
        assert run(KeyboardInterrupt()) == 130
        assert "run the same command again" in capfd.readouterr().err

    def test_a_defect_leaves_a_report_for_its_user_alone(
        self, run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert run(ZeroDivisionError("by zero")) == 1
        said = capsys.readouterr().err
        (report,) = tmp_path.glob("hotstack-os-report-*.txt")
        assert str(report) in said
        assert "unexpected ZeroDivisionError: by zero" in said
        text = report.read_text()
        assert f"hotstack-os {__version__}: status\n" in text
        assert "Traceback" in text
        assert report.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("words", [["--version"], ["--help"]])
def test_a_reader_who_goes_away_is_no_error(words: list[str], unbuffered: str) -> None:
    environment = {**ENVIRONMENT, "PYTHONUNBUFFERED": unbuffered}
    ours, theirs = os.pipe()
    os.close(ours)
    argv = [sys.executable, "-m", "hotstack_os", *words]
    done = subprocess.run(argv, env=environment, stdout=theirs, stderr=subprocess.PIPE, text=True, check=False)
    os.close(theirs)
    assert done.stderr == ""
