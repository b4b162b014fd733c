"""The scenario: one stack, the proofs, and everything removed again whatever happens."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from hotstack_os import interrupt
from hotstack_os.content.api import Api
from hotstack_os.errors import HotstackError
from hotstack_os.exec import Host
from hotstack_os.smoke.guest import KEY, PLACE, Guest, make_key
from hotstack_os.smoke.orphans import Orphans
from hotstack_os.smoke.proofs import BOOT_SECONDS, SOON, Proofs
from hotstack_os.smoke.stack import Stack
from hotstack_os.smoke.steps import Stage, Step, Verdict, carry_out
from hotstack_os.smoke.wanted import Wanted

PROOFS = ("ping", "ssh", "console", "metadata", "dns", "volume", "trunk")
"""The proofs in their order."""
OUTSIDE = {"ping", "ssh"}
"""Those that look at guests from outside; all others log in."""


class Scenario:
    """What `hotstack-os smoke` does with the cloud that `host` is a node of, as the user of `api`."""

    def __init__(self, host: Host, api: Api, wanted: Wanted, stage: Stage) -> None:
        self._host = host
        self._api = api
        self._wanted = wanted
        self._stage = stage
        self._stack = Stack(api)
        self._proofs: Proofs | None = None

    def run(self, *, keep: bool = False) -> tuple[Verdict, ...]:
        """From nothing to nothing; with `keep` the stack stays, unless an interruption ends it."""
        with self._removed_if_interrupted():
            verdicts = carry_out(
                [Step("leftovers", self.remove), Step("stack", self._create, ("leftovers",)), *self._proving()],
                self._stage,
            )
            return verdicts if keep else (*verdicts, *self.clean())

    def again(self) -> tuple[Verdict, ...]:
        """The proofs with a stack that was kept; it stays."""
        return carry_out([Step("stack", self._find), *self._proving()], self._stage)

    def clean(self) -> tuple[Verdict, ...]:
        """Only remove what earlier runs left."""
        return carry_out([Step("remove", self.remove)], self._stage)

    def remove(self) -> str:
        """Remove the stack, what it may have lost, and the key, whichever run left them; says what there was."""
        found = self._stack.remove()
        lost = Orphans(self._api).remove()
        self._host.remove(PLACE)
        return ", ".join([*(["the stack"] if found else []), *lost]) or "nothing was there"

    @contextmanager
    def _removed_if_interrupted(self) -> Iterator[None]:
        """Failures are verdicts; what comes out of the block besides is an interruption or a defect."""
        done = False
        try:
            yield
            done = True
        finally:
            if not done:
                with interrupt.cleaning("removing what the test made"), self._stage("remove"):
                    self.remove()

    def _proving(self) -> Iterator[Step]:
        for name in PROOFS:
            yield Step(name, lambda name=name: self._proof(name), ("stack",) if name in OUTSIDE else ("stack", "ssh"))  # type: ignore[misc]

    def _proof(self, name: str) -> str:
        assert self._proofs is not None
        return str(getattr(self._proofs, name)())

    def _create(self) -> str:
        own = {"run": secrets.token_hex(4), "public_key": make_key(self._host)}
        self._stack.create(self._wanted.parameters | own)
        return self._meet(BOOT_SECONDS)

    def _find(self) -> str:
        if not self._stack.complete() or self._host.stat([KEY])[KEY] is None:
            hint = "Make another one: hotstack-os smoke --keep."
            raise HotstackError("a stack that is complete, and its key on the node", "not both", hint)
        return self._meet(SOON)

    def _meet(self, boot: float) -> str:
        told = self._stack.outputs()
        a, b = (_guest(self._host, name, told[name]) for name in "ab")
        self._proofs = Proofs(self._api, self._wanted, (a, b), told, boot)
        return f"{a.name}, {b.name}"


def _guest(host: Host, name: str, told: dict[str, Any]) -> Guest:
    """A guest as the stack's outputs tell of it; numbers are texts there."""
    rest = {key: str(told[key]) for key in ("id", "floating", "mac", "inside")}
    return Guest(host, f"hotstack-os-smoke-{name}", vlan=int(told["vlan"]), **rest)
