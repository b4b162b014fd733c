"""What is sent to Keystone for a user."""

from __future__ import annotations

import threading
from typing import Any, cast

from hotstack_os.bootstrap.identity import (
    DOWN,
    NEVER_LOCKED,
    Access,
    IdentityHandler,
    _Change,
    _Snapshot,
    _without_known_password,
    user,
)
from hotstack_os.bootstrap.keystone import Keystone
from hotstack_os.bootstrap.tokens import Tokens
from hotstack_os.core.model import Ref, Resource, Unknown
from hotstack_os.exec import Host, RequestRefused
from hotstack_os.hidden import Fingerprint, Hidden

PASSWORD = Hidden("secret", b"key")
WANTED = user(PASSWORD, ["service@service"])


def test_a_known_password_is_not_set_again() -> None:
    """It would end the user's tokens, those of running services among them."""
    found = {**WANTED, NEVER_LOCKED: False}
    assert _without_known_password(WANTED, found) == {key: WANTED[key] for key in WANTED.keys() - {"password"}}


def test_another_or_unknown_password_is_set() -> None:
    assert _without_known_password(WANTED, {**WANTED, "password": Fingerprint("another")}) == WANTED
    assert _without_known_password(WANTED, {}) == WANTED


def test_a_role_has_no_password() -> None:
    assert _without_known_password({}, {}) == {}


class Silent:
    """A node at which Keystone, which answered a moment ago, answers no more."""

    def http(self, *_: object, **__: object) -> None:
        raise RequestRefused("an answer", "timed out")


def test_a_keystone_that_falls_silent_while_it_is_asked_is_unknown_and_no_defect() -> None:
    access = Access("http://keystone/v3", "", PASSWORD, "RegionOne", Tokens(None))
    handler = IdentityHandler(cast(Host, Silent()), access, access.admin(cast(Host, Silent())))
    account = {"id": "1", "name": "nova", "enabled": True, "options": {}}
    handler._snapshot = _Snapshot({}, {}, {}, {"nova": account}, {}, {}, ())
    wanted = Resource(Ref("identity", "user/nova", "node"), WANTED)
    assert handler.observe([wanted]) == {wanted.ref: Unknown(DOWN)}


class Regions:
    """Keystone's rule for regions: an endpoint's is one that is there, and one that is used stays (catalog/core.py)."""

    def __init__(self, *endpoints: str) -> None:
        self.regions = {"RegionOne"}
        self.endpoints = dict.fromkeys(endpoints, "RegionOne")

    def get(self, path: str) -> dict[str, Any]:
        if path == "/regions":
            return {"regions": [{"id": each} for each in self.regions]}
        region = path.removeprefix("/endpoints?region_id=")
        return {"endpoints": [each for each, its in self.endpoints.items() if its == region]}

    def send(self, method: str, path: str, body: Any = None) -> Any:
        kind, _, name = path.strip("/").partition("/")
        match method, kind:
            case "POST", "regions":
                self.regions.add(body["region"]["id"])
            case "DELETE", "regions":
                assert name not in self.endpoints.values()
                self.regions.remove(name)
            case "PATCH", "endpoints":
                assert body["endpoint"]["region_id"] in self.regions
                self.endpoints[name] = body["endpoint"]["region_id"]
                return {"endpoint": {"id": name, **body["endpoint"]}}
            case _:
                raise AssertionError((method, path))
        return None


def test_endpoints_move_into_a_region_that_is_made_and_the_old_one_goes_with_the_last() -> None:
    keystone = Regions("1", "2")
    there = {
        f"nova/{kind}": {"id": each, "region_id": "RegionOne"}
        for each, kind in zip(keystone.endpoints, ("public", "admin"), strict=True)
    }
    seen = _Snapshot({}, {}, {}, {}, {"nova": {"id": "9"}}, there, ())
    change = _Change(cast(Keystone, keystone), seen, "RegionTwo", threading.Lock())
    change.endpoint("nova/public", {"url": "http://nova", "enabled": True})
    assert keystone.regions == {"RegionOne", "RegionTwo"}
    change.endpoint("nova/admin", {"url": "http://nova", "enabled": True})
    assert keystone.regions == set(keystone.endpoints.values()) == {"RegionTwo"}
