"""What a cloud's services are doing: systemd's word and the health watch's."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from dataclasses import dataclass

from hotstack_os.exec import Command, Host
from hotstack_os.runtime.quadlet import unit_name

STATE = "/run/hotstack-os/health.json"
STALE = 4
"""After so many periods without news the watch's word counts no more."""


@dataclass(frozen=True)
class ServiceStatus:
    """`state` is systemd's ActiveState; `health` healthy, unhealthy or unknown; `detail` why not healthy."""

    name: str
    node: str
    state: str
    health: str
    detail: str
    since: str


def service_status(host: Host, node: str, services: Iterable[str]) -> tuple[ServiceStatus, ...]:
    """The status of each service."""
    names = tuple(services)
    shown = _shown(host, names)
    seen = _seen(host)
    return tuple(
        ServiceStatus(name, node, shown[name]["ActiveState"], *_health(name, shown[name], seen), _since(shown[name]))
        for name in names
    )


def _shown(host: Host, names: tuple[str, ...]) -> dict[str, dict[str, str]]:
    units = [unit_name(name) for name in names]
    properties = "--property=Id,ActiveState,SubState,ActiveEnterTimestamp"
    text = host.run(Command(("systemctl", "show", properties, *units), "see units")).stdout
    blocks = [dict(line.split("=", 1) for line in block.splitlines()) for block in text.strip().split("\n\n")]
    return dict(zip(names, blocks, strict=True))


def _seen(host: Host) -> dict[str, dict[str, str]]:
    data = host.read([STATE])[STATE]
    if data is None:
        return {}
    state = json.loads(data)
    fresh = time.time() - state["time"] < STALE * state["period"]
    return dict(state["services"]) if fresh else {}


def _health(name: str, shown: dict[str, str], seen: dict[str, dict[str, str]]) -> tuple[str, str]:
    if shown["ActiveState"] != "active":
        return "unhealthy", f"the unit is {shown['ActiveState']} ({shown['SubState']})"
    if name not in seen:
        return "unknown", "the health watch has no news"
    return seen[name]["health"], seen[name]["detail"]


def _since(shown: dict[str, str]) -> str:
    return shown["ActiveEnterTimestamp"]
