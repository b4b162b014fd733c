"""What a rule between settings is."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import NamedTuple

from hotstack_os.settings.problems import Route
from hotstack_os.settings.schema import Settings
from hotstack_os.settings.takes import Takes


@dataclass(frozen=True)
class World:
    """What exists around the settings. `own` is the release that the cloud has, known or not."""

    releases: Collection[str]
    services: Mapping[str, Takes]
    homes: Collection[PurePosixPath]
    own: str = ""


class Fault(NamedTuple):
    """A broken rule. It is told of the last of `keys` that the user wrote; of the last at all if none.

    A key is a route where a name in it may have dots.
    """

    keys: tuple[str | Route, ...]
    wanted: str
    found: str
    hint: str = ""


@dataclass(frozen=True)
class Rule:
    """A check and the keys that it reads."""

    keys: tuple[str, ...]
    check: Callable[[Settings, World], Iterator[Fault]]
