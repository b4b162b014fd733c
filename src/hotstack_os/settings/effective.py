"""Settings as they count in the end, each value with where it comes from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hotstack_os.settings import source
from hotstack_os.settings.cloud import Cloud
from hotstack_os.settings.environment import BY_KEY, overrides
from hotstack_os.settings.problems import Route, dotted
from hotstack_os.settings.releases import Remembered
from hotstack_os.settings.text import as_settings

DEFAULT = "default"


def origins(
    cloud: Cloud, path: Path | None, environ: Mapping[str, str], own: Remembered | None = None
) -> dict[str, str]:
    """Dotted key → "default", "FILE:LINE" or the environment variable's name, for every value of `as_settings(cloud)`.

    `path` and `environ` are those that the cloud was loaded from, `own` is the release that the cloud has: it counts
    where none is named.
    """
    file, above = source.read(path), overrides(environ)
    found = {dotted(route): _origin(route, file, above) for route, _ in leaves(as_settings(cloud))}
    return {**found, "release": own.where} if own and found["release"] == DEFAULT else found


def _origin(route: Route, file: source.Source, above: Mapping[Route, object]) -> str:
    if route in above:
        return BY_KEY[dotted(route)].name
    # A key whose value is nothing counts as left out, as loading has it.
    if route in file.lines and _value(file.data, route) is not None:
        return f"{file.name}:{file.lines[route]}"
    return DEFAULT


def _value(data: Any, route: Route) -> Any:
    for part in route:
        data = data.get(part) if isinstance(data, dict) else None
    return data


def leaves(data: Mapping[str, Any], above: Route = ()) -> Iterator[tuple[Route, Any]]:
    """Every value that is no mapping, with its route, in order."""
    for key, value in data.items():
        if isinstance(value, Mapping) and value:
            yield from leaves(value, (*above, key))
        else:
            yield (*above, key), value


def annotated(cloud: Cloud, where: Mapping[str, str]) -> str:
    """The settings as YAML with the origin of each value as a comment; loading the text gives an equal cloud."""
    lines = list(_lines(as_settings(cloud), (), where))
    width = min(60, max(len(text) for text, _ in lines))
    return "".join(f"{text:{width}}  # {origin}\n" if origin else f"{text}\n" for text, origin in lines)


def _lines(data: Mapping[str, Any], above: Route, where: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    margin = "  " * len(above)
    for key, value in data.items():
        route = (*above, key)
        if isinstance(value, Mapping) and value:
            yield f"{margin}{_scalar(key)}:", ""
            yield from _lines(value, route, where)
        else:
            yield f"{margin}{_scalar(key)}: {_scalar(value)}", where[dotted(route)]


def _scalar(value: Any) -> str:
    """A value on one line, quoted where it would be read as something else."""
    import yaml  # noqa: PLC0415 (costs 15 ms; most callers want only the data)

    written = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=100_000)
    return written.removesuffix("\n").removesuffix("\n...")
