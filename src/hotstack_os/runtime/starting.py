"""Starting services: as many at once as the processors can carry, each as long as it goes on."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from contextlib import suppress

from hotstack_os import interrupt
from hotstack_os.errors import HotstackError
from hotstack_os.exec import Command, CommandFailed, Host
from hotstack_os.exec.wait import WaitedTooLong, until
from hotstack_os.host.systemd import show_units
from hotstack_os.runtime.quadlet import Container

PER_CORE, LEAST = 4, 4
SLOWEST, MARGIN_SECONDS = 10, 90
"""How many times as long as it may show no progress a start may take (health.py), and what systemd takes beside it."""


class Starter:
    """Starts the services of one node. Many at once on few processors make each other so slow that what they need of
    each other does not answer in time: more than so many wait for their turn."""

    def __init__(self, host: Host, containers: Iterable[Container]) -> None:
        self._host = host
        cores = max((each.context.facts.cores for each in containers), default=1)
        self._turns = threading.Semaphore(max(LEAST, PER_CORE * cores))

    def restart(self, container: Container) -> None:
        """Return when the service answers. systemd gives up on it for lack of progress (`health.py wait`)."""
        unit, seconds = container.unit, container.service.start_timeout * SLOWEST
        act = f"start {container.service.name} and see it answer"
        with self._turns:
            interrupt.check()  # else each that waited for its turn would still be started, one after the other
            try:
                self._host.run(Command(("systemctl", "restart", unit), act, timeout=seconds + MARGIN_SECONDS))
            except CommandFailed as error:
                if not self._comes_up(unit, seconds):
                    raise HotstackError(f"{container.service.name} to start", self._why(unit, error)) from None

    def _comes_up(self, unit: str, seconds: float) -> bool:
        """Whether systemd brings it up by itself in its next start: what it asked in the first may have been busy."""
        before, state = self._seen(unit)[1], ""

        def decided() -> bool:
            nonlocal state
            state, starts = self._seen(unit)
            return state in ("active", "inactive", "failed") or starts > before + 1

        with suppress(WaitedTooLong):
            until(decided, f"{unit} to be up", seconds=seconds, step=1.0)
        return state == "active"

    def _seen(self, unit: str) -> tuple[str, int]:
        """The state of a unit, and how often systemd has started it again."""
        shown = show_units(self._host, [unit], ("ActiveState", "NRestarts"))[unit]
        return shown["ActiveState"], int(shown["NRestarts"] or 0)

    def _why(self, unit: str, error: CommandFailed) -> str:
        """The end of the unit's journal: where a service says why it does not start."""
        journal = self._host.run(
            Command(("journalctl", "--unit", unit, "--lines=25", "--output=cat", "--no-pager"), "read the journal")
        )
        return f"{error.result.stderr.strip()}\n{journal.stdout}"
