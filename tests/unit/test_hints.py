"""What people are told to do can be done: every verb, option, key and document that a text of ours names is there."""

from __future__ import annotations

import argparse
import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import hotstack_os
from hotstack_os.cli.main import VERBS, verb_parser
from hotstack_os.settings.environment import HOMES, VARIABLES
from hotstack_os.settings.keys import KEYS

pytestmark = pytest.mark.xdist_group("hints")  # it reads all of our code once
ROOT = Path(hotstack_os.__file__).parent
ERRORS = {
    "HotstackError",
    "UsageError",
    "Problem",
    "Fault",
    "Unfit",
    "Finding",
    "SecretsUnusable",
    "_unusable",
    "RuntimeError",
}
COMMAND = re.compile(r"(?<!\ba )(?<!\bof )(?<![\w/-])hotstack-os ([a-z{](?:(?!  )[^\n`;,|>&)('\"])*)")
"""A command of ours, up to what ends one in a sentence."""
TOP = {key.route[0] for key in KEYS}
DOTTED = re.compile(rf"(?<![\w./-])((?:{'|'.join(sorted(TOP))})(?:\.[\w{{}}-]+)+)")
SET = re.compile(r"\b(?:[Ss]et|[Cc]orrect|[Rr]aise|Key:|Keys:) ([a-z][\w.{}-]*)")
SENTENCES = {"it", "a", "the", "file", "url", "another", "this", "that", "one", "them"}
PATH = re.compile(r"\b(docs/[\w./-]+\w|[A-Z]{3,}\.md)")
"""Words that follow "set" or "correct" and are no keys."""


@cache
def nodes(tree: ast.AST) -> tuple[ast.AST, ...]:
    """All of a module's; to walk through it is what takes the time here."""
    return tuple(ast.walk(tree))


def texts(tree: ast.AST) -> Iterator[tuple[ast.AST, str]]:
    """Every text of a module, what is put into f-strings as {}."""
    inner = {id(part) for node in nodes(tree) if isinstance(node, ast.JoinedStr) for part in ast.walk(node)}
    for node in nodes(tree):
        if isinstance(node, ast.JoinedStr):
            yield node, "".join(str(each.value) if isinstance(each, ast.Constant) else "{}" for each in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inner:
            yield node, node.value


def docstrings(tree: ast.AST) -> set[int]:
    found = set()
    for node in nodes(tree):
        for one in getattr(node, "body", []) if isinstance(getattr(node, "body", None), list) else []:
            if isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant):
                found.add(id(one.value))
    return found


@cache
def modules() -> tuple[tuple[str, ast.Module], ...]:
    paths = sorted(ROOT.rglob("*.py"))
    return tuple((str(path.relative_to(ROOT)), ast.parse(path.read_text(encoding="utf-8"))) for path in paths)


@cache
def said() -> tuple[tuple[str, str], ...]:
    return tuple(_said())


def _said() -> Iterator[tuple[str, str]]:
    """Every text that may reach a person, with where it stands."""
    for path, tree in modules():
        quiet = docstrings(tree)
        yield from ((f"{path}:{node.lineno}", text) for node, text in texts(tree) if id(node) not in quiet)  # type: ignore[attr-defined]
    yield from ((f"hotstack-os:{number}", line) for number, line in enumerate(LAUNCHER.splitlines(), 1))


LAUNCHER = (ROOT.parents[1] / "hotstack-os").read_text(encoding="utf-8")


@cache
def hints() -> tuple[tuple[str, str], ...]:
    """What stands in the texts of errors and findings, and in what is called a hint."""
    return tuple(_hints())


def _hints() -> Iterator[tuple[str, str]]:
    for path, tree in modules():
        for node in nodes(tree):
            name = node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""
            targets = (
                [each.id for each in node.targets if isinstance(each, ast.Name)] if isinstance(node, ast.Assign) else []
            )
            if name in ERRORS or any("hint" in each or "todo" in each for each in targets):
                yield from ((f"{path}:{node.lineno}", text) for _, text in texts(node))  # type: ignore[attr-defined]


