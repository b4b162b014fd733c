"""What a stack of the scenario has lost: made by a service that died before Heat heard of it.

Heat names a resource after its stack, so that the prefix tells ours from all others in the project.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from hotstack_os.content.api import Api
from hotstack_os.exec.wait import until
from hotstack_os.smoke.stack import NAME

GONE_SECONDS = 60
LISTS = {
    "servers": ("compute", "/servers"),
    "volumes": ("volume", "/{project}/volumes"),
    "trunks": ("network", "/trunks"),
    "routers": ("network", "/routers"),
    "ports": ("network", "/ports"),
    "networks": ("network", "/networks"),
    "security_groups": ("network", "/security-groups"),
}
"""Kind → API and path, in the order in which they let go of each other. A key pair has no name of its own to be lost:
the next stack would make it again under the same; a floating IP goes with its port's use of it."""
Found = Mapping[str, list[Mapping[str, Any]]]


class Orphans:
    """Things of the scenario in the project of `api` that no stack has; asked for when there is no stack."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def remove(self) -> tuple[str, ...]:
        """Remove them all; returns their names."""
        found = self._found()
        for kind, things in found.items():
            for thing in things:
                self._remove(kind, thing)
            if things and kind in ("servers", "volumes"):
                until(self._none(kind), f"no {kind} named {NAME}…", seconds=GONE_SECONDS, step=0.5)
        return tuple(str(thing["name"]) for things in found.values() for thing in things)

    def _found(self) -> Found:
        with ThreadPoolExecutor(len(LISTS)) as pool:
            return dict(zip(LISTS, pool.map(self._list, LISTS), strict=True))

    def _list(self, kind: str) -> list[Mapping[str, Any]]:
        api, path = LISTS[kind]
        return ours(self._api.get(api, self._path(path))[kind])

    def _none(self, kind: str) -> Callable[[], bool]:
        return lambda: not self._list(kind)

    def _remove(self, kind: str, thing: Mapping[str, Any]) -> None:
        if kind == "routers":
            self._unplug(str(thing["id"]))
        api, path = LISTS[kind]
        self._api.send("DELETE", api, f"{self._path(path)}/{thing['id']}")

    def _unplug(self, router: str) -> None:
        """Take a router's interfaces out: it cannot be removed with them."""
        interfaces = "network:router_interface"
        for port in self._api.get("network", f"/ports?device_id={router}&device_owner={interfaces}")["ports"]:
            self._api.send("PUT", "network", f"/routers/{router}/remove_router_interface", {"port_id": port["id"]})

    def _path(self, path: str) -> str:
        return path.format(project=self._api.keystone.project_id)


def ours(listed: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Those that are named as a stack of the scenario names its things."""
    return [each for each in listed if str(each["name"]).startswith(f"{NAME}-")]
