"""Every key that a settings file can have, read off the models: for error messages and for the documentation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, get_args, get_origin

from pydantic.fields import FieldInfo

from hotstack_os.settings.environment import BY_KEY
from hotstack_os.settings.problems import Route, closest, dotted
from hotstack_os.settings.schema import Kind, OptionName, OptionValue, Section, SectionName, Settings

_WILD = frozenset({"SERVICE", "SECTION", "OPTION", "PLACE"})
_OPTION = ("services", "SERVICE", "config", "SECTION", "OPTION")


@dataclass(frozen=True)
class Key:
    """One key.

    Attributes:
        route: the way to it; words in capitals stand for names that the user chooses.
        kind: what its value is, as a noun phrase.
        default: as text; for what follows from other settings, how it follows.
        variable: the environment variable that overrides it; empty for none.
        description: what it is for.
        children: names of the keys below it.
    """

    route: Route
    kind: str
    default: str
    variable: str
    description: str
    children: tuple[str, ...] = ()

    def matches(self, route: Sequence[str]) -> bool:
        """Whether a concrete route is an instance of this key."""
        pairs = zip(self.route, route, strict=False)
        return len(route) == len(self.route) and all(mine in (_WILD | {theirs}) for mine, theirs in pairs)


def _walk(model: type[Section], above: Route) -> Iterator[Key]:
    for name, field in model.model_fields.items():
        route = (*above, field.alias or name)
        inner = _model(field.annotation)
        below = tuple(_walk(inner, (*route, "SERVICE") if route == ("services",) else route)) if inner else ()
        yield _key(route, field, _names(inner) if inner and route != ("services",) else ())
        if route == _OPTION[:3]:
            yield from _options()
        if inner and route == ("services",):
            kind = _mapping(_names(inner))
            yield Key((*route, "SERVICE"), kind, "nothing", "", "Settings of one service.", _names(inner))
        yield from below


def _key(route: Route, field: FieldInfo, children: tuple[str, ...]) -> Key:
    variable = BY_KEY[dotted(route)].name if dotted(route) in BY_KEY else ""
    kind = _mapping(children) if children else _kind(field)
    return Key(route, kind, _default(field, children), variable, field.description or "", children)


def _mapping(children: tuple[str, ...]) -> str:
    return f"a mapping with keys from {', '.join(children)}"


def _names(model: type[Section]) -> tuple[str, ...]:
    return tuple(field.alias or name for name, field in model.model_fields.items())


def _model(annotation: Any) -> type[Section] | None:
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return annotation
    found = (_model(part) for part in get_args(annotation))
    return next((model for model in found if model), None)


def _kind(field: FieldInfo) -> str:
    own = [item.text for item in field.metadata if isinstance(item, Kind)]
    if own:
        return own[0]
    inner = _annotated(field.annotation)
    if list in (get_origin(part) for part in get_args(field.annotation)):
        return "a list of IPv4 addresses"
    return "a mapping" if get_origin(field.annotation) is dict else inner


def _annotated(annotation: Any) -> str:
    for part in get_args(annotation):
        if isinstance(part, Kind):
            return part.text
        if inner := _annotated(part):
            return inner
    return ""


def _default(field: FieldInfo, children: tuple[str, ...]) -> str:
    extra = field.json_schema_extra
    if isinstance(extra, dict) and "x-derived" in extra:
        return str(extra["x-derived"])
    if children or field.default_factory is not None:
        return "nothing"
    value = field.default
    return f"[{', '.join(map(str, value))}]" if isinstance(value, tuple) else str(value)


def _options() -> Iterator[Key]:
    yield Key(_OPTION[:4], "a mapping of options", "nothing", "", "A section of the configuration file.")
    yield Key(_OPTION, _annotated(OptionValue), "nothing", "", "An option and its value.")


NAMES = {4: _annotated(SectionName), 5: _annotated(OptionName)}
"""What a name chosen by the user is, by the length of its route."""

ROOT = Key((), _mapping(_names(Settings)), "nothing", "", "Settings of one cloud.", _names(Settings))
KEYS: tuple[Key, ...] = (
    *_walk(Settings, ()),
    Key(("dns_servers", "PLACE"), "an IPv4 address", "nothing", "", "One resolver."),
)


def find(route: Sequence[str]) -> Key | None:
    """The key of which a route is an instance."""
    return next((key for key in (ROOT, *KEYS) if key.matches(route)), None)


def nearest(route: Sequence[str]) -> str:
    """A hint for a key that does not exist: a neighbour of a similar name, or the same name at another place."""
    around = find(route[:-1])
    children = around.children if around else ()
    if hint := closest(route[-1], children):
        return hint
    elsewhere = [dotted(key.route) for key in KEYS if key.route[-1] == route[-1]]
    return f"Did you mean {elsewhere[0]}?" if elsewhere else f"Known here: {', '.join(children)}." if children else ""
