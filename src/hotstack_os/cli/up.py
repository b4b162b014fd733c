"""hotstack-os up"""

from __future__ import annotations

import argparse
import json

from hotstack_os.cli.common import add_cloud_arguments, add_destroy_arguments, asked_of, wanted_cloud

EXAMPLES = """Data and keys are destroyed only where --destroy names them, for this one time; `plan` shows their names.

examples:
  hotstack-os up                        a cloud in a box, with the defaults
  hotstack-os up -s lab.yaml            as lab.yaml says
  hotstack-os up --target local         this machine becomes the cloud's node
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_cloud_arguments(parser)
    add_destroy_arguments(parser)
    parser.add_argument("--target", choices=("box", "local"), help="where the cloud runs")
    parser.add_argument("-q", "--quiet", action="store_true", help="show stages only")


def run(arguments: argparse.Namespace) -> int:
    from hotstack_os.cli.progress import make_reporter  # noqa: PLC0415
    from hotstack_os.deploy import cloud as clouds  # noqa: PLC0415
    from hotstack_os.deploy import credentials  # noqa: PLC0415
    from hotstack_os.deploy.stages import Stages  # noqa: PLC0415

    cloud = wanted_cloud(arguments)
    outcome = clouds.up(cloud, Stages(make_reporter(quiet=arguments.quiet)), asked_of(arguments, cloud))
    address, file = str(cloud.networks.gateway), str(credentials.path(cloud))
    if arguments.json:
        said = {"name": cloud.name, "address": address, "credentials": file, "seconds": outcome.seconds}
        print(json.dumps({**said, "changes": len(outcome.plan.actions)}, indent=1))
        return 0
    changes = len(outcome.plan.actions)
    print(f"The cloud {cloud.name} is up: {f'{changes} changes' if changes else 'nothing had to be done'}.")
    print(f"  address      {address}")
    print(f"  credentials  {file}")
    print("  next         hotstack-os openstack token issue")
    return 0
