"""A cable between two boxes: a pair of veth devices, one end in each.

It belongs to their network namespaces, so it stays while a box reboots, and goes as a whole when one of them stops.
"""

from __future__ import annotations

from dataclasses import dataclass

from hotstack_os.box.machine import Box
from hotstack_os.errors import HotstackError
from hotstack_os.exec import Command, run_here


@dataclass(frozen=True)
class Wire:
    """A cable from the device `near` of the box `one` to `far` of the `other`."""

    one: Box
    near: str
    other: Box
    far: str
    mtu: int

    @property
    def plugged(self) -> bool:
        """Whether it is there; a device whose other end has gone does not exist."""
        running = all(box.state().supervisor for box in (self.one, self.other))
        return running and self._whole

    def plug(self) -> bool:
        """Return when both ends are up, and whether the cable is new. Both boxes run; a cable that is there stays."""
        new = not self._whole
        if new:
            there = self.other.state().supervisor
            if there is None:
                raise HotstackError(f"box {self.other.spec.name} to run", "it is stopped", "Boot it first.")
            for box, end in ((self.one, self.near), (self.other, self.far)):
                # Of a box that has stopped; the kernel takes its namespace, and the device with it, some time later.
                if self._there(box, end):
                    self._ip(box, "link", "delete", end)
            pair = ("type", "veth", "peer", "name", self.far, "mtu", str(self.mtu), "netns", str(there))
            self._ip(self.one, "link", "add", self.near, "mtu", str(self.mtu), *pair)
        self._ip(self.one, "link", "set", self.near, "mtu", str(self.mtu), "up")
        self._ip(self.other, "link", "set", self.far, "mtu", str(self.mtu), "up")
        return new

    @property
    def _whole(self) -> bool:
        return self._there(self.one, self.near) and self._there(self.other, self.far)

    def _there(self, box: Box, device: str) -> bool:
        look = Command(box.netns_argv(("ip", "link", "show", device)), f"look for {device}", accept=frozenset({0, 1}))
        return run_here(look).status == 0

    def _ip(self, box: Box, *words: str) -> None:
        run_here(Command(box.netns_argv(("ip", *words)), f"plug boxes {self.one.spec.name} and {self.other.spec.name}"))
