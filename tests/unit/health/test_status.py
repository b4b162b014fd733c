"""What systemd and the health watch say of a service becomes one word and its reason."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from typing import cast

import pytest

from hotstack_os.exec import Command, Host, Result
from hotstack_os.health.status import DIFFERS, PENDING, ServiceStatus, _seen, _status
from hotstack_os.runtime.started import Started, started

SEEN = {"keystone": {"health": "unhealthy", "detail": "no answer"}}
IMAGE, OTHER = "localhost/hotstack-os/keystone:0123456789abcdef", "localhost/hotstack-os/keystone:fedcba9876543210"
RUNS = Started(IMAGE, "d1", IMAGE, "d1")


def status(
    state: str = "active", load: str = "loaded", name: str = "keystone", found: Started = RUNS, wanted: str = "d1"
) -> ServiceStatus:
    shown = {
        "LoadState": load,
        "ActiveState": state,
        "SubState": "sub",
        "ActiveEnterTimestamp": "then",
        "StateChangeTimestamp": "now",
    }
    return _status(name, "node", shown, SEEN, found, wanted)


def test_the_watchs_word_counts_for_what_runs() -> None:
    assert status() == ServiceStatus("keystone", "node", "active", "unhealthy", "no answer", "then", IMAGE, IMAGE)


@pytest.mark.parametrize("state", ["inactive", "failed", "activating"])
def test_what_does_not_run_is_not_healthy(state: str) -> None:
    found = status(state)
    assert (found.state, found.health, found.since) == (state, "unhealthy", "now")
    assert found.detail == f"the unit is {state} (sub)"


def test_a_unit_that_is_not_there() -> None:
    found = status("inactive", "not-found")
    assert (found.state, found.health) == ("absent", "unhealthy")


def test_no_news_are_no_good_news() -> None:
    assert status(name="glance").health == "unknown"


@pytest.mark.parametrize(
    ("found", "wanted", "image", "marks"),
    [
        (RUNS, "d1", IMAGE, ()),
        (RUNS, "", IMAGE, ()),
        (RUNS, "d2", IMAGE, (DIFFERS,)),
        # An `up` that was killed between the unit and its restart: the old image runs.
        (Started(IMAGE, "d1", OTHER, "d2"), "d2", IMAGE, (PENDING,)),
        (Started(IMAGE, "d1", OTHER, "d2"), "d3", IMAGE, (PENDING, DIFFERS)),
        (Started("", "", OTHER, "d2"), "d2", "", ()),
        (Started("", "", OTHER, "d2"), "d1", "", (DIFFERS,)),
        (Started(IMAGE, "d1"), "d1", IMAGE, (PENDING, DIFFERS)),
    ],
)
def test_what_runs_is_told_and_what_is_another(found: Started, wanted: str, image: str, marks: tuple[str, ...]) -> None:
    told = status(found=found, wanted=wanted)
    assert (told.image, told.unit_image, told.differs) == (image, found.unit_image, marks)


UNIT = f"[Container]\nLabel=hotstack-os.digest=d2\nLabel=hotstack-os.hosts=h\nImage={OTHER}\nPull=never\n"
LABELS = {"hotstack-os.service": "keystone", "hotstack-os.digest": "d1"}


@pytest.mark.parametrize(
    ("containers", "text", "found"),
    [
        ([{"Image": IMAGE, "State": "running", "Labels": LABELS}], UNIT, Started(IMAGE, "d1", OTHER, "d2")),
        ([{"Image": IMAGE, "State": "exited", "Labels": LABELS}], UNIT, Started("", "", OTHER, "d2")),
        ([], UNIT, Started("", "", OTHER, "d2")),
        ([{"Image": IMAGE, "State": "running", "Labels": LABELS}], "", Started(IMAGE, "d1", "", "")),
    ],
)
def test_what_podman_and_the_unit_say(containers: list[object], text: str, found: Started) -> None:
    class Node:
        def read(self, paths: Iterable[str]) -> dict[str, bytes]:
            return {path: text.encode() for path in paths}

        def run(self, command: Command) -> Result:
            assert command.argv[:2] == ("podman", "ps")
            return Result(command, 0, json.dumps(containers), "", 0.1)

    assert started(cast("Host", Node()), ["keystone"]) == {"keystone": found}


class Disk:
    """A node with one file."""

    def __init__(self, data: bytes | None) -> None:
        self._data = data

    def read(self, paths: Iterable[str]) -> dict[str, bytes | None]:
        return dict.fromkeys(paths, self._data)


def seen(data: object) -> dict[str, object]:
    text = data if isinstance(data, bytes) or data is None else json.dumps(data).encode()
    return dict(_seen(cast(Host, Disk(text))))


def published(**ages: float) -> dict[str, object]:
    """What the watch published just now, with news of services that are so many seconds old."""
    now = time.time()
    services = {name: {"health": "healthy", "detail": "", "time": now - age} for name, age in ages.items()}
    return {"time": now, "period": 3.0, "services": services}


def test_a_word_that_is_old_is_told_as_such_and_no_other_with_it() -> None:
    found = seen(published(fresh=1, old=40))
    assert cast(dict[str, str], found["fresh"])["health"] == "healthy"
    assert found["old"] == {"health": "unknown", "detail": "the health watch has not seen it for 40 s"}


def test_a_watch_that_has_ended_says_nothing_of_anybody() -> None:
    """Also one of a former revision, which had one time for all."""
    former = {"time": time.time() - 60, "period": 3.0, "services": {"keystone": {"health": "healthy", "detail": ""}}}
    assert seen(former)["keystone"] == {"health": "unknown", "detail": "the health watch has not seen it for 60 s"}


@pytest.mark.parametrize("data", [None, b"", b"{", b"null", b"7", b'{"time": 1}', b'{"services": {"a": null}}'])
def test_a_damaged_record_is_no_news(data: bytes | None) -> None:
    assert seen(data) == {}
