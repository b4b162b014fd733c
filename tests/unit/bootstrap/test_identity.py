"""What is sent to Keystone for a user."""

from __future__ import annotations

from hotstack_os.bootstrap.identity import NEVER_LOCKED, _without_known_password, user
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
