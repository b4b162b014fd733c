"""A node without servers: those that run move away while they run, the others while they are off."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from hotstack_os.content.api import DOWN, Api, why
from hotstack_os.deploy.machine import node_of
from hotstack_os.deploy.members import choose
from hotstack_os.deploy.places import administrator, known_context
from hotstack_os.errors import HotstackError
from hotstack_os.exec import Host
from hotstack_os.exec.wait import until
from hotstack_os.settings.cloud import Cloud

SECONDS = 900.0
"""For one server: its memory and its disk go over the network."""
LIVE, COLD = ("ACTIVE", "PAUSED"), ("SHUTOFF",)
MOVED = "VERIFY_RESIZE"
"""Where a server is that was off, while it could still be sent back."""
HINTS = {
    MOVED: "Confirm or revert its resize",
    **dict.fromkeys(
        ("BUILD", "MIGRATING", "REBOOT", "HARD_REBOOT", "REBUILD", "RESIZE", "REVERT_RESIZE"), "Wait for it"
    ),
}
"""What to do about a server that cannot move, by its status."""
OTHERS = "Resume, start or delete it"
Say = Callable[[str], None]


def drain(cloud: Cloud, node: str, say: Say) -> int:
    """Let no new server come to a node, and move those that are there to others; how many moved.

    Nothing moves where one of them cannot: suspended servers, shelved ones that are not offloaded yet, broken ones;
    and servers may come as before. What a drain that was interrupted has moved is confirmed.
    """
    with node_of(cloud) as host:
        api = _api(cloud, host)
        was = enable(api, node, wanted=False)
        try:
            refuse_stuck(api, node)
        except HotstackError:
            enable(api, node, wanted=was)
            raise
        moved = 0
        # A server that was on its way when we came is found at the next look.
        while servers := [*unconfirmed(api, node), *_servers(api, node)]:
            refuse_stuck(api, node)
            for each in servers:
                began = time.monotonic()
                where = _moved(api, each, node)
                say(f"{each['name']} is on {where} ({time.monotonic() - began:.1f} s)")
            moved += len(servers)
        return moved


def undrain(cloud: Cloud, node: str) -> None:
    """Let servers come to a node again."""
    with node_of(cloud) as host:
        enable(_api(cloud, host), node, wanted=True)


def _api(cloud: Cloud, host: Host) -> Api:
    api = administrator(known_context(cloud), host)
    try:
        api.keystone.login()
    except DOWN as error:
        hint = "See what is wrong: hotstack-os doctor."
        raise HotstackError("Keystone to let us in", why(error), hint) from None
    return api


def enable(api: Api, node: str, *, wanted: bool) -> bool:
    """Let the scheduler choose a node, or not; whether it did before."""
    found = api.get("compute", f"/os-services?binary=nova-compute&host={node}")["services"]
    if not found:
        raise HotstackError(f"a nova-compute on {node}", "Nova knows of none", "Run hotstack-os up.")
    choose(api, found[0]["id"], wanted=wanted, reason="drained")
    return bool(found[0]["status"] == "enabled")


def refuse_stuck(api: Api, node: str) -> None:
    """Where a server is in a state in which it cannot move."""
    if stuck := [each for each in _servers(api, node) if each["status"] not in LIVE + COLD]:
        said = sorted(f"{each['name']} is {each['status']}" for each in stuck)
        hints = sorted({HINTS.get(each["status"], OTHERS) for each in stuck})
        hint = f"{'; '.join(hints)}, and run the command again."
        raise HotstackError(f"servers of {node} that run or are off", ", ".join(said), hint)


def unconfirmed(api: Api, node: str) -> list[dict[str, Any]]:
    """Servers that have moved from a node while they were off and could still be sent back to it."""
    found = api.get("compute", f"/os-migrations?source_compute={node}&status=finished")["migrations"]
    servers = [api.get("compute", f"/servers/{each['instance_uuid']}")["server"] for each in found]
    return [each for each in servers if each["OS-EXT-SRV-ATTR:host"] != node and each["status"] == MOVED]


def _servers(api: Api, node: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = api.get("compute", f"/servers/detail?all_tenants=1&host={node}")["servers"]
    return found


def _moved(api: Api, server: dict[str, Any], node: str) -> str:
    """The node that a server has moved to, or had before."""
    path, before = f"/servers/{server['id']}", server["status"]
    if before != MOVED:
        live = {"os-migrateLive": {"host": None, "block_migration": "auto"}}
        api.send("POST", "compute", f"{path}/action", live if before in LIVE else {"migrate": None})
    seen: dict[str, Any] = {}
    confirmed: list[bool] = []

    def arrived() -> bool:
        seen.update(api.get("compute", path)["server"])
        if seen["status"] == "ERROR":
            raise HotstackError(f"{server['name']} to leave {node}", _why(seen), "See: hotstack-os logs nova-compute.")
        if seen["OS-EXT-STS:task_state"]:
            return False
        if seen["status"] == MOVED:
            if not confirmed:  # Nova says nothing of a confirmation that it is at
                api.send("POST", "compute", f"{path}/action", {"confirmResize": None})
                confirmed.append(True)
            return False
        if seen["OS-EXT-SRV-ATTR:host"] == node and _failed(api, server["id"]):
            raise HotstackError(f"{server['name']} to leave {node}", _why(seen), "See: hotstack-os logs nova-compute.")
        return bool(seen["OS-EXT-SRV-ATTR:host"] != node and (before == MOVED or seen["status"] == before))

    wanted = f"{server['name']} to leave {node}"
    until(arrived, wanted, seconds=SECONDS, step=1.0, last=lambda: f"{seen.get('status')} on {node}")
    return str(seen["OS-EXT-SRV-ATTR:host"])


def _failed(api: Api, server: str) -> bool:
    """Whether the last migration of a server came to nothing."""
    found = api.get("compute", f"/os-migrations?instance_uuid={server}")["migrations"]
    last = max(found, key=lambda each: each["id"], default=None)
    return bool(last and last["status"] in ("error", "failed", "cancelled"))


def _why(server: dict[str, Any]) -> str:
    return str(server.get("fault", {}).get("message", "its migration failed"))
