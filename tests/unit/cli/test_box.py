"""`box remove` asks about all that is left of a cloud, whatever its files say."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from hotstack_os.cli import main as command


@pytest.mark.parametrize("left", ["box/data/precious", "journal.jsonl"])
def test_a_box_that_lost_its_description_is_asked_about(
    left: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOTSTACK_STATE_DIR", str(tmp_path / "clouds"))
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    path = tmp_path / "clouds/lab" / left
    path.parent.mkdir(parents=True)
    path.write_text("")
    assert command.main(["box", "remove", "--cloud", "lab"]) == 64
    assert "wanted somebody who types lab to confirm it" in capfd.readouterr().err
    assert path.exists()
    assert command.main(["box", "remove", "--cloud", "lab", "--yes"]) == 0
    assert not path.exists()
