"""Where a cloud runs: its box, or this machine. What is different between the two is said here and nowhere else."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hotstack_os.box import Box, BoxSpec
from hotstack_os.errors import HotstackError
from hotstack_os.exec import Host
from hotstack_os.exec.agent import AgentHost
from hotstack_os.exec.become import direct
from hotstack_os.images.bases import BOX
from hotstack_os.images.rootfs import rootfs_path
from hotstack_os.images.store import Store
from hotstack_os.settings.cloud import Cloud

BOOT_SECONDS = 600.0
"""A box counts as up when systemd has started everything: with a cloud in it that is all of its services."""
_BIND = 'mount --bind "$0" /etc/hosts && mount --bind "$1" /etc/resolv.conf && shift && exec "$@"'


class Machine:
    """The machine of a cloud with target "box"."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self.box = Box(box_spec(cloud))

    @property
    def running(self) -> bool:
        """Whether there is a node to look at."""
        return self.box.state().status == "running"

    @contextmanager
    def host(self) -> Iterator[Host]:
        """The node, for as long as the block lasts."""
        host = self.box.host()
        try:
            yield host
        finally:
            host.close()

    def client_argv(self, argv: tuple[str, ...]) -> tuple[str, ...]:
        """A program of this machine that reaches the cloud's APIs by name: in the node's network, with its names.

        It goes past any proxy. The files are bound over /etc in a mount namespace of the program's own; this machine's
        files stay.
        """
        client = self._cloud.state / "client"
        names = ("sh", "-c", _BIND, str(client / "hosts"), str(client / "resolv.conf"))
        return direct(self.box.netns_argv(("unshare", "--mount", "--propagation=private", *names, *argv)))

    def node_argv(self, argv: tuple[str, ...]) -> tuple[str, ...]:
        """A program of the node, for a terminal of this machine."""
        return self.box.enter_argv(argv)


class LocalMachine:
    """This machine as the cloud's node."""

    running = True

    @contextmanager
    def host(self) -> Iterator[Host]:
        """This machine."""
        host = AgentHost("local")
        try:
            yield host
        finally:
            host.close()

    def client_argv(self, argv: tuple[str, ...]) -> tuple[str, ...]:
        """Names are in /etc/hosts already."""
        return direct(argv)

    def node_argv(self, argv: tuple[str, ...]) -> tuple[str, ...]:
        """This machine is the node."""
        return argv


def machine_of(cloud: Cloud) -> Machine | LocalMachine:
    """The machine that the cloud runs on."""
    return Machine(cloud) if cloud.target == "box" else LocalMachine()


@contextmanager
def node_of(cloud: Cloud) -> Iterator[Host]:
    """The node of a cloud that is there and runs, for as long as the block lasts."""
    machine = machine_of(cloud)
    if not cloud.state.exists():
        raise HotstackError(f"a cloud named {cloud.name}", "none", "Make it: hotstack-os up, or give its --settings.")
    if not machine.running:
        raise HotstackError(f"the cloud {cloud.name} to run", "its box is down", "Start it: hotstack-os box start.")
    with machine.host() as host:
        yield host


def box_spec(cloud: Cloud) -> BoxSpec:
    """The box of a cloud."""
    store = Store(cloud.cache)
    return BoxSpec(
        name=cloud.name,
        rootfs=rootfs_path(store, BOX) / "tree",
        home=cloud.state / "box",
        image_store=store.root,
        hostname=cloud.name,
    )


def program(name: str) -> str:
    """A program of our own environment, such as `openstack`."""
    return str(Path(sys.prefix) / "bin" / name)
