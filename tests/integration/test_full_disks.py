"""Real file systems that are full, without inodes or read-only: one sentence, status 1, and nothing half done."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import hotstack_os

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="mounts file systems in a namespace of its own")
SOURCE = str(Path(hotstack_os.__file__).parent.parent)
SECONDS = 300


def apart(script: str, place: Path) -> subprocess.CompletedProcess[str]:
    """A shell script in a mount namespace of its own; `$H` is the command, `$S` and `$C` its directories."""
    environment = {
        **os.environ,
        "PYTHONPATH": SOURCE,
        "PYTHON": sys.executable,
        "H": f"{sys.executable} -m hotstack_os",
        "S": str(place / "clouds"),
        "C": str(place / "cache"),
        "HOTSTACK_STATE_DIR": str(place / "clouds"),
        "HOTSTACK_CACHE_DIR": str(place / "cache"),
    }
    argv = ("unshare", "--mount", "--propagation=private", "bash", "-ec", f'mkdir "$S" "$C"\n{script}')
    return subprocess.run(
        argv, env=environment, cwd=place, capture_output=True, text=True, check=False, timeout=SECONDS
    )


FULL = "head -c 1M /dev/zero > {}/ballast 2>/dev/null || true"


@pytest.mark.parametrize(
    ("mount", "said"),
    [
        (f"mount -t tmpfs -o size=64k none $S; {FULL.format('$S')}", "No space left on device"),
        ("mount -t tmpfs -o nr_inodes=2 none $S; touch $S/last", "No space left on device"),
        ("mount -t tmpfs -o ro none $S", "Read-only file system"),
        ("mount -t tmpfs -o size=64k none $C; " + FULL.format("$C"), "No space left on device"),
        ("mount -t tmpfs -o nr_inodes=2 none $C; touch $C/last", "No space left on device"),
        ("mount -t tmpfs -o ro none $C", "Read-only file system"),
    ],
    ids=["state full", "state without inodes", "state read-only", "cache full", "cache without inodes",
         "cache read-only"],
)  # fmt: skip
@pytest.mark.parametrize("verb", ["up", "images build"])
def test_a_disk_that_takes_nothing_is_one_sentence(verb: str, mount: str, said: str, tmp_path: Path) -> None:
    if verb == "images build" and "none $S" in mount:
        verb = "plan"  # images need no state; who only reads does not mind
    done = apart(f"{mount}\n$H {verb}", tmp_path)
    assert not any(word in done.stderr for word in ("Traceback", "defect", "unexpected")), done.stderr
    if verb == "plan":
        assert (done.returncode, done.stdout.splitlines()[-1][:5]) == (2, "Plan:"), done.stderr
        return
    assert done.returncode == 1, done.stderr
    (sentence,) = [line for line in done.stderr.splitlines() if line.startswith("hotstack-os: wanted ")]
    assert said.lower() in sentence.lower()
    assert str(tmp_path) in sentence


JOURNAL = """
import errno, os, sys
from pathlib import Path
from hotstack_os.core.journal import Journal, JournalUnwritable
from hotstack_os.core.model import Ref, Resource
from hotstack_os.core.plan import Action

path, room, ours = Path(sys.argv[1]) / "journal.jsonl", Path(sys.argv[1]) / "ballast", set()
journal = Journal(path)
for number in range(2000):
    ref = Ref("file", f"/{number}" + "x" * (number % 700), "lab")
    try:
        journal.begin(Action("create", Resource(ref), None, ()))
    except JournalUnwritable as error:
        print(error)
        break
    ours.add(ref)
assert set(journal.ledger) == set(Journal(path).ledger) == ours, "what was written down is ours, and nothing else"
assert path.read_bytes().endswith(b"}\\n"), "no piece is left"
room.unlink()
late = Ref("file", "/late", "lab")
journal.begin(Action("create", Resource(late), None, ()))
assert set(Journal(path).ledger) == ours | {late}
print(len(ours), "entries, and on again")
"""


def test_a_journal_on_a_full_disk_holds_what_was_begun_and_goes_on_when_there_is_room(tmp_path: Path) -> None:
    (tmp_path / "journal.py").write_text(JOURNAL)
    mount = "mount -t tmpfs -o size=128k none $S; head -c 64k /dev/zero > $S/ballast"
    done = apart(f'{mount}\n"$PYTHON" journal.py "$S"', tmp_path)
    assert done.returncode == 0, done.stderr
    assert "found No space left on device\n  → Make room there" in done.stdout
    assert done.stdout.endswith("entries, and on again\n")


def test_a_full_disk_keeps_nobody_from_taking_the_cloud_away(tmp_path: Path) -> None:
    made = "$H box create >/dev/null 2>&1 || true; mkdir -p $S/hotstack-os; touch $S/hotstack-os/lock"
    script = f"mount -t tmpfs -o size=256k none $S\n{made}\n{FULL.format('$S/hotstack-os')}\n$H down --yes\nls $S"
    done = apart(script, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "The cloud hotstack-os is gone." in done.stdout
    assert done.stdout.splitlines()[-1] == "The cloud hotstack-os is gone."
