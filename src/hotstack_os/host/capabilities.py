"""File capabilities of a program of the machine: given while the cloud is there, taken back when it goes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hotstack_os.core.model import Observation, Present, Ref, Resource
from hotstack_os.core.plan import Action
from hotstack_os.exec import Command, Host

CAPABILITY = "file-capability"


def capability(program: str, node: str, capabilities: str, needs: frozenset[Ref] = frozenset()) -> Resource:
    """What getcap(8) shall say of a program: "cap_net_admin=ep". A package update loses it; `up` restores it."""
    return Resource(Ref(CAPABILITY, program, node), {"capabilities": capabilities}, needs, foreign="adopt")


class CapabilityHandler:
    """Programs by path."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def observe(self, resources: Sequence[Resource]) -> Mapping[Ref, Observation]:
        return {each.ref: Present({"capabilities": self._get(each.ref.name)}) for each in resources}

    def _get(self, program: str) -> str:
        """Empty where it has none."""
        said = self._host.run(Command(("getcap", program), f"see the capabilities of {program}")).stdout
        return said.removeprefix(program).strip()

    def apply(self, action: Action) -> None:
        program, wanted = action.ref.name, str(action.resource.state["capabilities"])
        argv = ("setcap", wanted, program) if wanted else ("setcap", "-r", program)
        self._host.run(Command(argv, f"set the capabilities of {program}"))
