"""The everyday verbs: which services, how things look, colours, and what stands behind `--`."""

from __future__ import annotations

import argparse
import io
import json
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from hotstack_os.cli import main as command
from hotstack_os.cli.logs import rendered
from hotstack_os.cli.paint import Paint
from hotstack_os.cli.services import chosen
from hotstack_os.cli.status import lines
from hotstack_os.cli.table import table
from hotstack_os.deploy.overview import Choice, Endpoint, NodeStatus, Overview, endpoints
from hotstack_os.errors import UsageError
from hotstack_os.health.status import ServiceStatus
from hotstack_os.runtime.control import exec_argv
from hotstack_os.runtime.logs import Entry
from hotstack_os.settings.loading import load

KNOWN = ("mariadb", "keystone", "nova-api", "nova-compute")
SERVICE = ServiceStatus("keystone", "n1", "active", "healthy", "", "Sat", "localhost/hotstack-os/keystone:0123456789ab")
OVERVIEW = Overview(
    ((SERVICE, "28.0.0"),),
    (NodeStatus("n1", "running", "192.0.2.1", (Choice("datapath", "netdev", "no module"),)),),
    (Endpoint("keystone", "identity", "http://k"),),
)
ENTRY = Entry(datetime(2026, 11, 21, 8, 0, 1, 234567).astimezone(), "keystone", "one\ntwo")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_services_come_in_the_order_of_the_catalogue_and_once() -> None:
    assert chosen(["nova-api", "mariadb", "nova-api"], KNOWN) == ("mariadb", "nova-api")
    assert chosen([], KNOWN) == ()


def test_all_unknown_names_are_one_error_with_the_nearest() -> None:
    with pytest.raises(UsageError) as wrong:
        chosen(["keystnoe", "nova-compute", "nova_api"], KNOWN)
    assert "'keystnoe', 'nova_api'" in str(wrong.value)
    assert "Did you mean keystone? Did you mean nova-api?" in str(wrong.value)
    with pytest.raises(UsageError, match="Services: mariadb, keystone"):
        chosen(["zzz"], KNOWN)


@pytest.mark.parametrize("verb", ["logs", "start", "stop", "restart"])
def test_unknown_services_are_refused_before_anything_is_looked_at(
    verb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOTSTACK_STATE_DIR", str(tmp_path / "none"))
    monkeypatch.chdir(tmp_path)
    assert command.main([verb, "keystnoe"]) == 64
    assert "Did you mean keystone?" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["logs"], ["start"], ["exec", "keystone", "--", "id"], ["shell"], ["restart"]])
def test_a_cloud_that_is_not_there_is_told(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOTSTACK_STATE_DIR", str(tmp_path / "none"))
    monkeypatch.setenv("HOTSTACK_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    assert command.main(words) == 1
    assert "wanted a cloud named hotstack-os; found none" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "words",
    [["exec"], ["exec", "keystone"], ["exec", "keystone", "ls", "-l"], ["logs", "-n", "few"], ["logs", "-n", "-1"]],
)
def test_wrong_usage(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(words) == 64
    assert capsys.readouterr().out == ""


def test_a_program_in_a_container() -> None:
    plain = ("podman", "exec", "--interactive", "hotstack-os-keystone", "id")
    assert exec_argv("keystone", ["id"], root=False, terminal=False) == plain
    assert {"--tty", "--user=0"} <= {*exec_argv("keystone", ["id"], root=True, terminal=True)}


def test_the_overview_for_people() -> None:
    shown = "\n".join(lines("lab", OVERVIEW))
    assert "keystone  n1    active  healthy  28.0.0   0123456789ab  Sat" in shown
    assert "n1 datapath: netdev (no module)" in shown
    assert "http://k" in shown
    assert lines("lab", replace(OVERVIEW, services=())) == ["The cloud lab does not run."]


def test_the_overview_as_json_keeps_its_keys() -> None:
    said = json.loads(json.dumps(OVERVIEW.as_json()))
    (service,), (node,), (endpoint,) = said["services"], said["nodes"], said["endpoints"]
    assert service.keys() == {
        "name",
        "node",
        "state",
        "health",
        "detail",
        "since",
        "image",
        "version",
        "unit_image",
        "differs",
    }
    assert node.keys() == {"name", "state", "address", "choices"}
    assert node["choices"] == [{"name": "datapath", "value": "netdev", "reason": "no module"}]
    assert endpoint == {"name": "keystone", "type": "identity", "url": "http://k"}


def test_health_of_the_whole() -> None:
    assert OVERVIEW.healthy
    assert not replace(OVERVIEW, services=()).healthy
    sick = replace(SERVICE, health="unknown")
    assert not replace(OVERVIEW, services=((SERVICE, ""), (sick, ""))).healthy


def test_endpoints_follow_from_the_settings(tmp_path: Path) -> None:
    file = tmp_path / "s.yaml"
    file.write_text("domain: lab.test\nports:\n  keystone: 5001\n")
    found = {each.name: each.url for each in endpoints(load(file, {}, {}))}
    assert found["keystone"].startswith("http://keystone.lab.test:5001")
    assert {"glance", "nova", "neutron", "placement", "cinder", "heat"} <= found.keys()


def test_columns() -> None:
    assert table([("A", "B", "C"), ("long", "x", "")]) == ["A     B  C", "long  x"]


def test_an_entry_for_people() -> None:
    plain = rendered(ENTRY, 10, Paint(io.StringIO()))
    first, second = plain.split("\n")
    assert first == "2026-11-21 08:00:01.234  keystone    one"
    assert second == " " * first.rindex("one") + "two"


def test_colours_are_for_terminals_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert "\x1b[" in rendered(ENTRY, 10, Paint(Terminal()))
    assert "\x1b[" not in rendered(ENTRY, 10, Paint(io.StringIO()))
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[" not in rendered(ENTRY, 10, Paint(Terminal()))
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert "\x1b[" not in rendered(ENTRY, 10, Paint(Terminal()))


def test_what_stands_behind_two_hyphens_is_not_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []

    def run(given: argparse.Namespace) -> int:
        seen.append(given.words)
        return 0

    monkeypatch.setattr("hotstack_os.cli.exec.run", run)
    assert command.main(["exec", "keystone", "--cloud", "lab", "--", "ls", "--cloud", "--", "x"]) == 0
    assert seen == [["ls", "--cloud", "--", "x"]]
