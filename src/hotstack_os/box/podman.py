"""podman's configuration in a box, from what the box may do. On an ordinary machine it is nearly empty."""

from __future__ import annotations

import re
from dataclasses import dataclass

from hotstack_os.box.paths import CONTAINERS

CAP_SYS_RESOURCE = 24  # <linux/capability.h>
CONTAINERS_CONF = "/etc/containers/containers.conf"
STORAGE_CONF = "/etc/containers/storage.conf"
_UNLIMITED = 1 << 20  # no more open files or processes than this are ever asked for by podman


@dataclass(frozen=True)
class Facts:
    """What processes of a box may do.

    Attributes:
        nofile, nproc: hard limits of open files and of processes.
        raises_limits: whether root may go beyond hard limits (CAP_SYS_RESOURCE).
        controllers: cgroup v2 controllers at the box's root.
    """

    nofile: int
    nproc: int
    raises_limits: bool
    controllers: frozenset[str]


def facts(limits: str, status: str, controllers: str) -> Facts:
    """From the texts of /proc/PID/limits, /proc/PID/status of the box's systemd, and cgroup.controllers."""
    effective = re.search(r"^CapEff:\s*([0-9a-f]+)$", status, re.MULTILINE)
    assert effective, "every Linux has CapEff"
    return Facts(
        nofile=_hard_limit(limits, "Max open files"),
        nproc=_hard_limit(limits, "Max processes"),
        raises_limits=bool(int(effective[1], 16) >> CAP_SYS_RESOURCE & 1),
        controllers=frozenset(controllers.split()),
    )


def containers_conf(found: Facts) -> str:
    """containers.conf(5): only what differs from podman's defaults, each with its reason."""
    containers, engine = [], []
    if not found.raises_limits:
        containers += [
            "# Root has no CAP_SYS_RESOURCE here, and podman's defaults ask for more than these hard limits.",
            f'default_ulimits = ["nofile={found.nofile}:{found.nofile}", "nproc={found.nproc}:{found.nproc}"]',
        ]
        engine += [
            "# crun raises RLIMIT_MEMLOCK for its device filter, which needs CAP_SYS_RESOURCE; runc does not.",
            'runtime = "runc"',
        ]
    if "pids" not in found.controllers:
        containers += ["# The control group has no pids controller, so no limit can be set.", "pids_limit = 0"]
    return _toml({"containers": containers, "engine": engine})


def storage_conf(image_store: str | None) -> str:
    """containers-storage.conf(5): podman's own store, and the machine's shared one for reading."""
    storage = ['driver = "overlay"', 'runroot = "/run/containers/storage"', f'graphroot = "{CONTAINERS}/storage"']
    shared = ["# Images of the machine that the box runs on.", f'additionalimagestores = ["{image_store}"]']
    return _toml({"storage": storage, "storage.options": shared if image_store else []})


def _hard_limit(limits: str, name: str) -> int:
    found = re.search(rf"^{name}\s+\S+\s+(\S+)", limits, re.MULTILINE)
    assert found, f"every Linux has a limit {name}"
    return _UNLIMITED if found[1] == "unlimited" else int(found[1])


def _toml(sections: dict[str, list[str]]) -> str:
    texts = ["\n".join([f"[{name}]", *lines]) for name, lines in sections.items() if lines]
    return "\n\n".join(["# Made by hotstack-os.", *texts]) + "\n"
