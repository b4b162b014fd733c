"""`settings`: show, explain, check, schema."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from hotstack_os.cli import main as command


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def said(capsys: pytest.CaptureFixture[str], *words: str, status: int = 0) -> str:
    assert command.main(["settings", *words]) == status
    out, err = capsys.readouterr()
    return err if status else out


def test_show(capsys: pytest.CaptureFixture[str]) -> None:
    Path("hotstack-os.yaml").write_text("region: East\n")
    assert yaml.safe_load(said(capsys, "show"))["region"] == "East"
    data = json.loads(said(capsys, "show", "--json", "--cloud", "lab"))
    assert data["settings"]["name"] == "lab"
    assert data["origins"]["name"] == "HOTSTACK_NAME"
    assert data["origins"]["region"] == "hotstack-os.yaml:1"


def test_explain(capsys: pytest.CaptureFixture[str]) -> None:
    assert "GLOBAL_PHYSNET_MTU" in said(capsys, "explain", "networks.mtu")
    assert "Did you mean mtu?" in said(capsys, "explain", "networks.mut", status=1)
    assert "a key behind explain" in said(capsys, "explain", status=64)


def test_check(capsys: pytest.CaptureFixture[str]) -> None:
    Path("good.yaml").write_text("name: lab\n")
    Path("bad.yaml").write_text("nmae: lab\nports: 3\n")
    assert said(capsys, "check", "good.yaml") == "good.yaml: good settings of a cloud named lab.\n"
    assert "2 mistakes" in said(capsys, "check", "bad.yaml", status=1)
    assert "No file" in said(capsys, "check")


def test_schema(capsys: pytest.CaptureFixture[str]) -> None:
    assert "networks" in json.loads(said(capsys, "schema"))["properties"]


def test_a_word_too_many(capsys: pytest.CaptureFixture[str]) -> None:
    assert "nothing but what `settings show` uses; found name" in said(capsys, "show", "name", status=64)
