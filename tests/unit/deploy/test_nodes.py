"""What is asked of Nova before a node may go, and what stays as it was where it may not."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from hotstack_os.bootstrap.keystone import KeystoneDown, LoginRefused
from hotstack_os.content.api import Api, ServiceDown, why
from hotstack_os.deploy import drain, members
from hotstack_os.errors import HotstackError

NODE = "compute-1"


@dataclass
class Nova(Api):
    """Nova's answers to what is asked of it here; `server` is on the node in this status, `left` could be sent back."""

    server: str = ""
    left: bool = False
    enabled: bool = True
    sent: list[tuple[str, Any]] = field(default_factory=list)

    def get(self, service: str, path: str) -> Any:
        assert service == "compute"
        here = {"id": "1", "name": "web", "status": self.server, "OS-EXT-SRV-ATTR:host": NODE}
        there = {"id": "2", "name": "moved", "status": drain.MOVED, "OS-EXT-SRV-ATTR:host": "another"}
        answers = {
            f"/os-services?binary=nova-compute&host={NODE}": {
                "services": [{"id": "7", "status": "enabled" if self.enabled else "disabled"}]
            },
            f"/servers/detail?all_tenants=1&host={NODE}": {"servers": [here] if self.server else []},
            f"/os-migrations?source_compute={NODE}&status=finished": {
                "migrations": [{"instance_uuid": "2"}] if self.left else []
            },
            "/servers/2": {"server": there},
        }
        return answers[path]

    def send(self, method: str, service: str, path: str, body: Any = None, content_type: str = "") -> Any:
        assert (method, service, path) == ("PUT", "compute", "/os-services/7")
        self.enabled = body["status"] == "enabled"
        self.sent.append((path, body["status"]))


@pytest.mark.parametrize(
    ("nova", "said"), [(Nova(server="ACTIVE"), "found web"), (Nova(left=True), "found unconfirmed migrations")]
)
def test_a_node_with_servers_is_refused_and_servers_may_come_as_before(nova: Nova, said: str) -> None:
    with pytest.raises(HotstackError, match=said):
        members.set_aside(nova, NODE)
    assert nova.sent == [("/os-services/7", "disabled"), ("/os-services/7", "enabled")]


def test_a_node_that_was_drained_stays_so_where_it_is_refused() -> None:
    nova = Nova(server="SHUTOFF", enabled=False)
    with pytest.raises(HotstackError):
        members.set_aside(nova, NODE)
    assert nova.sent == []


def test_no_server_comes_to_a_node_that_is_about_to_go() -> None:
    nova = Nova()
    members.set_aside(nova, NODE)
    assert not nova.enabled


@pytest.mark.parametrize(
    ("status", "hint"),
    [
        ("SUSPENDED", "Resume, start or delete it"),
        ("BUILD", "Wait for it"),
        (drain.MOVED, "Confirm or revert its resize"),
    ],
)
def test_a_server_that_cannot_move_is_told_with_what_to_do(status: str, hint: str) -> None:
    with pytest.raises(HotstackError, match=f"web is {status}") as caught:
        drain.refuse_stuck(Nova(server=status), NODE)
    assert caught.value.hint.startswith(hint)


@pytest.mark.parametrize("status", [*drain.LIVE, *drain.COLD])
def test_what_can_move_is_not_refused(status: str) -> None:
    drain.refuse_stuck(Nova(server=status), NODE)


def test_what_was_moved_and_not_confirmed_is_found() -> None:
    assert [each["name"] for each in drain.unconfirmed(Nova(left=True), NODE)] == ["moved"]
    assert drain.unconfirmed(Nova(), NODE) == []


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (KeystoneDown("refused"), "Keystone does not answer"),
        (LoginRefused("admin"), "the administrator cannot log in"),
        (ServiceDown("the compute API", "HTTP 503"), "the compute API does not answer: HTTP 503"),
    ],
)
def test_why_nobody_can_be_asked_is_said_in_words(error: Exception, said: str) -> None:
    assert why(error) == said
