"""Environment variables that stand above the settings file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from hotstack_os.settings.problems import Problem, Route, dotted, show
from hotstack_os.settings.values import Unfit, directory


@dataclass(frozen=True)
class Variable:
    """An environment variable: the key that it overrides, and how its text becomes what the file would hold."""

    name: str
    route: Route
    read: Callable[[str], object] = str


def _number(text: str) -> object:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else text


VARIABLES = (
    Variable("HOTSTACK_NAME", ("name",)),
    Variable("OPENSTACK_RELEASE", ("release",)),
    Variable("REGION_NAME", ("region",)),
    Variable("GLOBAL_PHYSNET_MTU", ("networks", "mtu"), _number),
    Variable("HOTSTACK_DATA_DIR", ("paths", "data")),
    Variable("NOVA_INSTANCES_PATH", ("paths", "instances")),
    Variable("CINDER_NFS_EXPORT_DIR", ("paths", "volumes")),
    Variable("NOVA_NFS_MOUNT_POINT_BASE", ("paths", "mounts")),
)

BY_KEY = {dotted(variable.route): variable for variable in VARIABLES}


@dataclass(frozen=True)
class Home:
    """A directory of the operator's machine; set by an environment variable and by nothing else."""

    variable: str
    default: Path
    description: str


STATE = Home(
    "HOTSTACK_STATE_DIR",
    Path("/var/lib/hotstack-os-clouds"),
    "Where clouds have their secrets, journals, generations and clouds.yaml: a directory for each, by its name.",
)
CACHE = Home(
    "HOTSTACK_CACHE_DIR",
    Path("/var/cache/hotstack-os"),
    "Root file systems, images and locked environments, shared by all clouds of the machine.",
)
HOMES = (STATE, CACHE)


def overrides(environ: Mapping[str, str]) -> dict[Route, object]:
    """What the environment says, as the file would say it. A variable that is set to nothing says nothing."""
    return {variable.route: variable.read(text) for variable in VARIABLES if (text := environ.get(variable.name, ""))}


def home(which: Home, environ: Mapping[str, str], problems: list[Problem]) -> Path:
    """The directory that the environment gives, else the default; a mistake is added to `problems`."""
    text = environ.get(which.variable, "")
    if not text:
        return which.default
    try:
        return Path(directory(text))
    except Unfit as unfit:
        where = f"environment variable {which.variable}"
        problems.append(Problem("", where, unfit.wanted, unfit.found or show(text), unfit.hint))
        return which.default
