"""Entries of the journal: what is asked for, and how an entry is read."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hotstack_os.runtime.logs import journal_argv, parse, printable


def asked(since: str = "", lines: str = "5", *, follow: bool = False) -> tuple[str, ...]:
    return journal_argv(["keystone", "glance"], follow=follow, since=since, lines=lines)


def test_each_service_is_asked_for_by_its_unit() -> None:
    argv = asked()
    assert {"--unit=hotstack-os-keystone.service", "--unit=hotstack-os-glance.service", "--lines=5"} <= {*argv}
    assert not any(word.startswith(("--since", "--follow")) for word in argv)
    assert "--follow" in asked(follow=True)


@pytest.mark.parametrize(("since", "wanted"), [("10m", "-10m"), ("2h", "-2h"), ("-1 hour", "-1 hour"), ("@17", "@17")])
def test_a_short_time_is_a_time_ago(since: str, wanted: str) -> None:
    assert f"--since={wanted}" in asked(since)


@pytest.fixture
def zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine six and a half hours east of its nodes."""
    monkeypatch.setenv("TZ", "EAST-6:30")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("since", "utc"),
    [
        ("2026-11-21 08:00", "2026-11-21 01:30:00"),
        ("2026-11-21T08:00:30.5", "2026-11-21 01:30:30.500000"),
        ("2026-11-21", "2026-11-20 17:30:00"),
    ],
)
def test_a_time_of_day_is_one_of_this_machine(since: str, utc: str, zone: None) -> None:
    (word,) = (word for word in asked(since) if word.startswith("--since="))
    seconds = float(word.removeprefix("--since=@"))
    assert str(datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)) == utc


@pytest.mark.parametrize(("since", "days"), [("today", 0), ("yesterday", -1), ("00:00", 0)])
def test_a_day_begins_when_it_begins_here(since: str, days: int, zone: None) -> None:
    (word,) = (word for word in asked(since) if word.startswith("--since="))
    begins = datetime.fromtimestamp(float(word.removeprefix("--since=@")))
    assert (begins.hour, begins.minute) == (0, 0)
    assert begins.date() == (datetime.now() + timedelta(days)).date()


@pytest.mark.parametrize("since", ["2026-13-45", "2026-11-21 25:00", "soon"])
def test_what_is_no_time_is_left_to_journalctl_to_refuse(since: str) -> None:
    assert f"--since={since}" in asked(since)


def entry(**fields: Any) -> str:
    return json.dumps({"__REALTIME_TIMESTAMP": "1795242514540228", **fields})


def test_an_entry_of_a_container() -> None:
    found = parse(entry(_SYSTEMD_UNIT="hotstack-os-nova-api.service", MESSAGE="hello\n"))
    assert found.time == datetime.fromtimestamp(1795242514.540228, UTC)
    assert (found.service, found.message) == ("nova-api", "hello")


def test_what_systemd_says_of_a_unit_belongs_to_the_unit() -> None:
    said = entry(_SYSTEMD_UNIT="init.scope", UNIT="hotstack-os-nova-api.service", MESSAGE="Started.")
    assert parse(said).service == "nova-api"


@pytest.mark.parametrize(("message", "text"), [([104, 105, 255], "hi�"), (None, "")])
def test_messages_that_are_no_text(message: Any, text: str) -> None:
    assert parse(entry(_SYSTEMD_UNIT="x.service", MESSAGE=message)).message == text


def test_nothing_that_was_logged_acts_on_the_terminal() -> None:
    assert printable("a\x1b[31mb\r\x07\tc é") == "a\\x1b[31mb\\r\\x07\tc é"
