"""What a cloud's services are doing: systemd's word and the health watch's."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from hotstack_os.exec import Host
from hotstack_os.host.systemd import show_units
from hotstack_os.runtime.quadlet import unit_name
from hotstack_os.runtime.started import Started, started

STATE = "/run/hotstack-os/health.json"
STALE = 4
"""After so many periods without news the watch's word counts no more."""
PROPERTIES = ("LoadState", "ActiveState", "SubState", "ActiveEnterTimestamp", "StateChangeTimestamp")
PENDING, DIFFERS = "restart pending", "differs from settings"


@dataclass(frozen=True)
class ServiceStatus:
    """One service on one node.

    Attributes:
        state: systemd's ActiveState; "absent" where there is no such unit.
        health: healthy, unhealthy or unknown.
        detail: why it is not healthy.
        since: when it became what it is, as systemd writes times; empty where it never was anything else.
        image: reference of the image that runs, with the digest of all that went into it; empty where none runs.
        unit_image: of the image that its unit names, and the next start would run; empty where there is no unit.
        differs: `PENDING` where what runs is not what the next start would run; `DIFFERS` where that is not what the
            settings say.
    """

    name: str
    node: str
    state: str
    health: str
    detail: str
    since: str
    image: str = ""
    unit_image: str = ""
    differs: tuple[str, ...] = ()


def service_status(
    host: Host, node: str, services: Iterable[str], wanted: Mapping[str, str] | None = None
) -> tuple[ServiceStatus, ...]:
    """The status of each service; `wanted` has what names all that it is to be started from, where that is known."""
    names, digests = tuple(services), wanted or {}
    shown, seen, found = _shown(host, names), _seen(host), started(host, names)
    return tuple(_status(name, node, shown[name], seen, found[name], digests.get(name, "")) for name in names)


def _status(
    name: str,
    node: str,
    shown: Mapping[str, str],
    seen: Mapping[str, Mapping[str, str]],
    found: Started,
    wanted: str,
) -> ServiceStatus:
    state = "absent" if shown["LoadState"] == "not-found" else shown["ActiveState"]
    health, detail = _health(name, state, shown, seen)
    since = shown["StateChangeTimestamp" if state != "active" else "ActiveEnterTimestamp"]
    return ServiceStatus(
        name, node, state, health, detail, since, found.image, found.unit_image, _differences(found, wanted)
    )


def _differences(found: Started, wanted: str) -> tuple[str, ...]:
    pending = bool(found.image) and found.digest != found.unit_digest
    differs = bool(wanted) and found.unit_digest != wanted
    return tuple(mark for mark, holds in ((PENDING, pending), (DIFFERS, differs)) if holds)


def _shown(host: Host, names: tuple[str, ...]) -> dict[str, Mapping[str, str]]:
    found = show_units(host, [unit_name(name) for name in names], PROPERTIES)
    return dict(zip(names, found.values(), strict=True))


def _seen(host: Host) -> dict[str, Mapping[str, str]]:
    """What the watch says of each service: its last word, where that is not too old; why it counts no more, else."""
    data = host.read([STATE])[STATE]
    try:
        state = json.loads(data or b"{}")
        most, now = STALE * state.get("period", 0), time.time()
        found = state["services"].items()
        return {name: _word(said, now - said.get("time", state["time"]), most) for name, said in found}
    except (ValueError, TypeError, LookupError, AttributeError):
        return {}


def _word(said: Mapping[str, str], age: float, most: float) -> Mapping[str, str]:
    return said if age < most else {"health": "unknown", "detail": f"the health watch has not seen it for {age:.0f} s"}


def _health(name: str, state: str, shown: Mapping[str, str], seen: Mapping[str, Mapping[str, str]]) -> tuple[str, str]:
    if state == "absent":
        return "unhealthy", "there is no such unit"
    if state != "active":
        return "unhealthy", f"the unit is {state} ({shown['SubState']})"
    if name not in seen:
        return "unknown", "the health watch has no news"
    return seen[name]["health"], seen[name]["detail"]
