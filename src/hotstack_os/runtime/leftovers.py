"""One-shot containers that a killed command left: none is in use by whoever holds the cloud's lock, so they end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hotstack_os.core.model import Observation, Present, Ref, Resource
from hotstack_os.core.plan import Action
from hotstack_os.exec import Command, Host
from hotstack_os.runtime.services import ONCE

KIND = "leftovers"


def none(node: str) -> Resource:
    """That there are none."""
    return Resource(Ref(KIND, "containers", node), {"left": ()}, foreign="ours")


class LeftoversHandler:
    """Of one node."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def observe(self, resources: Sequence[Resource]) -> Mapping[Ref, Observation]:
        listed = ("podman", "ps", "--all", "--format={{.Names}}", f"--filter=label={ONCE}")
        names = self._host.run(Command(listed, "list one-shot containers")).stdout.split()
        return {each.ref: Present({"left": tuple(sorted(names))}) for each in resources}

    def apply(self, action: Action) -> None:  # noqa: ARG002 (whatever is asked, they end)
        listed = ("podman", "ps", "--all", "--quiet", f"--filter=label={ONCE}")
        found = self._host.run(Command(listed, "list one-shot containers")).stdout.split()
        if found:
            self._host.run(Command(("podman", "rm", "--force", "--time=0", *found), "end what a killed command left"))
