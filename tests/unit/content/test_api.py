"""What an API's answers mean: the thing asked for, an error, or that nothing can be seen just now."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import pytest

from hotstack_os.bootstrap.keystone import Keystone
from hotstack_os.content.api import Api, Observer, ServiceDown
from hotstack_os.core.model import Observation, Present, Ref, Resource, Unknown
from hotstack_os.errors import HotstackError
from hotstack_os.exec import Host, HttpAnswer, RequestRefused

HERE = Resource(Ref("flavor", "small"))


@dataclass
class OneAnswer:
    """A node whose APIs give one answer, and a Keystone that gives a token."""

    status: int

    def http(self, method: str, url: str, **_: object) -> HttpAnswer:
        if not self.status:
            raise RequestRefused(f"{method} {url} to be answered", "timed out")
        return HttpAnswer(self.status, {}, json.dumps({"fault": {"message": "of the service itself"}}).encode())

    def token(self, refused: str = "") -> str:
        return f"another than {refused}"


class Looking(Observer):
    def __init__(self, api: Api) -> None:
        self.api = api

    def look(self, resources: Sequence[Resource]) -> Mapping[Ref, Observation]:
        self.api.get("compute", "/flavors")
        return {each.ref: Present({}) for each in resources}


def api(status: int) -> Api:
    node: Any = OneAnswer(status)
    return Api(cast(Host, node), cast(Keystone, node), {"compute": "http://nova/v2.1"}, "project", "user")


@pytest.mark.parametrize(
    ("status", "found"),
    [(0, "timed out"), (500, "HTTP 500: of the service itself"), (503, "HTTP 503: of the service itself")],
)
def test_what_an_ill_service_hides_is_unknown_and_not_an_error(status: int, found: str) -> None:
    seen = Looking(api(status)).observe([HERE])
    assert seen == {HERE.ref: Unknown(f"the compute API does not answer: {found}")}


@pytest.mark.parametrize("status", [403, 404, 409])
def test_a_refusal_is_an_error_and_not_illness(status: int) -> None:
    with pytest.raises(HotstackError, match=f"accept GET /flavors; found HTTP {status}: of the service itself"):
        Looking(api(status)).observe([HERE])


def test_a_change_that_a_service_fails_at_is_an_error() -> None:
    with pytest.raises(HotstackError, match="accept POST /flavors; found HTTP 500") as caught:
        api(500).send("POST", "compute", "/flavors", {})
    assert not isinstance(caught.value, ServiceDown)


def test_a_good_answer_is_seen() -> None:
    assert Looking(api(200)).observe([HERE]) == {HERE.ref: Present({})}
