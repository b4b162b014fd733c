"""Quadlet files on a node: each is put in place for the restart of its own service; systemd reads them together."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from hotstack_os.core.model import Absent, Observation, Ref, Resource
from hotstack_os.core.plan import Action
from hotstack_os.errors import HotstackError
from hotstack_os.exec import Command, Host
from hotstack_os.runtime import quadlet

KIND = "quadlets"
"""Of all files as one thing, as ledgers of former versions name them."""
GENERATED = "/run/systemd/generator"
GENERATOR = "/usr/lib/systemd/system-generators/podman-system-generator"
_TRIAL = "/run/hotstack-os/quadlets"
"""Where Quadlet reads new files before they are in place."""


def path_of(service: str) -> str:
    """The Quadlet file of a service."""
    return f"{quadlet.QUADLETS}/{quadlet.PREFIX}{service}.container"


def generated_of(service: str) -> str:
    """The unit that Quadlet made of it, labels and all, when systemd last read its units."""
    return f"{GENERATED}/{quadlet.unit_name(service)}"


@dataclass
class _Batch:
    """Changes that become one reload: service → text of its file, None for none; and what came of them."""

    changes: dict[str, str | None] = field(default_factory=dict)
    outcome: Future[None] = field(default_factory=Future)


class Units:
    """Puts units in place. Services change when their turn comes, and several may at once: what is asked for while
    systemd reads waits together for the next reading, so that 28 new services are not 28 readings.
    """

    def __init__(self, host: Host) -> None:
        self._host = host
        self._lock, self._turn = threading.Lock(), threading.Lock()
        self._next = _Batch()

    def put(self, service: str, text: str) -> None:
        """Have systemd know the unit of this Quadlet file. One that Quadlet refuses is not put in place."""
        self._change(service, text)

    def remove(self, service: str) -> None:
        """Have systemd know no unit of this service."""
        self._change(service, None)

    def _change(self, service: str, text: str | None) -> None:
        with self._lock:
            batch = self._next
            batch.changes[service] = text
        with self._turn:
            if not batch.outcome.done():
                with self._lock:
                    self._next = _Batch()
                self._carry_out(batch)
        batch.outcome.result()

    def _carry_out(self, batch: _Batch) -> None:
        try:
            self._check({service: text for service, text in batch.changes.items() if text is not None})
            for service, text in batch.changes.items():
                if text is None:
                    self._host.remove(path_of(service))
                else:
                    self._host.write(path_of(service), text, mode=0o644)
            self._host.run(Command(("systemctl", "daemon-reload"), "let systemd read the changed units"))
        except BaseException as error:  # noqa: BLE001 (every service of the batch is told, by `result`)
            batch.outcome.set_exception(error)
        else:
            batch.outcome.set_result(None)

    def _check(self, texts: Mapping[str, str]) -> None:
        """Let Quadlet itself read the files: one unknown key makes a unit vanish without a word otherwise."""
        if not texts:
            return
        self._host.remove(_TRIAL)
        self._host.make_directory(_TRIAL, mode=0o755)
        for service, text in texts.items():
            self._host.write(f"{_TRIAL}/{path_of(service).rpartition('/')[2]}", text, mode=0o644)
        trial = Command(
            (GENERATOR, "-dryrun"),
            "check the Quadlet files",
            env={"QUADLET_UNIT_DIRS": _TRIAL},
            accept=frozenset(range(256)),
        )
        result = self._host.run(trial)
        self._host.remove(_TRIAL)
        complaints = [line for line in result.stderr.splitlines() if "unsupported" in line or "converting" in line]
        if complaints or result.status != 0:
            raise HotstackError("Quadlet files that podman accepts", "\n".join(complaints) or result.stderr)


class FormerHandler:
    """All files as one thing are wanted no more, and each belongs to its service: only the ledger has to forget it."""

    def observe(self, resources: Sequence[Resource]) -> Mapping[Ref, Observation]:
        return {each.ref: Absent() for each in resources}

    def apply(self, action: Action) -> None:
        raise AssertionError(f"{action.verb} {action.ref}, of which there is nothing")
