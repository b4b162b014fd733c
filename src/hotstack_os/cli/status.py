"""hotstack-os status"""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING

from hotstack_os.cli.common import add_cloud_arguments, existing_cloud
from hotstack_os.cli.table import table

if TYPE_CHECKING:
    from hotstack_os.deploy.overview import Overview

EXAMPLES = """exit status: 0 all nodes run and all services are healthy, 1 some do not or are not

examples:
  hotstack-os status
  hotstack-os status --json | jq '.services[] | select(.health != "healthy")'
"""
DIGITS = 12
"""So much of an image's digest is enough to tell it from others."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_cloud_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    from hotstack_os.deploy.overview import overview  # noqa: PLC0415

    cloud = existing_cloud(arguments)
    found = overview(cloud)
    if arguments.json:
        print(json.dumps(found.as_json(), indent=1))
    else:
        print("\n".join(lines(cloud.name, found)))
    if found.services and not found.healthy:
        print("Some nodes do not run, or services are not healthy.", file=sys.stderr)
    return 0 if found.healthy else 1


def lines(name: str, found: Overview) -> list[str]:
    """The overview for people."""
    if not found.services:
        return [f"The cloud {name} does not run."]
    rows = [("SERVICE", "NODE", "STATE", "HEALTH", "VERSION", "IMAGE", "SINCE")]
    for each, version in found.services:
        image = each.image.rpartition(":")[2][:DIGITS]
        row = (each.name, each.node, each.state, each.health, version, image)
        notes = "; ".join(note for note in (each.detail, *each.differs) if note)
        rows.append((*row, f"{each.since}  {notes}".rstrip()))
    nodes = [("NODE", "STATE", "ADDRESS"), *((each.name, each.state, each.address) for each in found.nodes)]
    made = [f"{each.name} {choice.name}: {choice.value} ({choice.reason})"
            for each in found.nodes for choice in each.choices]  # fmt: skip
    endpoints = [("ENDPOINT", "TYPE", "URL"), *((each.name, each.type, each.url) for each in found.endpoints)]
    return [*table(rows), "", *table(nodes), *made, *_release(found), "", *table(endpoints)]


def _release(found: Overview) -> list[str]:
    if (own := found.release) is None:
        return []
    other = f"; the settings name {own.wanted}" if own.wanted != own.name else ""
    return [f"release: {own.name} ({own.origin}){other}"]
