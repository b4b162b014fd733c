"""A node without servers: those that run move away while they run, the others while they are off."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from hotstack_os.bootstrap.keystone import KeystoneDown, LoginRefused
from hotstack_os.content.api import Api
from hotstack_os.deploy.machine import node_of
from hotstack_os.deploy.places import administrator, known_context
from hotstack_os.errors import HotstackError
from hotstack_os.exec import Host
from hotstack_os.exec.wait import until
from hotstack_os.settings.cloud import Cloud

SECONDS = 900.0
"""For one server: its memory and its disk go over the network."""
LIVE, COLD = ("ACTIVE", "PAUSED"), ("SHUTOFF",)
Say = Callable[[str], None]


def drain(cloud: Cloud, node: str, say: Say) -> int:
    """Let no new server come to a node, and move those that are there to others; how many moved.

    Nothing moves where one of them cannot: suspended servers, shelved ones that are not offloaded yet, broken ones.
    """
    with node_of(cloud) as host:
        api = _api(cloud, host)
        servers = _servers(api, node)
        if stuck := [f"{each['name']} is {each['status']}" for each in servers if each["status"] not in LIVE + COLD]:
            hint = "Resume, start or delete these, and run the command again."
            raise HotstackError(f"servers of {node} that run or are off", ", ".join(sorted(stuck)), hint)
        enable(api, node, wanted=False)
        for each in servers:
            began = time.monotonic()
            where = _moved(api, each, node)
            say(f"{each['name']} runs on {where} ({time.monotonic() - began:.1f} s)")
        return len(servers)


def undrain(cloud: Cloud, node: str) -> None:
    """Let servers come to a node again."""
    with node_of(cloud) as host:
        enable(_api(cloud, host), node, wanted=True)


def _api(cloud: Cloud, host: Host) -> Api:
    api = administrator(known_context(cloud), host)
    try:
        api.keystone.login()
    except (KeystoneDown, LoginRefused) as error:
        hint = "Start it: hotstack-os start keystone."
        raise HotstackError("Keystone to let us in", str(error) or type(error).__name__, hint) from None
    return api


def enable(api: Api, node: str, *, wanted: bool) -> None:
    """Whether the scheduler chooses a node."""
    found = api.get("compute", f"/os-services?binary=nova-compute&host={node}")["services"]
    if not found:
        raise HotstackError(f"a nova-compute on {node}", "Nova knows of none", "Run hotstack-os up.")
    status = {"status": "enabled"} if wanted else {"status": "disabled", "disabled_reason": "drained"}
    api.send("PUT", "compute", f"/os-services/{found[0]['id']}", status)


def _servers(api: Api, node: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = api.get("compute", f"/servers/detail?all_tenants=1&host={node}")["servers"]
    return found


def _moved(api: Api, server: dict[str, Any], node: str) -> str:
    """The node that a server has moved to."""
    path = f"/servers/{server['id']}"
    live = server["status"] in LIVE
    body = {"os-migrateLive": {"host": None, "block_migration": "auto"}} if live else {"migrate": None}
    api.send("POST", "compute", f"{path}/action", body)
    seen: dict[str, Any] = {}
    confirmed: list[bool] = []

    def arrived() -> bool:
        seen.update(api.get("compute", path)["server"])
        if seen["status"] == "ERROR":
            raise HotstackError(f"{server['name']} to leave {node}", _why(seen), "See: hotstack-os logs nova-compute.")
        if seen["OS-EXT-STS:task_state"]:
            return False
        if seen["status"] == "VERIFY_RESIZE":
            if not confirmed:  # Nova says nothing of a confirmation that it is at
                api.send("POST", "compute", f"{path}/action", {"confirmResize": None})
                confirmed.append(True)
            return False
        if seen["OS-EXT-SRV-ATTR:host"] == node and _failed(api, server["id"]):
            raise HotstackError(f"{server['name']} to leave {node}", _why(seen), "See: hotstack-os logs nova-compute.")
        return bool(seen["OS-EXT-SRV-ATTR:host"] != node and seen["status"] == server["status"])

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
