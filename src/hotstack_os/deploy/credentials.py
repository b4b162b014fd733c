"""clouds.yaml: how clients reach the cloud and as whom; for its owner's eyes only."""

from __future__ import annotations

import os
from pathlib import Path

from hotstack_os.deploy.desired import Node
from hotstack_os.settings.cloud import Cloud

NAME = "clouds.yaml"


def path(cloud: Cloud) -> Path:
    """Where the file is."""
    return cloud.state / NAME


def write(cloud: Cloud, node: Node) -> None:
    """Write it whole, 0600."""
    access = node.access
    text = access.password.reveal()
    lines = [
        "clouds:",
        f"  {cloud.name}-admin:",
        f"    region_name: {cloud.region}",
        "    identity_api_version: 3",
        "    auth:",
        f"      auth_url: {access.public_url}",
        "      username: admin",
        f"      password: {text}",
        "      project_name: admin",
        "      user_domain_name: Default",
        "      project_domain_name: Default",
        "",
    ]
    beside = path(cloud).with_suffix(".new")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as handle:
        handle.write("\n".join(lines))
    beside.rename(path(cloud))
