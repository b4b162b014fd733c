"""Why something has to change, in words: the difference between two states.

Texts with `[section]` headers and `key = value` lines are compared option by option, so that a plan can say
"config keystone.conf [token] expiration: 3600 → 7200" rather than "file changed".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from hotstack_os.core.model import State, Value, same
from hotstack_os.hidden import Fingerprint, Hidden

_LONG = 60
_MANY = 6


def differences(found: State, wanted: State) -> tuple[str, ...]:
    """One line for each wanted leaf that is not as found, in the order of the keys."""
    return tuple(_mapping((), found, wanted))


def _mapping(path: tuple[str, ...], found: Mapping[str, Value], wanted: Mapping[str, Value]) -> Iterator[str]:
    for key in sorted(wanted):
        if key not in found:
            yield f"{_name((*path, key))}: absent → {show(wanted[key])}"
        elif not same(wanted[key], found[key]):
            yield from _value((*path, key), found[key], wanted[key])


def _value(path: tuple[str, ...], found: Value, wanted: Value) -> Iterator[str]:
    if isinstance(found, Mapping) and isinstance(wanted, Mapping):
        yield from _mapping(path, found, wanted)
    elif isinstance(found, str) and isinstance(wanted, str) and "\n" in found + wanted:
        yield from _some(_name(path), list(_texts(found, wanted)))
    elif isinstance(wanted, Hidden | Fingerprint):
        yield f"{_name(path)}: secret changed"
    else:
        yield f"{_name(path)}: {show(found)} → {show(wanted)}"


def _some(name: str, changes: list[str]) -> Iterator[str]:
    for change in changes[:_MANY]:
        yield f"{name} {change}"
    if len(changes) > _MANY:
        yield f"{name} and {len(changes) - _MANY} more"


def _texts(found: str, wanted: str) -> Iterator[str]:
    before, after = _options(found), _options(wanted)
    for key in sorted(before.keys() | after.keys()):
        if before.get(key) != after.get(key):
            yield f"{key}: {show(before.get(key, 'absent'))} → {show(after.get(key, 'absent'))}"
    if before == after:
        yield "layout or comments"


def _options(text: str) -> dict[str, str]:
    """`[section] key` → value of an ini-like text; lines without '=' are their own key, repeated ones are counted."""
    section, options = "", dict[str, str]()
    for line in text.splitlines():
        stripped = line.strip()
        if not stripped or stripped.startswith(("#", ";")):
            continue
        if stripped.startswith("[") and stripped.endswith("]"):
            section = stripped
            continue
        key, equals, value = stripped.partition("=")
        name = f"{section} {key.strip()}".strip() if equals else f"{section} {stripped}".strip()
        new = value.strip() if equals else "present"
        options[name] = f"{options[name]}, {new}" if name in options else new
    return options


def show(value: Value) -> str:
    """A value for people, shortened; secrets masked."""
    match value:
        case str():
            text = value if "\n" not in value else f"{len(value.splitlines())} lines"
        case tuple():
            text = ", ".join(show(one) for one in value) or "nothing"
        case Mapping():
            text = ", ".join(sorted(value)) or "nothing"
        case None:
            text = "nothing"
        case bool():
            text = "yes" if value else "no"
        case _:
            text = str(value)
    return text if len(text) <= _LONG else text[: _LONG - 1] + "…"


def _name(path: tuple[str, ...]) -> str:
    return " ".join(path)
