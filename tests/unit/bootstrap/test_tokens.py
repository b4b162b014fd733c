"""Tokens are used from command to command for as long as Keystone takes them, and prove what a login would."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import pytest

from hotstack_os.bootstrap.keystone import Keystone, LoginRefused
from hotstack_os.bootstrap.tokens import MARGIN, Tokens
from hotstack_os.exec import Host, HttpAnswer
from hotstack_os.hidden import Hidden

HOUR = 3600.0


@dataclass
class Node:
    """A node with a Keystone that revokes tokens as the real one does."""

    passwords: dict[str, str] = field(default_factory=lambda: {"admin": "a", "nova": "n"})
    lasts: float = HOUR
    tokens: dict[str, str] = field(default_factory=dict)
    logins: int = 0

    def http(
        self, method: str, url: str, *, headers: Mapping[str, str], body: Hidden | None, timeout: float
    ) -> HttpAnswer:
        token = headers.get("X-Auth-Token", "")
        if url.endswith("/roles"):
            return HttpAnswer(200 if token in self.tokens else 401, {}, b"{}")
        if method == "GET":
            assert headers["X-Subject-Token"] == token
            return self._said(200, token) if token in self.tokens else HttpAnswer(401, {}, b"")
        assert body
        self.logins += 1
        identity = json.loads(body.reveal())["auth"]["identity"]
        said = identity.get("password", {}).get("user") or identity["application_credential"]
        name, password = said.get("name") or said["id"], said.get("password") or said["secret"]
        if self.passwords.get(name) != password:
            return HttpAnswer(401, {}, b"")
        self.tokens[f"token-{self.logins}"] = name
        return self._said(201, f"token-{self.logins}")

    def _said(self, status: int, token: str) -> HttpAnswer:
        expires = datetime.now(UTC) + timedelta(seconds=self.lasts)
        said = {"expires_at": expires.strftime("%Y-%m-%dT%H:%M:%S.%fZ"), "user": {"name": self.tokens[token]}}
        return HttpAnswer(status, {"x-subject-token": token}, json.dumps({"token": said}).encode())

    def change(self, name: str, password: str) -> None:
        """As Keystone does it: tokens of that user are revoked."""
        self.passwords[name] = password
        self.tokens = {token: user for token, user in self.tokens.items() if user != name}


Command = Callable[..., Keystone]


@pytest.fixture
def node() -> Node:
    return Node()


@pytest.fixture
def command(node: Node, tmp_path: Path) -> Command:
    """Keystone as a new command has it: the file alone is left of earlier ones."""

    def begin(*user: str) -> Keystone:
        name, password = user or ("admin", "a")
        tokens = Tokens(tmp_path / "tokens.json")
        return Keystone(cast(Host, node), "http://keystone/v3", (name, Hidden(password, b"key")), "", tokens=tokens)

    return begin


def test_the_next_command_logs_in_no_more(node: Node, command: Command, tmp_path: Path) -> None:
    assert command().login()["user"] == command().login()["user"] == {"name": "admin"}
    assert command().token() == "token-1"
    assert node.logins == 1
    assert [path.name for path in tmp_path.iterdir()] == ["tokens.json"]
    assert (tmp_path / "tokens.json").stat().st_mode & 0o777 == 0o600


def test_another_user_or_password_is_another_login(node: Node, command: Command) -> None:
    command().login()
    command("nova", "n").login()
    with pytest.raises(LoginRefused):
        command("admin", "another").login()
    assert node.logins == 3


def test_a_changed_password_is_seen(node: Node, command: Command) -> None:
    command().login()
    node.change("admin", "new")
    with pytest.raises(LoginRefused):
        command().login()
    assert command("admin", "new").login()["user"] == {"name": "admin"}


def test_a_token_that_is_refused_later_is_replaced(node: Node, command: Command) -> None:
    command().login()
    keystone = command()
    assert keystone.token() == "token-1"
    node.tokens.clear()
    assert keystone.get("/roles") == {}
    assert command().token() == "token-2"


def test_what_somebody_else_refuses_is_not_taken_from_the_file_again(command: Command) -> None:
    keystone = command()
    assert keystone.token() == "token-1"
    assert keystone.token(refused="token-1") == "token-2"


def test_a_token_about_to_end_is_not_kept(node: Node, command: Command) -> None:
    node.lasts = MARGIN - 10
    command().login()
    command().login()
    assert node.logins == 2


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"a": 1}', '{"a": ["token", "never"]}'])
def test_a_file_that_cannot_be_read_costs_a_login(node: Node, command: Command, tmp_path: Path, text: str) -> None:
    (tmp_path / "tokens.json").write_text(text)
    command().login()
    command().login()
    assert node.logins == 1


def test_a_credentials_token_is_kept_beside_its_users(node: Node, command: Command) -> None:
    node.passwords["an-id"] = "secret"
    for _ in range(2):
        command().try_credential("an-id", Hidden("secret", b"key"))
    assert node.logins == 1
    node.change("an-id", "other")
    with pytest.raises(LoginRefused):
        command().try_credential("an-id", Hidden("secret", b"key"))


def test_many_at_once_lose_none(node: Node, command: Command) -> None:
    users = {f"user-{number}": f"p-{number}" for number in range(20)}
    node.passwords.update(users)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda user: command(*user).login(), users.items()))
    before = node.logins
    for user in users.items():
        command(*user).login()
    assert node.logins == before


def test_without_a_directory_nothing_is_kept(node: Node, tmp_path: Path) -> None:
    for path in (None, tmp_path / "not there" / "tokens.json"):
        tokens = Tokens(path)
        tokens.keep(Hidden("said"), "token", "2100-01-01T00:00:00.0Z")
        assert tokens.get(Hidden("said")) == ""
