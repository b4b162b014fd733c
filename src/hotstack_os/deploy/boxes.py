"""The first node's box as a resource of the operator's machine: made and booted by `up`, and a line of its plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hotstack_os.core.model import Absent, Observation, Present, Ref, Resource
from hotstack_os.core.plan import Action
from hotstack_os.deploy.machine import BOOT_SECONDS, Machine
from hotstack_os.settings.cloud import Cloud

BOX = "box"


def resources(cloud: Cloud) -> dict[Ref, Resource]:
    """What shall be on the operator's machine. A box in the cloud's state directory is ours, whoever recorded it."""
    if cloud.target != "box":
        return {}
    ref = Ref(BOX, cloud.name)
    return {ref: Resource(ref, {"running": True}, foreign="ours")}


class BoxHandler:
    """The box of one cloud."""

    def __init__(self, cloud: Cloud) -> None:
        self._machine = Machine(cloud)

    def observe(self, resources: Sequence[Resource]) -> Mapping[Ref, Observation]:
        return {each.ref: self._observe() for each in resources}

    def _observe(self) -> Observation:
        status = self._machine.box.state().status
        return Absent() if status == "absent" else Present({"running": status == "running"})

    def apply(self, action: Action) -> None:
        if action.verb == "remove":
            self._machine.box.remove()
            return
        self._machine.box.create()
        self._machine.box.boot(BOOT_SECONDS)
