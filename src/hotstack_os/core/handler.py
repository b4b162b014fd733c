"""What the core asks of those who know the world."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from typing import Protocol

from hotstack_os.core.loss import Loss, nothing
from hotstack_os.core.model import Observation, Ref, Resource
from hotstack_os.core.plan import Action
from hotstack_os.errors import HotstackError


class Handler(Protocol):
    """Knows one kind of thing on one node."""

    def observe(self, resources: Sequence[Resource]) -> Mapping[Ref, Observation]:
        """An observation for each of the resources; changes nothing.

        A resource that is only owned, no longer wanted, comes with an empty state.
        """

    def apply(self, action: Action) -> None:
        """Carry out a create, update, remove or restore; on return it is done, or an error was raised."""


Key = tuple[str, str]
"""(node, kind)"""


class World:
    """All handlers, and what would be lost by their actions. Observing asks them at the same time, each once."""

    def __init__(self, handlers: Mapping[Key, Handler], loss: Loss = nothing) -> None:
        self._handlers = dict(handlers)
        self.loss = loss

    def handler(self, ref: Ref) -> Handler:
        """Who knows this kind of thing on this node."""
        try:
            return self._handlers[ref.node, ref.kind]
        except KeyError:
            raise HotstackError(f"a handler for {ref}", "none is registered") from None

    def observe(self, resources: Iterable[Resource]) -> dict[Ref, Observation]:
        """An observation of every resource."""
        ordered = sorted(resources, key=lambda each: (each.ref.node, each.ref.kind, each.ref.name))
        groups = [list(group) for _, group in groupby(ordered, key=lambda each: (each.ref.node, each.ref.kind))]
        if not groups:
            return {}
        with ThreadPoolExecutor(len(groups), thread_name_prefix="observe") as pool:
            answers = list(pool.map(lambda group: self.handler(group[0].ref).observe(group), groups))
        return {ref: observation for answer in answers for ref, observation in answer.items()}
