"""Quotas of the project in each service that has any."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from hotstack_os.content.api import Api, Observer
from hotstack_os.core.model import Absent, Observation, Present, Ref, Resource
from hotstack_os.core.plan import Action

KIND = "quota"
FIELDS: Mapping[str, Mapping[str, str]] = {
    "compute": {each: each for each in ("cores", "ram", "instances", "key_pairs", "server_groups")},
    "network": {
        "networks": "network",
        "subnets": "subnet",
        "ports": "port",
        "routers": "router",
        "floating_ips": "floatingip",
        "security_groups": "security_group",
        "security_group_rules": "security_group_rule",
    },
    "volume": {each: each for each in ("volumes", "gigabytes", "snapshots")},
}
"""service → name in the settings → name in the API."""
_PATHS = {"compute": "/os-quota-sets/{}", "network": "/quotas/{}", "volume": "/os-quota-sets/{}"}
_KEYS = {"compute": "quota_set", "network": "quota", "volume": "quota_set"}


def quota(service: str, limits: Mapping[str, int], node: str, needs: frozenset[Ref], project: Ref) -> Resource:
    """The limits of one service. A project always has some, those of the release, so ours are laid over them."""
    state = {name: limits[name] for name in FIELDS[service]}
    return Resource(Ref(KIND, service, node), state, needs, project, foreign="adopt")


class QuotaHandler(Observer):
    """Quotas by service."""

    def __init__(self, api: Api) -> None:
        self.api = api

    def look(self, resources: Sequence[Resource]) -> Mapping[Ref, Observation]:
        project = self.api.project_id()
        with ThreadPoolExecutor(len(FIELDS)) as pool:
            seen = list(pool.map(lambda each: self._one(each.ref.name, project), resources))
        return {each.ref: found for each, found in zip(resources, seen, strict=True)}

    def _one(self, service: str, project: str) -> Observation:
        if not project:
            return Absent()
        found = self.api.get(service, _PATHS[service].format(project))[_KEYS[service]]
        return Present({name: found[field] for name, field in FIELDS[service].items()})

    def apply(self, action: Action) -> None:
        service = action.ref.name
        if action.verb == "remove":
            return  # It goes with the project.
        limits = {FIELDS[service][name]: limit for name, limit in action.resource.state.items()}
        self.api.send("PUT", service, _PATHS[service].format(self.api.project_id()), {_KEYS[service]: limits})
