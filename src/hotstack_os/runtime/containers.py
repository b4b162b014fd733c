"""The containers of a node as podman lists them, whoever made them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from hotstack_os.exec import Command, Host
from hotstack_os.runtime import quadlet

Labels = Mapping[str, str]
SERVICE = f"{quadlet.LABEL}service"
"""The label that tells which service of ours a container is of."""


def listed(host: Host) -> Mapping[str, Mapping[str, Any]]:
    """service → what podman says of its container."""
    return {each["Labels"][SERVICE]: each for each in _every(host) if SERVICE in (each["Labels"] or {})}


def by_name(host: Host) -> Mapping[str, Labels]:
    """Name → labels of every container."""
    return {name: dict(each["Labels"] or {}) for each in _every(host) for name in each["Names"]}


def _every(host: Host) -> list[dict[str, Any]]:
    found = host.run(Command(("podman", "ps", "--all", "--format=json"), "list containers"))
    return list(json.loads(found.stdout or "[]"))
