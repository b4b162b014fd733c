"""All Quadlet files of a node as one thing: systemd reads them once, however many changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hotstack_os.core.model import Absent, Observation, Present, Ref, Resource, State
from hotstack_os.core.plan import Action
from hotstack_os.errors import HotstackError
from hotstack_os.exec import Command, Host
from hotstack_os.runtime import quadlet
from hotstack_os.runtime.quadlet import Container

KIND = "quadlets"
GENERATED = "/run/systemd/generator"
GENERATOR = "/usr/lib/systemd/system-generators/podman-system-generator"


def resource(containers: Mapping[str, Container], node: str, needs: frozenset[Ref]) -> Resource:
    """The units of all services, each by a digest of its text; why it changed is said by the service itself."""
    units = {name: quadlet.restart_digest(container) for name, container in containers.items()}
    state: State = {"unit of": units, "services": tuple(sorted(units)), "read by systemd": True}
    return Resource(Ref(KIND, "units", node), state, needs)


class QuadletsHandler:
    """Files in podman's Quadlet directory that bear our prefix."""

    def __init__(self, host: Host, containers: Mapping[str, Container]) -> None:
        self._host = host
        self._wanted = {_path(name): quadlet.labelled(container) for name, container in containers.items()}
        self._digests = {_path(name): quadlet.restart_digest(container) for name, container in containers.items()}

    def observe(self, resources: Sequence[Resource]) -> Mapping[Ref, Observation]:
        found = self._found()
        if not found:
            return {each.ref: Absent() for each in resources}
        units = {_service(path): self._digest(path, data) for path, data in found.items()}
        state: State = {"unit of": units, "services": tuple(sorted(units)), "read by systemd": self._read()}
        return {each.ref: Present(state) for each in resources}

    def _read(self) -> bool:
        """Whether systemd has the wanted units: Quadlet makes them, labels and all, when systemd reads its units."""
        made = {path: f"{GENERATED}/{quadlet.unit_name(_service(path))}" for path in self._digests}
        texts = self._host.read(made.values())
        return all(digest.encode() in (texts[made[path]] or b"") for path, digest in self._digests.items())

    def _digest(self, path: str, data: bytes) -> str:
        return self._digests[path] if data.decode() == self._wanted.get(path) else "another"

    def _found(self) -> Mapping[str, bytes]:
        prefix = f"{quadlet.QUADLETS}/{quadlet.PREFIX}"
        tree = self._host.read_tree([quadlet.QUADLETS])
        return {path: data for path, data in tree.items() if path.startswith(prefix) and path.endswith(".container")}

    def apply(self, action: Action) -> None:
        wanted = {} if action.verb == "remove" else self._wanted
        found = self._found()
        for path, text in wanted.items():
            if found.get(path) != text.encode():
                self._host.write(path, text, mode=0o644)
        for path in found.keys() - wanted.keys():
            self._host.remove(path)
        self._check()
        self._host.run(Command(("systemctl", "daemon-reload"), "let systemd read the changed units"))

    def _check(self) -> None:
        """Let Quadlet itself read all files: one unknown key makes a unit vanish without a word otherwise."""
        result = self._host.run(
            Command((GENERATOR, "-dryrun"), "check the Quadlet files", accept=frozenset(range(256)))
        )
        complaints = [line for line in result.stderr.splitlines() if "unsupported" in line or "converting" in line]
        if complaints or (result.status != 0 and self._found()):
            raise HotstackError("Quadlet files that podman accepts", "\n".join(complaints) or result.stderr)


def _path(service: str) -> str:
    return f"{quadlet.QUADLETS}/{quadlet.PREFIX}{service}.container"


def _service(path: str) -> str:
    return path.removeprefix(f"{quadlet.QUADLETS}/{quadlet.PREFIX}").removesuffix(".container")
