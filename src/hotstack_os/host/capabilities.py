"""File capabilities of a program of the machine, and who may run it: as we need it while the cloud is there, given back
as it was when it goes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from hotstack_os.core.model import Absent, Observation, Present, Ref, Resource
from hotstack_os.core.plan import Action
from hotstack_os.exec import Command, FileStat, Host

CAPABILITY, RIGHTS = "file-capability", "file-rights"


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


def rights(program: str, node: str, owner: str, group: str, mode: int, needs: frozenset[Ref]) -> Resource:
    """Owner, group and mode of a program of a package, told to dpkg-statoverride(1) so that updates keep them.

    Needed by the program's capability: the kernel takes capabilities from a file that gets another owner.
    """
    wanted = f"{owner} {group} {mode:04o}"
    return Resource(Ref(RIGHTS, program, node), {"rights": wanted, "override": wanted}, needs, foreign="adopt")


class RightsHandler:
    """Programs by path. State: rights as the file has them; the override that dpkg knows, empty where there is none."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def observe(self, resources: Sequence[Resource]) -> Mapping[Ref, Observation]:
        found = self._host.stat([each.ref.name for each in resources])
        return {each.ref: self._observe(each.ref.name, found[each.ref.name]) for each in resources}

    def _observe(self, program: str, found: FileStat | None) -> Observation:
        if found is None:
            return Absent()
        rights = f"{found.owner} {found.group} {found.mode:04o}"
        return Present({"rights": rights, "override": self._override(program)})

    def _override(self, program: str) -> str:
        argv = ("dpkg-statoverride", "--list", program)
        said = self._host.run(Command(argv, f"see the override of {program}", accept=frozenset({0, 1}))).stdout
        if not said:
            return ""
        owner, group, mode, _ = said.split(maxsplit=3)  # "#990" is a number that has no name
        return f"{owner.removeprefix('#')} {group.removeprefix('#')} {int(mode, 8):04o}"

    def apply(self, action: Action) -> None:
        program, state = action.ref.name, action.resource.state
        kept = CapabilityHandler(self._host)
        power = Resource(Ref(CAPABILITY, program, action.ref.node), {})
        before = kept.observe([power])[power.ref]
        self._set_override(program, str(state["override"]))
        owner, group, mode = str(state["rights"]).split()
        self._host.run(Command(("chown", f"{owner}:{group}", program), f"set the owner of {program}"))
        self._host.run(Command(("chmod", mode, program), f"set the mode of {program}"))
        assert isinstance(before, Present)
        if before.state["capabilities"]:
            kept.apply(replace(action, resource=replace(power, state=before.state)))

    def _set_override(self, program: str, wanted: str) -> None:
        if self._override(program):
            self._host.run(Command(("dpkg-statoverride", "--remove", program), f"remove the override of {program}"))
        if wanted:
            owner, group, mode = wanted.split()
            names = (f"#{each}" if each.isdecimal() else each for each in (owner, group))
            argv = ("dpkg-statoverride", "--add", *names, mode, program)
            self._host.run(Command(argv, f"have dpkg keep the rights of {program}"))
