"""From the user's file and environment to a `Cloud`, or to one error that lists every mistake."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from hotstack_os.settings import derived, keys, source
from hotstack_os.settings.cloud import Cloud, ServiceSettings
from hotstack_os.settings.environment import BY_KEY, CACHE, STATE, home, overrides
from hotstack_os.settings.problems import Problem, Route, SettingsError, dotted, show
from hotstack_os.settings.releases import Remembered, releases
from hotstack_os.settings.rule import Fault, World
from hotstack_os.settings.rules import RULES
from hotstack_os.settings.schema import Settings
from hotstack_os.settings.source import Source
from hotstack_os.settings.takes import Takes
from hotstack_os.settings.values import Unfit

RELEASE: Route = ("release",)
FORMER: tuple[Route, ...] = (("services",), ("content",))
"""What cannot be meant in settings of a former version here says neither what a cloud is nor where."""


def load(
    path: Path | None,
    environ: Mapping[str, str],
    known_services: Mapping[str, Takes],
    known_releases: Collection[str] | None = None,
    own: Callable[[Path], Remembered | None] = lambda _: None,
    *,
    former: bool = False,
) -> Cloud:
    """The cloud that a settings file and the environment describe; environment variables win.

    `path` None means no file: defaults only. `known_releases` None means those that come with this program. `own`
    tells which release the cloud with a state directory has: it counts where nothing names one, known or not. Of
    `former` settings, by which a cloud was made, what is a mistake by now is left out, where the cloud is the same
    without it: below services and content. Raises `SettingsError` with every mistake. Reads the file, asks `own`, and
    nothing else; writes nothing.
    """
    reading = _Reading(source.read(path), overrides(environ), FORMER if former else ())
    settings = reading.settings()
    state, cache = (home(which, environ, reading.problems) for which in (STATE, CACHE))
    known = releases() if known_releases is None else known_releases
    said = reading.says(RELEASE)
    # One that nobody can build is no mistake where it is the cloud's: it can be looked at, and taken away.
    remembered = None if said and settings.release in known else own(state / settings.name)
    if remembered and not said:
        reading.remember(RELEASE, remembered.release, remembered.where)
        settings = reading.settings()
    homes = [PurePosixPath(place) for place in (state, cache)]
    world = World(tuple(known), known_services, homes, remembered.release if remembered else "")
    while reading.judge(settings, world):
        settings = reading.settings()
    if reading.problems:
        raise SettingsError(reading.problems)
    return assemble(settings, state / settings.name, cache)


def assemble(settings: Settings, state: Path, cache: Path) -> Cloud:
    """A `Cloud` of sound settings."""
    services = {
        name: ServiceSettings(_frozen({section: _frozen(options) for section, options in said.config.items()}),
                              said.workers, said.threads)
        for name, said in settings.services.items()
    }  # fmt: skip
    networks = derived.networks(settings.networks)
    return Cloud(
        name=settings.name,
        target=settings.target,
        release=settings.release,
        region=settings.region,
        domain=settings.domain,
        networks=networks,
        paths=derived.paths(settings.paths),
        ports=_frozen(settings.ports.model_dump(by_alias=True)),
        services=_frozen(services),
        nodes=derived.nodes(settings.nodes, networks),
        dns_servers=None if settings.dns_servers is None else tuple(settings.dns_servers),
        state=state,
        cache=cache,
        debian_mirror=settings.mirrors.debian,
        content=derived.content(settings.content),
        patience=settings.patience,
    )


def _frozen(mapping: dict[str, Any]) -> Mapping[str, Any]:
    return MappingProxyType(dict(mapping))


class _Reading:
    """One reading of a file under an environment: what is still to be validated, and what was found wrong."""

    def __init__(self, file: Source, above: dict[Route, object], lenient: Collection[Route] = ()) -> None:
        self._file = file
        self._lenient = lenient
        self._above = above
        self._overridden = frozenset(above)
        self._remembered: dict[Route, str] = {}
        self._bad: set[str] = {problem.key for problem in file.problems}
        self.problems: list[Problem] = file.problems

    def says(self, route: Route) -> bool:
        """Whether file or environment give a value; nothing is none."""
        data = self._merged()
        for part in route:
            data = data.get(part) if isinstance(data, Mapping) else None
        return data is not None

    def remember(self, route: Route, value: object, where: str) -> None:
        """Have a value count that is written neither in the file nor in the environment, but at `where`."""
        self._above[route] = value
        self._remembered[route] = where

    def settings(self) -> Settings:
        """The settings, with defaults in the place of values that are noted as problems.

        Each round drops what the models refuse and validates the rest again, until all that remains is sound.
        """
        while True:
            merged = self._merged()
            try:
                return Settings.model_validate(merged)
            except ValidationError as refused:
                for error in refused.errors(include_url=False):
                    self._note(error, merged)

    def judge(self, settings: Settings, world: World) -> bool:
        """Apply the rules between settings, each where all that it reads is sound.

        True where a value was left out for it, and what remains is to be judged instead.
        """
        for rule in RULES:
            if not any(self._is_bad(key) for key in rule.keys):
                for fault in rule.check(settings, world):
                    if self._blame(fault):
                        return True
        return False

    def _merged(self) -> Any:
        data = self._file.data
        if not isinstance(data, dict):
            return data
        for route, value in self._above.items():
            data = _laid(data, route, value)
        return data

    def _note(self, error: ErrorDetails, merged: Any) -> None:
        place = tuple(str(part) for part in error["loc"] if part != "[key]")
        route, value = _concrete(merged, place)
        if not self._may_be_left_out(route):
            self._complain(route, *_words(error, route, value))
        self._above.pop(route, None)
        self._file.data = _without(self._file.data, route)

    def _blame(self, fault: Fault) -> bool:
        """Note a fault; True where the value was left out instead."""
        routes = [_route(key) for key in fault.keys]
        if needless := [each for each in routes if self._may_be_left_out(each)]:
            self._file.data = _without(self._file.data, needless[-1])
            return True
        route = ([each for each in routes if self._written(each)] or routes)[-1]
        if not self._is_bad(dotted(route)):
            self._complain(route, fault.wanted, fault.found, fault.hint)
        return False

    def _may_be_left_out(self, route: Route) -> bool:
        """Whether a value is in the file, is not left out yet, and is at a place where a former one may be."""
        return route[:1] in self._lenient and _concrete(self._file.data, route)[0] == route

    def _complain(self, route: Route, wanted: str, found: str, hint: str) -> None:
        line = 0
        if route in self._overridden:
            where = f"environment variable {BY_KEY[dotted(route)].name}"
        elif route in self._remembered:
            where = self._remembered[route]
        elif line := self._file.line(route):
            where = f"{self._file.name}:{line}"
        else:
            where = "default"
        self.problems.append(Problem(dotted(route), where, wanted, found, hint, line))
        self._bad.add(dotted(route))

    def _written(self, route: Route) -> bool:
        return route in self._overridden or route in self._file.lines

    def _is_bad(self, key: str) -> bool:
        return any(key == bad or key.startswith(f"{bad}.") for bad in self._bad if bad)


def _route(key: str | Route) -> Route:
    """The route of a rule's key."""
    return tuple(key.split(".")) if isinstance(key, str) else key


