"""What is in the project of the cloud's user, asked without the client, whose imports take seconds each time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from hotstack_os.catalogue import registry
from hotstack_os.content.api import Api
from hotstack_os.deploy.machine import node_of
from hotstack_os.deploy.smoke import user_api
from hotstack_os.settings.loading import load
from hotstack_os.smoke.stack import API
from system.conftest import CloudUnderTest

LISTS = {
    "servers": ("compute", "/servers"),
    "keypairs": ("compute", "/os-keypairs"),
    "volumes": ("volume", "/{project}/volumes"),
    "snapshots": ("volume", "/{project}/snapshots"),
    "stacks": (API, "/stacks"),
    "configs": (API, "/software_configs"),
    **{
        name: ("network", f"/{name}?project_id={{project}}")
        for name in ("networks", "subnets", "routers", "ports", "floatingips", "security-groups", "trunks")
    },
}
"""Name → API and path of a list."""


@contextmanager
def api_of(cloud: CloudUnderTest) -> Iterator[Api]:
    """The APIs as the cloud's user."""
    settings = load(cloud.settings, dict(cloud.environment), registry.takes())
    with node_of(settings) as host:
        yield user_api(settings, host)


def things(cloud: CloudUnderTest) -> dict[str, set[str]]:
    """Name of a list → names and ids of what is in it, in the user's project."""
    with api_of(cloud) as api:
        return {name: _listed(api, *where) for name, where in LISTS.items()}


def _listed(api: Api, service: str, path: str) -> set[str]:
    (found,) = (
        value
        for value in api.get(service, path.format(project=api.keystone.project_id)).values()
        if isinstance(value, list)
    )
    return {_name(each.get("keypair", each)) for each in found}


def _name(thing: dict[str, Any]) -> str:
    said = thing.get("stack_name") or thing.get("name") or thing.get("floating_ip_address") or ""
    return f"{said} {thing.get('id', '')}".strip()


def new(before: dict[str, set[str]], after: dict[str, set[str]]) -> dict[str, set[str]]:
    """What is there after and was not before."""
    return {name: after[name] - before[name] for name in after if after[name] - before[name]}
