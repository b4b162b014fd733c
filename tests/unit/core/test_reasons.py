"""Why something changes, in words that a plan shows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotstack_os.core.model import Value, same
from hotstack_os.core.reasons import differences, show
from hotstack_os.hidden import Hidden

CONF = """\
# comment
[DEFAULT]
debug = false
[token]
expiration = 3600
provider = fernet
"""


def test_an_option_is_named_with_its_section() -> None:
    wanted = CONF.replace("3600", "7200").replace("debug = false\n", "")
    assert differences({"config": {"keystone.conf": CONF}}, {"config": {"keystone.conf": wanted}}) == (
        "config keystone.conf [DEFAULT] debug: false → absent",
        "config keystone.conf [token] expiration: 3600 → 7200",
    )


def test_the_same_option_in_two_sections_is_two_options() -> None:
    wanted = CONF + "[cache]\nexpiration = 1\n"
    assert differences({"text": CONF}, {"text": wanted}) == ("text [cache] expiration: absent → 1",)


def test_repeated_options_are_one_with_several_values() -> None:
    found, wanted = "[Unit]\nAfter=a\nAfter=b\n", "[Unit]\nAfter=a\nAfter=c\n"
    assert differences({"unit": found}, {"unit": wanted}) == ("unit [Unit] After: a, b → a, c",)


def test_lines_without_equals_are_their_own_name() -> None:
    assert differences({"text": "one\ntwo\n"}, {"text": "one\nthree\n"}) == (
        "text three: absent → present",
        "text two: present → absent",
    )


def test_layout_and_comments_are_called_so() -> None:
    assert differences({"text": CONF}, {"text": "; other\n\n" + CONF}) == ("text layout or comments",)


def test_many_changes_are_cut() -> None:
    found = "\n".join(f"key{number} = a" for number in range(9))
    lines = differences({"text": found}, {"text": found.replace("a", "b")})
    assert len(lines) == 7
    assert lines[-1] == "text and 3 more"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (True, "yes"), (False, "no"), (None, "nothing"), (0, "0"), ("text", "text"), ((), "nothing"),
        (("a", 1, True), "a, 1, yes"), ({"b": 1, "a": 2}, "a, b"), ({}, "nothing"), ("a\nb\n", "2 lines"),
        ("x" * 61, "x" * 59 + "…"), (Hidden("canary"), "****"), ((Hidden("canary"),), "****"),
    ],
)  # fmt: skip
def test_values_for_people(value: Value, said: str) -> None:
    assert show(value) == said


def test_a_missing_key_is_absent_and_one_too_many_is_no_difference() -> None:
    assert differences({"extra": 1}, {"mode": "0644"}) == ("mode: absent → 0644",)
    assert differences({"mode": "0644", "extra": 1}, {"mode": "0644"}) == ()


def test_a_secret_has_changed_and_no_more_is_said() -> None:
    assert differences({"password": Hidden("canary", b"k")}, {"password": Hidden("other", b"k")}) == (
        "password: secret changed",
    )
    assert differences({"password": Hidden("canary", b"k")}, {"password": "plain"}) == ("password: **** → plain",)


values: st.SearchStrategy[Value] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=8), st.builds(Hidden, st.just("canary-1"))),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(tuple), st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)
states = st.dictionaries(st.sampled_from("abc"), values, max_size=3)


@given(states, states)
def test_there_is_a_reason_exactly_where_there_is_a_difference(
    found: dict[str, Value], wanted: dict[str, Value]
) -> None:
    reasons = differences(found, wanted)
    assert bool(reasons) == (not same(wanted, found))
    assert "canary-1" not in "".join(reasons)
