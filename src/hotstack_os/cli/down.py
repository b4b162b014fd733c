"""hotstack-os down"""

from __future__ import annotations

import argparse
import sys

from hotstack_os.cli.common import add_cloud_arguments, existing_cloud
from hotstack_os.cli.confirm import confirm

EXAMPLES = """Removes the cloud with all its data, its servers and its box. Images and package caches stay.

examples:
  hotstack-os down                      asks for the cloud's name
  hotstack-os down --yes
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_cloud_arguments(parser, json=False)
    parser.add_argument("--yes", action="store_true", help="do not ask")


def run(arguments: argparse.Namespace) -> int:
    from hotstack_os.cli.progress import make_reporter  # noqa: PLC0415
    from hotstack_os.deploy import cloud as clouds  # noqa: PLC0415
    from hotstack_os.deploy.stages import Stages  # noqa: PLC0415

    cloud = existing_cloud(arguments)
    if not cloud.state.exists():
        print(f"There is no cloud {cloud.name}.", file=sys.stderr)
        return 0
    if not arguments.yes:
        confirm(f"This removes the cloud {cloud.name} with all its data.", cloud.name)
    stays = clouds.down(cloud, Stages(make_reporter()))
    print("".join(f"{line}\n" for line in stays), end="")
    print(f"The cloud {cloud.name} is gone.")
    return 0
