"""An answer that cannot be given is a failure, and said in a sentence; one that nobody wants any more is none."""

from __future__ import annotations

import io
import os
import resource
import stat
import subprocess
import sys
import tarfile
import threading
from pathlib import Path

import pytest

import hotstack_os
from hotstack_os.cli import progress
from hotstack_os.deploy import evidence
from hotstack_os.errors import HotstackError
from hotstack_os.settings.loading import load

PYTHON = f"{sys.executable} -m hotstack_os.cli.main"


def shell(line: str, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    """`$H` is the command; its clouds are of this test's own."""
    source = str(Path(hotstack_os.__file__).parent.parent)
    places = {"HOTSTACK_STATE_DIR": str(tmp_path / "clouds"), "HOTSTACK_CACHE_DIR": str(tmp_path / "cache")}
    environment = {**os.environ, "PYTHONPATH": source, "H": PYTHON, **places}
    argv = ("bash", "-c", line)
    return subprocess.run(argv, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=240)


@pytest.mark.parametrize(
    ("line", "status", "said"),
    [
        ("$H settings schema >/dev/full", 1, "to print the answer; found standard output: no space left on device"),
        ("$H --version >/dev/full", 1, "to print the answer; found standard output: no space left on device"),
        ("$H up --help >/dev/full", 1, "to print the answer; found standard output: no space left on device"),
        ("$H status >&-", 1, "to print the answer; found standard output: bad file descriptor"),
        ("$H settings schema >&-", 1, "to print the answer; found standard output: bad file descriptor"),
        ("$H --version <&-", 0, ""),
    ],
)  # fmt: skip
def test_an_answer_that_cannot_be_printed(line: str, status: int, said: str, tmp_path: Path) -> None:
    done = shell(line, tmp_path)
    assert done.returncode == status
    expected = f"hotstack-os: wanted {said}\n" if said else ""
    assert done.stderr.partition("  →")[0] == expected
    assert len(done.stderr.splitlines()) <= 2


def test_who_has_heard_enough_gets_no_error(tmp_path: Path) -> None:
    done = shell("$H settings schema | head -c 1 >/dev/null; echo ${PIPESTATUS[0]}", tmp_path)
    assert (done.stdout, done.stderr) == ("0\n", "")


@pytest.mark.parametrize("closed", ["2>&-", "2>/dev/full"])
def test_talk_that_nobody_can_hear_is_not_printed_as_an_answer(closed: str, tmp_path: Path) -> None:
    done = shell(f"$H nonsense {closed}", tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (64, "", "")


def test_progress_goes_on_where_nobody_hears_it(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(io.StringIO):
        def write(self, _: str) -> int:
            raise OSError(28, "No space left on device")

    full = Full()
    monkeypatch.setattr(sys, "stderr", full)
    lines = progress.Lines()
    lines.begin("images")
    lines.say("one")
    lines.fail("two")
    lines.end("images", 1.0, failed=False)
    assert full.getvalue() == ""


def test_a_failure_is_shown_also_to_who_wants_it_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    lines = progress.Lines(quiet=True)
    lines.say("done")
    lines.fail("create lab:file//x failed: wanted a; found b\n    because")
    assert capsys.readouterr().err == "  create lab:file//x failed: wanted a; found b\n      because\n"


@pytest.fixture
def pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """An archive of one piece: what is collected is not what is asked here."""
    monkeypatch.setattr(evidence, "_all", lambda _cloud, _errors: iter([("about.txt", b"about\n" * 10000)]))


def diagnose(words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    from hotstack_os.cli import main  # noqa: PLC0415

    monkeypatch.setenv("HOTSTACK_STATE_DIR", str(tmp_path / "clouds"))
    monkeypatch.setenv("HOTSTACK_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return main.main(["diagnose", *words])


@pytest.mark.usefixtures("pieces")
@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("there", "found a directory of that name"),
        ("there/", "found a directory of that name"),
        ("missing/out.tar.gz", "found no directory missing"),
        ("file/out.tar.gz", "found no directory file"),
    ],
)
def test_where_no_archive_can_be_written(
    place: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "file").touch()
    assert diagnose(["-o", place], tmp_path, monkeypatch) == 1
    out, err = capfd.readouterr()
    assert said in err
    assert out == ""
    assert sorted(each.name for each in tmp_path.iterdir()) == ["file", "there"]
    assert list((tmp_path / "there").iterdir()) == []


@pytest.mark.usefixtures("pieces")
@pytest.mark.skipif(
    os.geteuid() != 0, reason="makes a device of its own: what is wrong here must not cost the machine's"
)
def test_a_device_that_is_full_stays_a_device(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    device = tmp_path / "full"
    os.mknod(device, 0o666 | stat.S_IFCHR, os.makedev(1, 7))
    assert diagnose(["-o", str(device)], tmp_path, monkeypatch) == 1
    assert f"to write the archive {device}; found No space left on device" in capfd.readouterr().err
    assert device.is_char_device()


@pytest.mark.usefixtures("pieces")
def test_a_pipe_takes_an_archive_and_stays_a_pipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pipe, got = tmp_path / "pipe", list[bytes]()
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()))
    reader.start()
    assert diagnose(["-o", str(pipe)], tmp_path, monkeypatch) == 0
    reader.join(30)
    assert pipe.is_fifo()
    with tarfile.open(fileobj=io.BytesIO(got[0])) as archive:
        assert "pipe/about.txt" in archive.getnames()


@pytest.mark.usefixtures("pieces")
def test_a_dash_is_standard_output_and_a_link_leads_to_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert diagnose(["-o", "-"], tmp_path, monkeypatch) == 0
    with tarfile.open(fileobj=io.BytesIO(capfdbinary.readouterr().out)) as archive:
        assert "hotstack-os/about.txt" in archive.getnames()
    (tmp_path / "link").symlink_to(tmp_path / "target.tar.gz")
    assert diagnose(["-o", "link"], tmp_path, monkeypatch) == 0
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target.tar.gz").stat().st_mode & 0o777 == 0o600


@pytest.mark.usefixtures("pieces")
def test_an_archive_that_finds_no_room_leaves_nothing(tmp_path: Path) -> None:
    cloud = load(None, {"HOTSTACK_STATE_DIR": str(tmp_path / "clouds"), "HOTSTACK_CACHE_DIR": str(tmp_path)}, {})
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, before[1]))
    try:
        with pytest.raises(HotstackError, match=r"to write the archive .*; found File too large"):
            evidence.collect(cloud, tmp_path / "out.tar.gz")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == []
