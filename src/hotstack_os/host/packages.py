"""Debian packages that a node needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hotstack_os.core.model import Absent, Observation, Present, Ref, Resource
from hotstack_os.core.plan import Action
from hotstack_os.exec import Command, Host

PACKAGE = "package"


def package(name: str, node: str) -> Resource:
    """An installed package. One that was there before is left there."""
    return Resource(Ref(PACKAGE, name, node), {"installed": True}, foreign="adopt")


class PackageHandler:
    """Seen by dpkg-query, installed by apt-get. Several at once would wait for dpkg's lock, so all go in one run."""

    def __init__(self, host: Host, wanted: Sequence[str]) -> None:
        self._host = host
        self._wanted = tuple(wanted)

    def observe(self, resources: Sequence[Resource]) -> Mapping[Ref, Observation]:
        query = ("dpkg-query", "--show", "--showformat=${db:Status-Abbrev} ${Package}\n")
        lines = self._host.run(Command(query, "list packages")).stdout.splitlines()
        installed = {line.split()[1] for line in lines if line.startswith("ii")}
        return {
            each.ref: Present({"installed": True}) if each.ref.name in installed else Absent() for each in resources
        }

    def apply(self, action: Action) -> None:
        if action.verb == "remove":
            self._host.run(
                Command(("apt-get", "purge", "--yes", action.ref.name), f"remove {action.ref.name}", timeout=600)
            )
            return
        argv = ("apt-get", "install", "--yes", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=600")
        self._host.run(Command((*argv, *self._wanted), "install packages", timeout=1800))
