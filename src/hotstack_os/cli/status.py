"""hotstack-os status"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict

from hotstack_os.cli.common import add_cloud_arguments, existing_cloud

EXAMPLES = """exit status: 0 all services are healthy, 1 some are not

examples:
  hotstack-os status
  hotstack-os status --json | jq '.services[] | select(.health != "healthy")'
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_cloud_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    from hotstack_os.catalogue import registry  # noqa: PLC0415
    from hotstack_os.deploy.cloud import machine_of  # noqa: PLC0415
    from hotstack_os.health.status import service_status  # noqa: PLC0415

    cloud = existing_cloud(arguments)
    machine = machine_of(cloud)
    if not cloud.state.exists() or not machine.running:
        print(json.dumps({"services": []}) if arguments.json else f"The cloud {cloud.name} does not run.")
        return 1
    with machine.host() as host:
        services = service_status(host, host.name, registry.services())
    if arguments.json:
        print(json.dumps({"services": [asdict(each) for each in services]}, indent=1))
    else:
        width = max(len(each.name) for each in services)
        for each in services:
            detail = f"  {each.detail}" if each.detail else ""
            print(f"{each.name:{width}}  {each.state:10}  {each.health:9}  {each.since}{detail}")
    if not all(each.health == "healthy" for each in services):
        print("Some services are not healthy.", file=sys.stderr)
        return 1
    return 0
