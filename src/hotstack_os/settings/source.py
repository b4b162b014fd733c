"""The settings file as plain data, with the line of every key and value.

Plain values are read as YAML 1.2's core schema would, and only where nothing is lost: `true` and `false`, numbers in
their shortest form, and texts. So `no`, `0777`, `1:30` and `2025.10` stay what the user wrote. Anchors, aliases, tags,
merge keys and second documents have no place in settings and are refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml
from yaml.composer import Composer, ComposerError
from yaml.events import AliasEvent, NodeEvent
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from yaml.parser import Parser
from yaml.reader import Reader, ReaderError
from yaml.resolver import BaseResolver
from yaml.scanner import Scanner

from hotstack_os.settings.problems import Problem, Route, dotted, printable

_DEEPEST = 20
_NOTHING = frozenset({"", "~", "null", "Null", "NULL"})
_TRUTH = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,17})(\.[0-9]{1,15})?")


@dataclass
class Source:
    """What a file says.

    Attributes:
        name: of the file, as its user wrote it.
        data: mappings, lists, texts, numbers, truth values and None; the keys of mappings are texts.
        lines: route → line of its key, from 1 (of its value for places in a list).
        problems: what is wrong with it as YAML: a syntax error, keys that come twice.
    """

    name: str = ""
    data: Any = field(default_factory=dict)
    lines: dict[Route, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def line(self, route: Route) -> int:
        """The line of a route or of the nearest key around it; 0 when the file has none of it."""
        while len(route) > 1 and route not in self.lines:
            route = route[:-1]
        return self.lines.get(route, 0)

    def complain(self, route: Route, wanted: str, found: str, hint: str = "", line: int = 0) -> None:
        """Note a problem at a line of this file."""
        line = line or self.line(route)
        where = f"{self.name}:{line}" if line else self.name
        self.problems.append(Problem(dotted(route), where, wanted, found, hint, line))


LARGEST = 1 << 20
"""Bytes of a settings file; what is longer was not written by a person, and may have no end."""


def read(path: Path | None) -> Source:
    """The contents of a settings file; an empty source for no file. What is wrong with it stands in `problems`."""
    if path is None:
        return Source()
    source = Source(str(path))
    try:
        with path.open("rb") as file:  # a pipe is taken as well, but not what has no end
            raw = file.read(LARGEST + 1)
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        source.complain((), "a text in UTF-8", f"other bytes at offset {error.start}")
    except OSError as error:
        source.complain((), "a file that can be read", (error.strerror or str(error)).lower())
    else:
        if len(raw) > LARGEST:
            source.complain((), f"at most {LARGEST >> 20} MiB of settings", "more")
        else:
            _compose(text, source)
    return source


def _compose(text: str, source: Source) -> None:
    try:
        root = _nodes(text)
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        source.complain((), "printable characters", f"the character U+{error.character:04X}", line=line)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        wanted, found = _syntax(error.problem or "something else")
        source.complain((), wanted, found, line=mark.line + 1 if mark else 0)
    else:
        source.data = {} if root is None else _value(root, (), source)
        source.data = {} if source.data is None else source.data


@lru_cache(maxsize=8)
def _nodes(text: str) -> Node | None:
    """The tree of a text, not to be changed: a command asks several times for the same file, at 25 to 40 ms each."""
    return _Reader(text).get_single_node()


def _syntax(problem: str) -> tuple[str, str]:
    """wanted and found of PyYAML's sentences: "expected X, but found Y", "found Y", "mapping values are not ..."."""
    if halves := re.fullmatch(r"(?:expected (.*?),? )?but (?:found|got) (.*)", problem):
        return f"YAML with {halves[1]}" if halves[1] else "YAML", halves[2]
    return "YAML", problem.removeprefix("found ")


class _Reader(Reader, Scanner, Parser, Composer, BaseResolver):
    """PyYAML up to its tree of nodes, without the parts of YAML that settings do not need."""

    def __init__(self, text: str) -> None:
        Reader.__init__(self, text)
        Scanner.__init__(self)
        Parser.__init__(self)
        Composer.__init__(self)
        BaseResolver.__init__(self)
        self._depth = 0

    def compose_node(self, parent: Node | None, index: int) -> Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        refused = _refused(event)
        if not refused and self._depth >= _DEEPEST:
            refused = f"more than {_DEEPEST} levels"
        if refused:
            raise ComposerError(None, None, f"expected plain settings, but found {refused}", event.start_mark)
        self._depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1


def _refused(event: NodeEvent) -> str:
    if isinstance(event, AliasEvent):
        return f"the alias *{event.anchor}"
    if event.anchor:
        return f"the anchor &{event.anchor}"
    tag = getattr(event, "tag", None)
    return f"the tag {printable(tag)}" if tag else ""


def _value(node: Node, route: Route, source: Source) -> Any:
    source.lines.setdefault(route, node.start_mark.line + 1)
    match node:
        case MappingNode():
            return _mapping(node, route, source)
        case SequenceNode():
            return [_value(item, (*route, str(place)), source) for place, item in enumerate(node.value)]
        case ScalarNode():
            return node.value if node.style else plain(node.value)
    raise AssertionError(node)


def _mapping(node: MappingNode, route: Route, source: Source) -> Mapping[str, Any]:
    values: dict[str, Any] = {}
    for key, value in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, ScalarNode):
            source.complain(route, "keys that are words", "a key with an inside of its own", line=line)
            continue
        inner = (*route, key.value)
        if key.value in values:
            found = f"it again; first on line {source.lines[inner]}"
            source.complain(inner, "each key once", found, "Remove one of the two.", line)
            continue
        source.lines[inner] = line
        values[key.value] = _value(value, inner, source)
    return values


def plain(text: str) -> Any:
    """An unquoted scalar: None, a truth value, a number whose text is its shortest form, or the text itself."""
    if text in _NOTHING:
        return None
    if text in _TRUTH:
        return _TRUTH[text]
    if number := _NUMBER.fullmatch(text):
        value = float(text) if number[2] else int(text)
        return value if str(value) == text else text
    return text
