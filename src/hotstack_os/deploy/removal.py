"""The middle one of three levels of removal: what `uninstall` takes away, and what it leaves to a later `up`. Pure.

`stop` ends services and changes nothing; `down` removes everything. In between go the services with their units and
all configuration that is made anew by each `up`. Data stays, with what lies within it (databases, Keystone's objects),
and so does all that running servers need: the session libvirtd, Open vSwitch and its bridges, addresses, mounts.
"""

from __future__ import annotations

from hotstack_os.core.model import Ref
from hotstack_os.host import files, units
from hotstack_os.network import addresses, firewall
from hotstack_os.runtime import quadlet, quadlets, services
from hotstack_os.runtime.boot import READY, WATCH
from hotstack_os.settings.cloud import Paths

CONFIGURATION = (
    "/etc/hotstack-os",
    "/usr/lib/hotstack-os",
    "/run/hotstack-os",
    quadlet.QUADLETS,
    quadlet.NETWORKS,
)
"""Directories in which everything is made by `up`."""
UNITS = (quadlet.FIREWALL, quadlet.SETUP, quadlet.TARGET, READY, WATCH)
_GO = (services.KIND, quadlets.KIND, files.BLOCK, firewall.TABLE, addresses.SYSCTL)
"""Forwarding is for the containers, and goes with the rules about it."""


def stays(ref: Ref, paths: Paths) -> bool:
    """Whether a thing of ours outlives `uninstall`. `paths` are those of the cloud's data, wherever they lie."""
    if ref.kind in (files.FILE, files.DIRECTORY):
        # A directory that holds data would take it along.
        data = any(_within(ref.name, str(each)) or _within(str(each), ref.name) for each in vars(paths).values())
        return data or not any(_within(ref.name, each) for each in CONFIGURATION)
    return ref.kind not in _GO and not (ref.kind == units.UNIT and ref.name in UNITS)


def _within(path: str, directory: str) -> bool:
    return path == directory or path.startswith(f"{directory}/")
