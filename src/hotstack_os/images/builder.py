"""Builds the images that are missing: children of a ready parent at once, never more than there are processors."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Literal

from hotstack_os.catalogue.spec import Image
from hotstack_os.errors import HotstackError
from hotstack_os.images import lock, sources
from hotstack_os.images.assemble import Assembler, read_file
from hotstack_os.images.recipe import Recipe, recipes, why_rebuild
from hotstack_os.images.store import Store


@dataclass(frozen=True)
class Event:
    """Something happened to an image. `reasons` say why it is built, `seconds` how long it took (0 at the start),
    `error` why it failed.

    "waiting", with the image "store", says that another builder is at work; it comes at most once.
    """

    kind: Literal["started", "finished", "failed", "waiting"]
    image: str
    reasons: tuple[str, ...] = ()
    seconds: float = 0.0
    error: HotstackError | None = None


Progress = Callable[[Event], None]
"""Called from several threads."""


@dataclass(frozen=True)
class ImageState:
    """An image as it is wanted. `reasons` say why it is missing; they are empty when it is present."""

    recipe: Recipe
    reasons: tuple[str, ...]

    @property
    def present(self) -> bool:
        return not self.reasons


def plan_images(images: Iterable[Image], release: lock.Lock, store: Store) -> tuple[ImageState, ...]:
    """Which images are there and why the others are to be built, parents before children. Reads only."""
    return states_of(recipes(images, release, read_file).values(), store)


def states_of(wanted: Iterable[Recipe], store: Store) -> tuple[ImageState, ...]:
    """What is there of these recipes' images. Reads only."""
    there = store.names()
    return tuple(ImageState(recipe, _reasons(recipe, store, there)) for recipe in wanted)


def build_images(
    images: Iterable[Image],
    release: lock.Lock,
    store: Store,
    *,
    mirror: str | None = None,
    progress: Progress = lambda _: None,
) -> Mapping[str, str]:
    """Build what is missing and return image name → reference.

    Raises the first HotstackError; `progress` has heard of each when it came. What was finished by then stays.
    """
    wanted = tuple(images)
    with store.locked(lambda: progress(Event("waiting", "store"))):
        states = plan_images(wanted, release, store)
        by_name = {state.recipe.image.name: state.recipe for state in states}
        assembler = Assembler(store, by_name, mirror, sources.pip_index())
        _Schedule(assembler, [state for state in states if not state.present], progress).run()
    return {name: recipe.reference for name, recipe in by_name.items()}


def _reasons(recipe: Recipe, store: Store, there: frozenset[str]) -> tuple[str, ...]:
    record = store.record(recipe.reference)
    if record and recipe.reference in there:
        return ()
    if record or recipe.reference in there:
        return ("an earlier build did not finish",)
    older = store.records(recipe.image.name)
    return why_rebuild(older[0].inputs if older else None, recipe.inputs) or ("removed from the store",)


class _Schedule:
    """The order of one run: what most others wait for comes first."""

    def __init__(self, assembler: Assembler, missing: Iterable[ImageState], progress: Progress) -> None:
        self._assembler = assembler
        self._missing = {state.recipe.image.name: state for state in missing}
        self._progress = progress
        self._needs = {name: self._needed(state.recipe) for name, state in self._missing.items()}

    def run(self) -> None:
        """Build everything; after a failure nothing new starts, and the first error is raised."""
        waiting = dict(self._missing)
        running: dict[Future[None], str] = {}
        processors = os.cpu_count() or 1
        with ThreadPoolExecutor(processors) as pool:
            while waiting or running:
                for name in self._ready(waiting, running.values())[: processors - len(running)]:
                    running[pool.submit(self._one, waiting.pop(name))] = name
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    del running[future]
                    future.result()

    def _ready(self, waiting: Iterable[str], running: Iterable[str]) -> list[str]:
        busy = {*waiting, *running}
        return sorted((name for name in waiting if not self._needs[name] & busy), key=self._dependents, reverse=True)

    def _dependents(self, name: str) -> int:
        """How many wait for the image, for those that wait for it, and so on; some are counted more than once."""
        return sum(1 + self._dependents(other) for other, needs in self._needs.items() if name in needs)

    def _needed(self, recipe: Recipe) -> set[str]:
        makers = {maker.image.name for maker in self._assembler.makers(recipe)}
        return makers | ({recipe.image.parent} if recipe.image.parent else set())

    def _one(self, state: ImageState) -> None:
        name, started = state.recipe.image.name, time.monotonic()
        self._progress(Event("started", name, state.reasons))
        try:
            self._assembler.build(state.recipe)
        except HotstackError as error:
            self._progress(Event("failed", name, seconds=time.monotonic() - started, error=error))
            raise
        self._progress(Event("finished", name, seconds=time.monotonic() - started))
