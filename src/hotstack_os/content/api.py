"""The cloud's APIs, asked from the node as the administrator, with one token for all of them.

Requests go to a service's own address, past HAProxy, so that the node needs neither names nor a client program: the
client's imports alone take longer than all these requests together.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from hotstack_os.bootstrap.keystone import Keystone, KeystoneDown, LoginRefused
from hotstack_os.core.model import Observation, Ref, Resource, Unknown
from hotstack_os.errors import HotstackError
from hotstack_os.exec import Host, HttpAnswer, RequestRefused

COMPUTE_VERSION = "compute 2.92"
"""Shows extra specs with flavors (2.61), names a key pair's user (2.10), takes public keys only (2.92)."""
TIMEOUT = 120.0
_DOWN = frozenset({502, 503, 504})


class ServiceDown(HotstackError):
    """Nobody answers at the service's address, or only that it cannot: it is ill, or has lost what it needs itself."""


DOWN = (KeystoneDown, LoginRefused, ServiceDown)
"""What says that the APIs cannot be asked."""


def why(error: Exception) -> str:
    """One of DOWN in words."""
    match error:
        case ServiceDown():
            return f"{error.wanted} does not answer: {error.found}"
        case LoginRefused():
            return "the administrator cannot log in"
        case _:
            return "Keystone does not answer"


class Api:
    """The APIs at `urls` (service → URL with version), and the project and user that the content is for."""

    def __init__(self, host: Host, keystone: Keystone, urls: Mapping[str, str], project: str, user: str) -> None:
        self._host = host
        self.keystone = keystone
        self._urls = urls
        self.project, self.user = project, user
        self._ids: dict[str, str] = {}

    def url(self, service: str, path: str) -> str:
        """Where a request to `path` goes."""
        return self._urls[service] + path

    def get(self, service: str, path: str) -> Any:
        """The decoded answer to a GET."""
        return self.send("GET", service, path)

    def send(self, method: str, service: str, path: str, body: Any = None, content_type: str = "") -> Any:
        """The decoded answer to a request; None where it has no body. A refusal is told in the service's own words."""
        token = self.keystone.token()
        answer = self._ask(method, service, path, body, content_type, token)
        if answer.status == 401:
            answer = self._ask(method, service, path, body, content_type, self.keystone.token(refused=token))
        if answer.status in _DOWN or (method == "GET" and answer.status >= 500):
            raise ServiceDown(f"the {service} API", _said(answer))
        if not 200 <= answer.status < 300:
            raise HotstackError(f"the {service} API to accept {method} {path}", _said(answer))
        return json.loads(answer.body) if answer.body else None

    def project_id(self) -> str:
        """The id of the project; empty while there is none."""
        return self._id("project", self.project)

    def user_id(self) -> str:
        """The id of the user; empty while there is none."""
        return self._id("user", self.user)

    def forget(self) -> None:
        """Look up ids again: they belong to things that others can remove and make anew."""
        self._ids.clear()

    def _id(self, kind: str, name: str) -> str:
        if kind not in self._ids:
            found = [
                each for each in self.keystone.get(f"/{kind}s?domain_id=default")[f"{kind}s"] if each["name"] == name
            ]
            if not found:
                return ""
            self._ids[kind] = str(found[0]["id"])
        return self._ids[kind]

    def _ask(self, method: str, service: str, path: str, body: Any, content_type: str, token: str) -> HttpAnswer:
        headers = {"X-Auth-Token": token, "Content-Type": content_type or "application/json"}
        if service == "compute":
            headers["OpenStack-API-Version"] = COMPUTE_VERSION
        data = None if body is None else json.dumps(body).encode()
        try:
            return self._host.http(method, self._urls[service] + path, headers=headers, body=data, timeout=TIMEOUT)
        except RequestRefused as error:
            raise ServiceDown(f"the {service} API", error.found) from None


def _said(answer: HttpAnswer) -> str:
    """HTTP status and the message within the error, wherever the service puts it."""
    text = answer.body.decode(errors="replace")
    try:
        error = json.loads(text)
    except ValueError:
        return f"HTTP {answer.status}: {text[:500]}"
    while isinstance(error, dict):
        # Heat's has an explanation for everybody beside the error itself.
        error = error.get("message") or error.get("error") or next(iter(error.values()), "")
    return f"HTTP {answer.status}: {str(error)[:500]}"


class Looks(Protocol):
    """How a handler of this room looks at things when the APIs answer."""

    api: Api

    def look(self, resources: Sequence[Resource]) -> Mapping[Ref, Observation]:
        """An observation for each; may raise when an API does not answer."""


class Observer:
    """Turns an API that is not up into things that cannot be observed yet."""

    api: Api

    def observe(self: Looks, resources: Sequence[Resource]) -> Mapping[Ref, Observation]:
        """As `core.handler.Handler.observe`."""
        try:
            if len(resources) > 1:
                self.api.forget()
            return self.look(resources)
        except DOWN as error:
            return dict.fromkeys((each.ref for each in resources), Unknown(why(error)))
