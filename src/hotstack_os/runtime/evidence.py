"""What there is to know about the containers and units of a node, for whoever looks for the cause of something."""

from __future__ import annotations

from collections.abc import Mapping

from hotstack_os.runtime.quadlet import CONFIG, NETWORKS, QUADLETS
from hotstack_os.runtime.quadlets import GENERATOR

COMMANDS: Mapping[str, tuple[str, ...]] = {
    "podman/version": ("podman", "version"),
    "podman/info": ("podman", "info"),
    "podman/containers": ("podman", "ps", "--all", "--no-trunc"),
    "podman/containers.json": ("podman", "ps", "--all", "--format=json"),
    "podman/images": ("podman", "images", "--digests"),
    "podman/networks": ("podman", "network", "ls"),
    "podman/quadlet": (GENERATOR, "-dryrun"),
    "systemd/units": ("systemctl", "list-units", "--all", "--no-pager", "--full"),
    "systemd/failed": ("systemctl", "list-units", "--failed", "--no-pager", "--full"),
    "systemd/jobs": ("systemctl", "list-jobs", "--no-pager"),
    "systemd/show": ("systemctl", "show", "--no-pager", "hotstack-os*"),
    "systemd/blame": ("systemd-analyze", "blame", "--no-pager"),
}
"""Name → command on the node."""

TREES = (CONFIG, QUADLETS, NETWORKS)
"""Directories with public configuration."""
