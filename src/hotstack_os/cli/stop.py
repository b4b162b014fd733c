"""hotstack-os stop"""

from __future__ import annotations

import argparse

from hotstack_os.cli.common import add_cloud_arguments, existing_cloud
from hotstack_os.cli.services import add_services_argument, chosen, known_services

EXAMPLES = """Without names: all services of the cloud. Servers and the session libvirtd run on, and data stays.

examples:
  hotstack-os stop                      all of them; `hotstack-os start` brings them back
  hotstack-os stop heat-api heat-engine
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
            control.stop(host, services)
        else:
            control.stop_all(host, known)
    print(f"{', '.join(services) or 'All services'}: stopped.")
    return 0
