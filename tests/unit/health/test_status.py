"""What systemd and the health watch say of a service becomes one word and its reason."""

from __future__ import annotations

import pytest

from hotstack_os.health.status import ServiceStatus, _image, _status

SEEN = {"keystone": {"health": "unhealthy", "detail": "no answer"}}
IMAGE = "localhost/hotstack-os/keystone:0123456789abcdef"


def status(state: str = "active", load: str = "loaded", name: str = "keystone") -> ServiceStatus:
    shown = {
        "LoadState": load,
        "ActiveState": state,
        "SubState": "sub",
        "ActiveEnterTimestamp": "then",
        "StateChangeTimestamp": "now",
    }
    return _status(name, "node", shown, SEEN, IMAGE)


def test_the_watchs_word_counts_for_what_runs() -> None:
    assert status() == ServiceStatus("keystone", "node", "active", "unhealthy", "no answer", "then", IMAGE)


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


@pytest.mark.parametrize(("text", "image"), [(f"[Container]\nImage={IMAGE}\nPull=never\n", IMAGE), ("", "")])
def test_the_image_of_a_quadlet_file(text: str, image: str) -> None:
    assert _image(text) == image
