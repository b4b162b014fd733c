"""Every key that a settings file can have, read off the models: for error messages and for the documentation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, get_args, get_origin

from pydantic.fields import FieldInfo

from hotstack_os.settings.content_schema import Ingress, PropertyName, PropertyValue, ThingName
from hotstack_os.settings.environment import BY_KEY
from hotstack_os.settings.problems import Route, closest, dotted
from hotstack_os.settings.schema import Name, OptionName, OptionValue, SectionName, Settings
from hotstack_os.settings.section import Kind, Section

_OPTION = ("services", "SERVICE", "config", "SECTION", "OPTION")
_CHOSEN: dict[Route, str] = {
    ("services",): "SERVICE",
    ("nodes",): "NODE",
    ("content", "flavors"): "FLAVOR",
    ("content", "images"): "IMAGE",
}
"""Mappings whose keys the user chooses, and what stands for such a key."""
_WILD = frozenset({*_CHOSEN.values(), "SECTION", "OPTION", "PROPERTY", "PLACE"})


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
        inner, chosen = _model(field.annotation), _CHOSEN.get(route)
        yield _key(route, field, _names(inner) if inner and not chosen else ())
        if route == _OPTION[:3]:
            yield from _options()
        if route[-1] == "properties":
            yield Key((*route, "PROPERTY"), _annotated(PropertyValue), "nothing", "", "A property and its value.")
        if inner and chosen:
            kind = _mapping(_names(inner))
            yield Key((*route, chosen), kind, "nothing", "", f"Settings of one {chosen.lower()}.", _names(inner))
        if inner:
            yield from _walk(inner, (*route, chosen) if chosen else route)


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
    shapes = {get_origin(part) for part in (field.annotation, *get_args(field.annotation))}
    if list in shapes:
        found = _item(field.annotation)
        return f"a list of {found.many or found.text}" if found else "a list"
    return "a mapping" if dict in shapes else _annotated(field.annotation)


def _annotated(annotation: Any) -> str:
    found = _item(annotation)
    return found.text if found else ""


def _item(annotation: Any) -> Kind | None:
    """The kind of the first value inside a type."""
    for part in get_args(annotation):
        found = part if isinstance(part, Kind) else _item(part)
        if found:
            return found
    return None


def _default(field: FieldInfo, children: tuple[str, ...]) -> str:
    extra = field.json_schema_extra
    if isinstance(extra, dict) and "x-derived" in extra:
        return str(extra["x-derived"])
    if children or field.default_factory is not None:
        return "nothing"
    value = field.default
    if isinstance(value, bool):
        return str(value).lower()
    return f"[{', '.join(map(str, value))}]" if isinstance(value, tuple) else str(value)


def _options() -> Iterator[Key]:
    yield Key(_OPTION[:4], "a mapping of options", "nothing", "", "A section of the configuration file.")
    yield Key(_OPTION, _annotated(OptionValue), "nothing", "", "An option and its value.")


def name_kind(route: Route) -> str:
    """What a name chosen by the user, at the end of `route`, is."""
    if route[0] == "services":
        return _annotated(SectionName if len(route) == len(_OPTION) - 1 else OptionName)
    if route[0] == "nodes":
        return _annotated(Name)
    return _annotated(PropertyName if "properties" in route else ThingName)


ROOT = Key((), _mapping(_names(Settings)), "nothing", "", "Settings of one cloud.", _names(Settings))
KEYS: tuple[Key, ...] = (
    *_walk(Settings, ()),
    Key(("dns_servers", "PLACE"), "an IPv4 address", "nothing", "", "One resolver."),
    Key(("content", "roles", "PLACE"), _annotated(ThingName), "nothing", "", "One role."),
    Key(("content", "ingress", "PLACE"), _annotated(Ingress), "nothing", "", "One protocol with its ports."),
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
