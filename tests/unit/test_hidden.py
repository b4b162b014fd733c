"""A secret is not shown, whatever is done to it short of `reveal`."""

from __future__ import annotations

import copy
import json
import logging
import pickle
import pprint
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import NoReturn

import pytest

from hotstack_os.exec import Command
from hotstack_os.hidden import Fingerprint, Hidden, fingerprint

TEXT = "canary-19c2"
SECRET = Hidden(TEXT, b"key")


@dataclass(frozen=True)
class Holder:
    password: Hidden


def raised() -> str:
    """A traceback with the values of all local variables."""

    def fail(secret: Hidden) -> NoReturn:
        raise ValueError(secret, Holder(secret))

    try:
        fail(SECRET)
    except ValueError as error:
        return "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())


def failing_assert() -> str:
    with pytest.raises(AssertionError) as caught:
        assert Hidden("a") == SECRET, f"{SECRET!r}"
    return str(caught.value)


SHOWN: dict[str, Callable[[], object]] = {
    "str": lambda: str(SECRET),
    "repr": lambda: repr(SECRET),
    "f-string": lambda: f"{SECRET} {SECRET!r} {SECRET!s} {SECRET!a} {SECRET:>20}",
    "percent": lambda: "%s %r" % (SECRET, SECRET),  # noqa: UP031
    "format": lambda: "{0} {0!r}".format(SECRET),  # noqa: UP032
    "containers": lambda: f"{[SECRET]} {(SECRET,)} { {'a': SECRET} }",
    "dataclass": lambda: f"{Holder(SECRET)} {asdict(Holder(SECRET))}",
    "command": lambda: repr(Command(("true",), stdin=SECRET)),
    "pprint": lambda: pprint.pformat({"a": [SECRET]}),
    "json default": lambda: json.dumps({"a": SECRET}, default=str),
    "log": lambda: logging.LogRecord("n", 10, "p", 1, "%s %r", (SECRET, SECRET), None).getMessage(),
    "traceback": raised,
    "assertion": failing_assert,
    "fingerprint": lambda: f"{SECRET.fingerprint} {SECRET.fingerprint!r}",
    "derived": lambda: f"{SECRET.derive('mysql://user:', '@host')} {SECRET.around('x ' + TEXT)!r}",
    "directory": lambda: [name for name in dir(SECRET) if TEXT in name],
}


@pytest.mark.parametrize("way", SHOWN)
def test_no_way_of_showing_shows_it(way: str) -> None:
    shown = str(SHOWN[way]())
    assert TEXT not in shown
    assert len(shown) > 1


def test_its_fields_are_not_laid_open() -> None:
    with pytest.raises(TypeError):
        vars(SECRET)
    assert asdict(Holder(SECRET))["password"] is SECRET


@pytest.mark.parametrize(
    "leave", [pickle.dumps, json.dumps, copy.copy, "".join, bytes, iter, len], ids=lambda each: each.__name__
)
def test_it_leaves_the_process_by_reveal_alone(leave: Callable[[object], object]) -> None:
    with pytest.raises(TypeError) as caught:
        leave(SECRET)
    assert TEXT not in str(caught.value)
    with pytest.raises(TypeError):
        "text" + SECRET  # type: ignore[operator]


def test_what_looks_like_a_mark_stays_what_it_is() -> None:
    """A user's value, a region for instance, may be any text: no secret comes into it."""
    assert SECRET.derive("region={} password=", " {}").reveal() == f"region={{}} password={TEXT} {{}}"
    assert json.loads(SECRET.in_json({"region": "{}", "password": SECRET}).reveal())["region"] == "{}"


def test_what_has_no_form_in_json_is_refused() -> None:
    with pytest.raises(TypeError, match="set has no form in JSON"):
        SECRET.in_json({"a": {1}})


def test_reveal_gives_the_text() -> None:
    assert SECRET.reveal() == TEXT
    assert SECRET.derive("a:", "@b").reveal() == f"a:{TEXT}@b"
    assert SECRET.in_json({"a": [SECRET, 1]}).reveal() == json.dumps({"a": [TEXT, 1]})
    assert SECRET.around("whole").reveal() == "whole"


def test_secrets_are_compared_under_their_key() -> None:
    assert Hidden(TEXT, b"key") == SECRET
    assert Hidden(TEXT, b"another key") != SECRET
    assert Hidden("other", b"key") != SECRET
    assert SECRET != TEXT
    assert SECRET == SECRET.fingerprint == fingerprint(TEXT.encode(), b"key")
    assert len({SECRET, Hidden(TEXT, b"key"), Hidden("other", b"key")}) == 2
    assert copy.deepcopy(SECRET) == SECRET


def test_a_fingerprint_depends_on_text_and_key() -> None:
    prints = {fingerprint(text, key).digest for text in ("a", "b") for key in (b"", b"k")}
    assert len(prints) == 4
    assert {len(each) for each in prints} == {32}
    assert isinstance(SECRET.derive("x").fingerprint, Fingerprint)
    assert SECRET.derive("").fingerprint == SECRET.fingerprint
