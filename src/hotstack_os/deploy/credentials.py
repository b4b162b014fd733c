"""clouds.yaml: how clients reach the cloud and as whom; for its owner's eyes only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from hotstack_os.content.credential import write_secret
from hotstack_os.deploy.content import password
from hotstack_os.deploy.ledgers import GENERATIONS
from hotstack_os.deploy.node import Node
from hotstack_os.errors import HotstackError
from hotstack_os.hidden import Hidden
from hotstack_os.settings.cloud import Cloud
from hotstack_os.whole import read

NAME = "clouds.yaml"
_ANEW = "`hotstack-os up` writes it anew."


def path(cloud: Cloud) -> Path:
    """Where the file is."""
    return cloud.state / NAME


def environment(cloud: Cloud, *, admin: bool) -> dict[str, str]:
    """Variables by which OpenStack's clients find the cloud; HotstackError where they would not, or it never was up."""
    entry = cloud.name if cloud.content.enabled and not admin else f"{cloud.name}-admin"
    file = path(cloud)
    raw = read(file, _ANEW)
    if raw is None and not (cloud.state / GENERATIONS).exists():
        raise HotstackError(f"the cloud {cloud.name}", "no such cloud on this machine", "Bring it up: hotstack-os up.")
    if entry not in _entries(raw or b""):
        raise HotstackError(f"the cloud {entry} in {file}", "none" if raw else "no such file", _ANEW)
    return {"OS_CLIENT_CONFIG_FILE": str(file), "OS_CLOUD": entry}


def _entries(raw: bytes) -> dict[str, Any]:
    """What is in the file; nothing where it is something else."""
    try:
        found = yaml.safe_load(raw)
    except yaml.YAMLError:
        return {}
    clouds = found.get("clouds") if isinstance(found, dict) else None
    return clouds if isinstance(clouds, dict) else {}


def write(cloud: Cloud, node: Node) -> None:
    """Write it whole, 0600: CLOUD for the user of the cloud's content, CLOUD-admin for the administrator."""
    entries = {f"{cloud.name}-admin": _entry(cloud, node, "admin", node.access.password, "admin")}
    content = cloud.content
    if content.enabled:
        secret = node.context.secret(password(node))
        entries[cloud.name] = _entry(cloud, node, content.user, secret, content.project)
    data = yaml.safe_dump({"clouds": entries}, sort_keys=True, default_flow_style=False)
    write_secret(path(cloud), node.access.password.around(data))


def _entry(cloud: Cloud, node: Node, user: str, secret: Hidden, project: str) -> dict[str, Any]:
    return {
        "region_name": cloud.region,
        "interface": "public",
        "identity_api_version": 3,
        "auth_type": "password",
        "auth": {
            "auth_url": node.access.public_url,
            "username": user,
            "password": secret.reveal(),
            "project_name": project,
            "user_domain_name": "Default",
            "project_domain_name": "Default",
        },
    }
