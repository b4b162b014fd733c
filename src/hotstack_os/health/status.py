"""What a cloud's services are doing: systemd's word and the health watch's."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from hotstack_os.exec import Host
from hotstack_os.host.systemd import show_units
from hotstack_os.runtime.quadlet import PREFIX, QUADLETS, unit_name

STATE = "/run/hotstack-os/health.json"
STALE = 4
"""After so many periods without news the watch's word counts no more."""
PROPERTIES = ("LoadState", "ActiveState", "SubState", "ActiveEnterTimestamp", "StateChangeTimestamp")
_IMAGE = "Image="


@dataclass(frozen=True)
class ServiceStatus:
    """One service on one node.

    Attributes:
        state: systemd's ActiveState; "absent" where there is no such unit.
        health: healthy, unhealthy or unknown.
        detail: why it is not healthy.
        since: when it became what it is, as systemd writes times; empty where it never was anything else.
        image: reference of the image that its unit runs, with the digest of all that went into it; empty where absent.
    """

    name: str
    node: str
    state: str
    health: str
    detail: str
    since: str
    image: str = ""


def service_status(host: Host, node: str, services: Iterable[str]) -> tuple[ServiceStatus, ...]:
    """The status of each service."""
    names = tuple(services)
    shown, seen, images = _shown(host, names), _seen(host), _images(host, names)
    return tuple(_status(name, node, shown[name], seen, images[name]) for name in names)


def _status(
    name: str, node: str, shown: Mapping[str, str], seen: Mapping[str, Mapping[str, str]], image: str
) -> ServiceStatus:
    state = "absent" if shown["LoadState"] == "not-found" else shown["ActiveState"]
    health, detail = _health(name, state, shown, seen)
    since = shown["StateChangeTimestamp" if state != "active" else "ActiveEnterTimestamp"]
    return ServiceStatus(name, node, state, health, detail, since, image)


def _shown(host: Host, names: tuple[str, ...]) -> dict[str, Mapping[str, str]]:
    found = show_units(host, [unit_name(name) for name in names], PROPERTIES)
    return dict(zip(names, found.values(), strict=True))


def _images(host: Host, names: tuple[str, ...]) -> dict[str, str]:
    """service → the image that its Quadlet file names; empty where there is no such file."""
    paths = {name: f"{QUADLETS}/{PREFIX}{name}.container" for name in names}
    texts = host.read(paths.values())
    return {name: _image((texts[path] or b"").decode(errors="replace")) for name, path in paths.items()}


def _image(quadlet: str) -> str:
    return next((line.removeprefix(_IMAGE) for line in quadlet.splitlines() if line.startswith(_IMAGE)), "")


def _seen(host: Host) -> dict[str, dict[str, str]]:
    data = host.read([STATE])[STATE]
    if data is None:
        return {}
    state = json.loads(data)
    fresh = time.time() - state["time"] < STALE * state["period"]
    return dict(state["services"]) if fresh else {}


def _health(name: str, state: str, shown: Mapping[str, str], seen: Mapping[str, Mapping[str, str]]) -> tuple[str, str]:
    if state == "absent":
        return "unhealthy", "there is no such unit"
    if state != "active":
        return "unhealthy", f"the unit is {state} ({shown['SubState']})"
    if name not in seen:
        return "unknown", "the health watch has no news"
    return seen[name]["health"], seen[name]["detail"]
