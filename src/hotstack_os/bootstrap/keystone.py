"""A small client of Keystone's v3 API that asks from the node itself, so that nothing needs a route to it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from hotstack_os.bootstrap.tokens import Tokens
from hotstack_os.errors import HotstackError
from hotstack_os.exec import Host, HttpAnswer, RequestRefused
from hotstack_os.hidden import Hidden

TIMEOUT = 60.0
QUIET = 3.0
"""Seconds in which one who did not answer is not asked again: a container that is gone takes three to be told so."""


class KeystoneDown(HotstackError):
    """Nobody answers at Keystone's address, or only that it cannot: it has lost what it needs itself."""

    def __init__(self, found: str) -> None:
        super().__init__("Keystone to answer", found)


class LoginRefused(HotstackError):
    """Keystone does not know this user with this password."""

    def __init__(self, who: str) -> None:
        super().__init__(f"Keystone to let {who} in", "that it does not know this user with this password")


class Keystone:
    """Keystone at `url` (ending in /v3) through a node; logs in at first use.

    The user is of the `domain` of that name; an empty `project`, which else is of the default domain, asks for a token
    without scope. What `tokens` holds for the same credentials is used for as long as Keystone takes it. Where nobody
    answers, every request of the next QUIET seconds is KeystoneDown at once.
    """

    def __init__(
        self,
        host: Host,
        url: str,
        user: tuple[str, Hidden],
        project: str,
        *,
        domain: str = "Default",
        tokens: Tokens,
    ) -> None:
        self._host = host
        self._url = url
        self._username = user[0]
        self._credentials = _credentials(*user, project, domain)
        self._tokens = tokens
        self._logging_in = threading.Lock()
        self._token = ""
        self._project = ""
        self._quiet_until = 0.0

    def login(self, refused: str = "") -> dict[str, Any]:
        """What Keystone says of the user: roles in its project, the catalogue. Later requests are made as this user.

        With another token than `refused`.
        """
        self._token, said = self._let_in(self._credentials, self._username, refused)
        self._project = str(said.get("project", {}).get("id", ""))
        return said

    def _let_in(self, credentials: Hidden, who: str, refused: str = "") -> tuple[str, dict[str, Any]]:
        """A token for the credentials, with what Keystone says of it."""
        kept = self._tokens.get(credentials)
        if kept and kept != refused:
            answer = self._send("GET", "/auth/tokens", None, kept, {"X-Subject-Token": kept})
            if answer.status == 200:
                return kept, dict(json.loads(answer.body)["token"])
        answer = self._send("POST", "/auth/tokens", credentials, token="")
        if answer.status in (401, 404):
            raise LoginRefused(who)
        _expect(answer, "POST", "/auth/tokens")
        token, said = answer.headers["x-subject-token"], dict(json.loads(answer.body)["token"])
        self._tokens.keep(credentials, token, said["expires_at"])
        return token, said

    @property
    def project_id(self) -> str:
        """The id of the project that the user is logged in to; empty without one."""
        self.token()
        return self._project

    def token(self, refused: str = "") -> str:
        """A token for the other APIs; another one than `refused`, which is no longer taken."""
        with self._logging_in:
            if not self._token or self._token == refused:
                self.login(refused)
            return self._token

    def try_credential(self, identity: str, secret: Hidden) -> None:
        """Log in with an application credential, to see whether it is taken; requests are made as the user still."""
        method = {"application_credential": {"id": identity, "secret": secret}}
        body = {"auth": {"identity": {"methods": ["application_credential"], **method}}}
        self._let_in(secret.in_json(body), identity)

    def get(self, path: str) -> Any:
        """The decoded answer to a GET."""
        return self._authorised("GET", path, None)

    def send(self, method: str, path: str, body: dict[str, Any] | Hidden | None = None) -> Any:
        """The decoded answer to a request that changes something."""
        return self._authorised(method, path, body)

    def _authorised(self, method: str, path: str, body: dict[str, Any] | Hidden | None) -> Any:
        token = self.token()
        answer = self._send(method, path, body, token)
        if answer.status == 401:  # the administrator's password was changed, or the token is too old
            answer = self._send(method, path, body, self.token(refused=token))
        _expect(answer, method, path)
        return json.loads(answer.body) if answer.body else None

    def _send(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | Hidden | None,
        token: str,
        more: Mapping[str, str] = MappingProxyType({}),
    ) -> HttpAnswer:
        headers = {"Content-Type": "application/json", **({"X-Auth-Token": token} if token else {}), **more}
        data = json.dumps(body).encode() if isinstance(body, dict) else body
        if time.monotonic() < self._quiet_until:
            raise KeystoneDown("it did not answer a moment ago")
        try:
            return self._host.http(method, self._url + path, headers=headers, body=data, timeout=TIMEOUT)
        except RequestRefused as error:
            self._quiet_until = time.monotonic() + QUIET
            raise KeystoneDown(error.found) from None


def _credentials(username: str, password: Hidden, project: str, domain: str) -> Hidden:
    user = {"name": username, "domain": {"name": domain}, "password": password}
    scope = {"project": {"name": project, "domain": {"id": "default"}}} if project else "unscoped"
    body = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}}
    return password.in_json(body)


def _expect(answer: HttpAnswer, method: str, path: str) -> None:
    looks = method == "GET" or path == "/auth/tokens"
    if looks and answer.status >= 500:
        raise KeystoneDown(f"HTTP {answer.status}")
    if not 200 <= answer.status < 300:
        said = answer.body.decode(errors="replace")[:500]
        raise HotstackError(f"Keystone to accept {method} {path}", f"HTTP {answer.status}: {said}")
