"""hotstack-os restart"""

from __future__ import annotations

import argparse

from hotstack_os.cli.common import add_cloud_arguments, existing_cloud
from hotstack_os.cli.services import add_services_argument, chosen, known_services

EXAMPLES = """Waits until they answer. Restarts these and no others. Without names: all services of the cloud.

examples:
  hotstack-os restart nova-compute
  hotstack-os restart                   all of them
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_cloud_arguments(parser, json=False)
    add_services_argument(parser, "which ones (default: all)")


def run(arguments: argparse.Namespace) -> int:
    from hotstack_os.deploy.lock import held  # noqa: PLC0415
    from hotstack_os.deploy.machine import node_of  # noqa: PLC0415
    from hotstack_os.runtime import control  # noqa: PLC0415

    known = known_services()
    services = chosen(arguments.services, known)
    cloud = existing_cloud(arguments)
    with node_of(cloud) as host, held(cloud):
        if services:
            control.restart(host, services)
        else:
            control.restart_all(host, known)
    print(f"{', '.join(services) or 'All services'}: restarted, and answering.")
    return 0