def commands() -> list[tuple[str, str]]:
    return sorted({(where, found[1].strip()) for where, text in said() for found in COMMAND.finditer(text)})


@cache
def parts(verb: str) -> tuple[set[str], list[set[str]]]:
    """Options of a verb, and the choices of its arguments."""
    actions = verb_parser(verb)._actions
    nested = [each for each in actions if isinstance(each, argparse._SubParsersAction)]
    below = [option for each in nested for one in each.choices.values() for option in one._option_string_actions]
    options = {option for each in actions for option in each.option_strings} | set(below)
    return options, [set(each.choices) for each in actions if each.choices and not each.option_strings]


def wrong(command: str) -> str:
    """What is wrong with a command line that a text names; empty for nothing."""
    words = [word.rstrip(".,:") for word in command.partition(" -- ")[0].split()]
    verb = words[0]
    if verb == "{}" or verb.startswith("{"):
        return ""
    if verb not in VERBS:
        return f"no verb {verb}"
    options, choices = parts(verb)
    if verb in ("openstack", "exec"):
        return ""  # what follows is another program's
    for word in words[1:]:
        if word.startswith("-") and word != "-" and word.split("=")[0] not in options:
            return f"no option {word} of {verb}"
    plain = [word for word in words[1:] if not word.startswith("-")]
    if choices and not any(word in choices[0] for word in plain):
        return f"none of {sorted(choices[0])} in {command!r}"
    return ""


def test_there_is_something_to_look_at() -> None:
    assert len(commands()) > 60
    assert len(list(hints())) > 300


def test_every_command_that_a_text_names_is_one() -> None:
    assert [f"{where}: {fault}" for where, command in commands() if (fault := wrong(command))] == []


def test_every_key_that_a_hint_names_is_one() -> None:
    def known(text: str) -> bool:
        words = text.rstrip(".").split(".")
        routes = [key.route for key in KEYS if len(key.route) == len(words)]
        pairs = [zip(route, words, strict=True) for route in routes]
        return any(all(mine.isupper() or word in (mine, "{}") for mine, word in each) for each in pairs)

    dotted = {(where, found[1]) for where, text in hints() for found in DOTTED.finditer(text)}
    plain = {
        (where, found[1].rstrip("."))
        for where, text in hints()
        for found in SET.finditer(text)
        if found[1].rstrip(".") not in SENTENCES
    }
    named = {(where, text) for where, text in dotted | plain if not text.endswith((".yaml", ".json"))}
    assert len(named) > 10
    assert sorted(f"{where}: {text}" for where, text in named if not known(text)) == []


def test_every_document_that_a_text_names_is_there() -> None:
    named = {(where, found[1]) for where, text in said() for found in PATH.finditer(text)}
    top = ROOT.parents[1]
    assert named
    assert [each for each in named if not (top / each[1]).exists() and not (top / "docs" / each[1]).exists()] == []


def test_every_variable_that_a_text_names_is_read() -> None:
    ours = {each.name for each in VARIABLES} | {each.variable for each in HOMES}
    read = {text for _, tree in modules() for _, text in texts(tree) if re.fullmatch(r"HOTSTACK_[A-Z_]+", text)}
    named = {found for _, text in said() for found in re.findall(r"\bHOTSTACK_[A-Z_]+\b", text)}
    assert named
    assert named <= ours | read


@pytest.mark.parametrize(
    ("command", "fault"),
    [
        ("upp", "no verb upp"),
        ("up --fast", "no option --fast of up"),
        ("box begin", "none of"),
        ("box start --node {}", ""),
        ("images lock", ""),
        ("logs {} -n 50", ""),
    ],
)
def test_what_is_wrong_is_seen(command: str, fault: str) -> None:
    assert wrong(command).startswith(fault)
    assert bool(wrong(command)) == bool(fault)
