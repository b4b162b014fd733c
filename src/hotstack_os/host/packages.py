"""Debian packages that a node needs: one thing for all, since one transaction installs them and one takes them away."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from hotstack_os.core.model import Observation, Present, Ref, Resource, State
from hotstack_os.core.plan import Action
from hotstack_os.exec import Command, CommandFailed, Host

PACKAGE, NAME = "packages", "debian"
_QUIET = {"DEBIAN_FRONTEND": "noninteractive", "NEEDRESTART_MODE": "l"}
"""Nobody is there to be asked, and nobody else's services are restarted."""
_OPTIONS = (
    "--yes",
    "-o",
    "DPkg::Lock::Timeout=600",
    # Configuration that is there already is somebody's.
    "-o",
    "Dpkg::Options::=--force-confdef",
    "-o",
    "Dpkg::Options::=--force-confold",
)
_CHANGES = re.compile(r"^(?:Inst|Remv|Purg) (\S+)", re.MULTILINE)


def packages(names: Iterable[str], node: str) -> Resource:
    """Installed packages. Those that were there before stay, and so do those that somebody else's package needs."""
    return Resource(Ref(PACKAGE, NAME, node), {"installed": dict.fromkeys(names, True)}, foreign="adopt")


@dataclass(frozen=True)
class Leave:
    """What goes when packages are given back, and what stays though it is ours: package → whom it stays for."""

    going: tuple[str, ...]
    staying: Mapping[str, tuple[str, ...]]


class PackageHandler:
    """Seen by dpkg-query, changed by apt-get: what is missing in one transaction, what was missing in one.

    What was there at the first change is remembered with all its names, so that what came along later is known.
    """

    def __init__(self, host: Host, wanted: Sequence[str]) -> None:
        self._host = host
        self._wanted = tuple(wanted)

    def observe(self, resources: Sequence[Resource]) -> Mapping[Ref, Observation]:
        there, left = self._installed()
        return {each.ref: Present(self._state(each, there, left)) for each in resources}

    def _state(self, resource: Resource, there: AbstractSet[str], left: AbstractSet[str]) -> State:
        asked = resource.state.get("installed", dict.fromkeys(self._wanted))
        assert isinstance(asked, Mapping)
        return {
            "installed": {name: name in there for name in asked},
            "there": " ".join(sorted(there)),
            "configuration": " ".join(sorted(left & asked.keys())),
        }

    def _installed(self) -> tuple[AbstractSet[str], AbstractSet[str]]:
        """Packages that are installed, and those of which only the configuration is; of other architectures NAME:ARCH.

        What is on hold is installed as well; what dpkg was killed in is not.
        """
        query = ("dpkg-query", "--show", "--showformat=${db:Status-Abbrev}|${Package}|${Architecture}\n")
        rows = [line.split("|") for line in self._host.run(Command(query, "list packages")).stdout.splitlines()]
        native = {"all", *(architecture for _, name, architecture in rows if name == "dpkg")}

        def named(state: str) -> AbstractSet[str]:
            found = ((name, architecture) for status, name, architecture in rows if status[1] in state)
            return {name if architecture in native else f"{name}:{architecture}" for name, architecture in found}

        return named("iWt"), named("c")

    def apply(self, action: Action) -> None:
        if action.verb == "restore":
            self._give_back(action.resource.state)
            return
        wanted, (there, _) = action.resource.state["installed"], self._installed()
        assert isinstance(wanted, Mapping)
        if missing := sorted(wanted.keys() - there):
            # Nothing that is there is asked for: apt-get would take it for wanted by hand, and bring it up to date.
            self._change(("install", "--no-install-recommends", "--no-remove", *missing), "install packages")

    def _change(self, words: tuple[str, ...], purpose: str) -> None:
        """One transaction; where something that has a remedy stops it before it begins, that comes first."""
        untried = dict(_REMEDIES)
        while True:
            try:
                self._apt(words, purpose)
            except CommandFailed as error:
                said = f"{error.result.stdout}\n{error.result.stderr}"
                pattern = next((each for each in untried if each.search(said)), None)
                if pattern is None:
                    raise
                untried.pop(pattern)(self)
            else:
                return

    def _read_lists(self) -> None:
        self._apt(("update",), "read the lists of packages")

    def _end_what_was_begun(self) -> None:
        configure = ("dpkg", "--configure", "--pending")
        self._host.run(Command(configure, "end what dpkg was killed in", env=_QUIET, timeout=1800))

    def _apt(self, words: tuple[str, ...], purpose: str) -> None:
        verb, *more = words
        self._host.run(Command(("apt-get", verb, *_OPTIONS, *more), purpose, env=_QUIET, timeout=1800))

    # Giving back ------------------------------------------------------------------------------------------------

    def leave(self, before: State) -> Leave:
        """What goes and what stays when all is to be as it was found. Reads only."""
        found = before["installed"]
        assert isinstance(found, Mapping)
        there, _ = self._installed()
        ours = {name for name, was in found.items() if not was} & there
        held = ours & set(self._marks("showhold"))
        going, staying = self._without_others(ours - held)
        staying |= dict.fromkeys(held, ("somebody who put it on hold",))
        along = self._along(going, before) if going else set()
        return Leave(tuple(sorted(self._without_others(going | along)[0])), staying)

    def _without_others(self, ours: AbstractSet[str]) -> tuple[set[str], dict[str, tuple[str, ...]]]:
        """Those that can go without taking others along, and the rest with whom it would take along."""
        going, staying = set(ours), dict[str, tuple[str, ...]]()
        while going and self._changes("purge", going) - going:
            takes = {name: self._changes("purge", (name,)) - going for name in sorted(going)}
            # Somebody may need one or the other of ours, so that only both together take them along.
            guilty = [name for name, others in takes.items() if others] or [max(going)]
            everybody = self._changes("purge", going) - going
            staying |= {name: tuple(sorted(takes[name] or everybody)) for name in guilty}
            going -= set(guilty)
        return going, staying

    def _along(self, going: AbstractSet[str], before: State) -> set[str]:
        """What came along with ours by itself, was not there before, and is needed by nobody else."""
        if "there" not in before:  # a record of a former revision
            return set()
        came = set(self._marks("showauto")) - set(str(before["there"]).split()) - going
        needless = self._changes("autoremove", ())
        return came & (self._changes("purge", going, "--autoremove") - needless)

    def _marks(self, verb: str) -> list[str]:
        return self._host.run(Command(("apt-mark", verb), "see the marks of packages")).stdout.split()

    def _changes(self, verb: str, names: Iterable[str], *options: str) -> set[str]:
        """Which packages apt-get would change; it changes none."""
        argv = ("apt-get", verb, "--simulate", *options, *sorted(names))
        return set(_CHANGES.findall(self._host.run(Command(argv, "try what would go", env=_QUIET)).stdout))

    def _give_back(self, before: State) -> None:
        going = self.leave(before).going
        # Of some there was configuration, which is not ours; to apt-get that is another verb.
        keep = set(str(before.get("configuration", "")).split())
        for verb, names in (("purge", set(going) - keep), ("remove", set(going) & keep)):
            if names:
                self._change((verb, *sorted(names)), "remove packages")


_REMEDIES: Mapping[re.Pattern[str], Callable[[PackageHandler], None]] = {
    re.compile("Unable to locate package|no installation candidate|Unable to fetch some archives"): (
        PackageHandler._read_lists
    ),
    re.compile("dpkg was interrupted"): PackageHandler._end_what_was_begun,
}
"""What apt-get says → what has to be done before it can do what it is told."""
