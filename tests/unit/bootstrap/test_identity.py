"""What is sent to Keystone for a user."""

from __future__ import annotations

from typing import cast

from hotstack_os.bootstrap.identity import (
    DOWN,
    NEVER_LOCKED,
    Access,
    IdentityHandler,
    _Snapshot,
    _without_known_password,
    user,
)
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
