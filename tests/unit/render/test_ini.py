"""Ini files: what is secret goes to a file of its own, and oslo.config's own parser reads both as they were meant."""

from __future__ import annotations

import configparser

from hotstack_os.hidden import Hidden
from hotstack_os.render import ini

SECRET = Hidden("rabbit://user:canary@host//", b"key")
SECTIONS: ini.Sections = {
    "DEFAULT": {"debug": False, "transport_url": SECRET, "workers": 2},
    "database": {"connection": Hidden("mysql://canary2", b"key")},
    "api": {"drivers": ("a", "b"), "rate": 0.5},
    "empty": {},
}


def parsed(text: str) -> dict[str, dict[str, str]]:
    parser = configparser.RawConfigParser(strict=True, default_section="none")
    parser.read_string(text)
    return {name: dict(parser[name]) for name in parser.sections()}


def test_public_options_are_written_without_the_secret_ones() -> None:
    text = ini.public(SECTIONS)
    assert text == (
        "# Written by HotStack-OS; changed through its settings.\n"
        "[DEFAULT]\ndebug = false\nworkers = 2\n"
        "\n"
        "[api]\ndrivers = a,b\nrate = 0.5\n"
    )  # fmt: skip
    assert "canary" not in text


def test_the_secret_file_holds_the_secret_options_alone() -> None:
    secret = ini.secret(SECTIONS)
    assert secret is not None
    assert parsed(secret.reveal()) == {
        "DEFAULT": {"transport_url": "rabbit://user:canary@host//"},
        "database": {"connection": "mysql://canary2"},
    }
    assert secret.fingerprint == Hidden(secret.reveal(), b"key").fingerprint


def test_both_files_together_are_everything() -> None:
    secret = ini.secret(SECTIONS)
    assert secret is not None
    public, hidden = parsed(ini.public(SECTIONS)), parsed(secret.reveal())
    assert {(name, key) for text in (public, hidden) for name in text for key in text[name]} == {
        (name, key) for name, options in SECTIONS.items() for key in options
    }
    assert not {(name, key) for name in public for key in public[name]} & {
        (name, key) for name in hidden for key in hidden[name]
    }


def test_nothing_secret_makes_no_file() -> None:
    assert ini.secret({"a": {"b": "c"}}) is None


def test_merging_lays_options_over_options() -> None:
    base: ini.Sections = {"a": {"one": 1, "two": 2}, "b": {"x": "y"}}
    over: ini.Sections = {"a": {"two": 3}, "c": {"new": True}}
    assert ini.merge(base, over) == {"a": {"one": 1, "two": 3}, "b": {"x": "y"}, "c": {"new": True}}
    assert list(ini.merge(base, over)) == ["a", "b", "c"]
    assert base == {"a": {"one": 1, "two": 2}, "b": {"x": "y"}}
    assert ini.merge(base, {}) == base


def test_a_user_may_replace_a_secret_by_a_value_of_his_own() -> None:
    merged = ini.merge({"a": {"password": SECRET}}, {"a": {"password": "mine"}})
    assert ini.secret(merged) is None
    assert "password = mine" in ini.public(merged)