def _laid(data: Mapping[str, Any], route: Route, value: object) -> dict[str, Any]:
    """`data` with a value at a route. What stands in the way and is no mapping stays, to be refused for itself."""
    head, *rest = route
    if not rest:
        return {**data, head: value}
    inner = data.get(head)
    if inner is None or isinstance(inner, Mapping):
        return {**data, head: _laid(inner or {}, tuple(rest), value)}
    return dict(data)


def _without(data: Any, route: Route) -> Any:
    """`data` without what is at a route. A list with a bad place goes whole, so that the others keep their numbers."""
    if not route:
        return {}
    head, *rest = route
    if isinstance(data, list):
        return None
    if not isinstance(data, dict) or head not in data:
        return data
    if not rest:
        return {key: value for key, value in data.items() if key != head}
    return {**data, head: _without(data[head], tuple(rest))}


def _concrete(data: Any, place: Route) -> tuple[Route, Any]:
    """As much of a place as exists in the data, and the value there."""
    route: Route = ()
    for part in place:
        if isinstance(data, dict) and part in data:
            data = data[part]
        elif isinstance(data, list) and part.isdigit() and int(part) < len(data):
            data = data[int(part)]
        else:
            break
        route = (*route, part)
    return route, data


def _words(error: ErrorDetails, route: Route, value: Any) -> tuple[str, str, str]:
    """wanted, found, hint."""
    if error["type"] == "extra_forbidden":
        return "a key that exists", repr(route[-1]), keys.nearest(route)
    if "[key]" in error["loc"]:
        return keys.name_kind(route), repr(route[-1]), ""
    key = keys.find(route)
    kind = key.kind if key else "another value"
    found = "a single value" if _may_be_secret(route, value) else show(value)
    hint = _quote_hint(kind, value)
    unfit = error.get("ctx", {}).get("error")
    if isinstance(unfit, Unfit):
        return unfit.wanted or kind, unfit.found or found, unfit.hint or hint
    return kind, found, hint


def _may_be_secret(route: Route, value: Any) -> bool:
    """Whether a value may be a password that its user put into a service's options."""
    in_config = route[:1] == ("services",) and route[2:3] == ("config",)
    return isinstance(value, str | int | float) if in_config else route[:1] == ("services",) and isinstance(value, str)


def _quote_hint(kind: str, value: Any) -> str:
    numeric = isinstance(value, bool | int | float)
    return "Put it into quotes to make it a text." if numeric and kind.startswith(("a name", "a region")) else ""
