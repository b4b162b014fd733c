"""What is sent to MariaDB and Keystone, and how passwords are compared."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from hotstack_os.bootstrap import sql
from hotstack_os.bootstrap.databases import native_hash
from hotstack_os.bootstrap.keystone import QUIET, Keystone, KeystoneDown, LoginRefused
from hotstack_os.bootstrap.tokens import Tokens
from hotstack_os.errors import HotstackError
from hotstack_os.exec.agent import AgentHost
from hotstack_os.hidden import Hidden

PASSWORDS = ["plain", 'quo"te', "back\\slash", "{}", "'; DROP", "naïve ✓", " ", "%s $HOME\n"]


def test_a_password_is_stored_as_mariadb_does_it() -> None:
    """The example of the manual's page on PASSWORD()."""
    assert native_hash("notagoodpwd") == "*3A70EE9FC6594F88CE9E959CD51C5A1C002DC937"


@pytest.mark.parametrize(
    ("text", "quoted"), [("nova", "'nova'"), ("it's", "'it''s'"), ("a\\", "'a\\\\'"), ("\\'", "'\\\\'''")]
)
def test_literals(text: str, quoted: str) -> None:
    assert sql.literal(text) == quoted


def test_names() -> None:
    assert sql.name("nova_api") == "`nova_api`"
    assert sql.name("a`; DROP") == "`a``; DROP`"


@dataclass
class Door:
    """What arrives at an HTTP server on loopback, and what it answers."""

    url: str = ""
    status: int = 201
    bodies: list[Any] = field(default_factory=list)
    tokens: list[str | None] = field(default_factory=list)


@pytest.fixture
def door() -> Iterator[Door]:
    door = Door()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            door.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            door.tokens.append(self.headers["X-Auth-Token"])
            self.send_response(door.status)
            self.send_header("X-Subject-Token", "a-token")
            self.end_headers()
            self.wfile.write(
                json.dumps({"token": {"project": {"id": "an-id"}, "expires_at": "2026-01-01T00:00:00.0Z"}}).encode()
            )

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    door.url = f"http://127.0.0.1:{server.server_port}/v3"
    yield door
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def host() -> Iterator[AgentHost]:
    host = AgentHost("here")
    yield host
    host.close()


@pytest.mark.parametrize("password", PASSWORDS)
def test_any_password_arrives_in_keystone_as_it_is(password: str, door: Door, host: AgentHost) -> None:
    Keystone(host, door.url, ("nova", Hidden(password)), "service", tokens=Tokens(None)).login()
    (body,) = door.bodies
    user = body["auth"]["identity"]["password"]["user"]
    assert (user["name"], user["password"]) == ("nova", password)
    assert body["auth"]["scope"]["project"]["name"] == "service"


def test_it_logs_in_once_and_goes_on_with_the_token(door: Door, host: AgentHost) -> None:
    keystone = Keystone(host, door.url, ("admin", Hidden("p")), "admin", tokens=Tokens(None))
    keystone.send("POST", "/roles", {"role": {"name": "one"}})
    keystone.send("POST", "/roles", {"role": {"name": "two"}})
    assert door.tokens == [None, "a-token", "a-token"]


@pytest.mark.parametrize(("status", "error"), [(401, LoginRefused), (500, KeystoneDown), (409, HotstackError)])
def test_refusals_are_told_apart(status: int, error: type[Exception], door: Door, host: AgentHost) -> None:
    door.status = status
    with pytest.raises(error) as caught:
        Keystone(host, door.url, ("admin", Hidden("canary-3")), "admin", tokens=Tokens(None)).login()
    assert "canary-3" not in str(caught.value)


def test_a_keystone_that_has_lost_what_it_needs_is_down_for_who_looks(door: Door, host: AgentHost) -> None:
    """As without memcached: a plan is still to be made, and what it mends is mended first."""
    keystone = Keystone(host, door.url, ("admin", Hidden("p")), "admin", tokens=Tokens(None))
    keystone.login()
    door.status = 500
    with pytest.raises(KeystoneDown, match="wanted Keystone to answer; found HTTP 50"):
        keystone.get("/users")
    with pytest.raises(HotstackError, match="Keystone to accept POST /users"):
        keystone.send("POST", "/users", {"user": {}})


def test_nobody_there_is_down(host: AgentHost) -> None:
    with pytest.raises(KeystoneDown):
        Keystone(host, "http://127.0.0.1:1/v3", ("admin", Hidden("p")), "admin", tokens=Tokens(None)).login()


def test_who_was_not_there_is_not_asked_again_at_once(
    door: Door, host: AgentHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    keystone = Keystone(host, "http://127.0.0.1:1/v3", ("admin", Hidden("p")), "admin", tokens=Tokens(None))
    with pytest.raises(KeystoneDown, match="refused"):
        keystone.login()
    monkeypatch.setattr(keystone, "_url", door.url)
    with pytest.raises(KeystoneDown, match="a moment ago"):
        keystone.login()
    assert door.bodies == []
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + QUIET)
    keystone.login()
    assert len(door.bodies) == 1
