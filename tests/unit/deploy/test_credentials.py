"""Clients are sent to a file that has the cloud, or it is said what is there instead."""

from __future__ import annotations

from pathlib import Path

import pytest

from hotstack_os.deploy import credentials
from hotstack_os.errors import HotstackError
from hotstack_os.settings.cloud import Cloud
from hotstack_os.settings.loading import load


@pytest.fixture
def cloud(tmp_path: Path) -> Cloud:
    """One that was up."""
    made = load(None, {"HOTSTACK_STATE_DIR": str(tmp_path), "HOTSTACK_NAME": "lab"}, {})
    (made.state / "generations").mkdir(parents=True)
    return made


def test_the_clients_are_sent_to_its_file(cloud: Cloud) -> None:
    credentials.path(cloud).write_text("clouds: {lab: {}, lab-admin: {}}\n")
    where = {"OS_CLIENT_CONFIG_FILE": str(cloud.state / "clouds.yaml")}
    assert credentials.environment(cloud, admin=True) == {**where, "OS_CLOUD": "lab-admin"}
    assert credentials.environment(cloud, admin=False) == {**where, "OS_CLOUD": "lab"}


@pytest.mark.parametrize("there", [b"", b"[]", b"clouds: []", b"clouds: {other: {}}", b"\xa1\x00{", b"a: [", None])
def test_a_damaged_file_is_told_with_what_writes_it_anew(cloud: Cloud, there: bytes | None) -> None:
    if there is not None:
        credentials.path(cloud).write_bytes(there)
    with pytest.raises(HotstackError, match=r"the cloud lab-admin in .*clouds\.yaml; found no") as told:
        credentials.environment(cloud, admin=True)
    assert "hotstack-os up" in told.value.hint


def test_a_cloud_that_never_was_is_told_so(tmp_path: Path) -> None:
    never = load(None, {"HOTSTACK_STATE_DIR": str(tmp_path), "HOTSTACK_NAME": "never"}, {})
    with pytest.raises(HotstackError, match="no such cloud on this machine"):
        credentials.environment(never, admin=True)
