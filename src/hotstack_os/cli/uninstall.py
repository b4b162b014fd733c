"""hotstack-os uninstall"""

from __future__ import annotations

import argparse
import sys

from hotstack_os.cli.common import add_cloud_arguments, existing_cloud
from hotstack_os.cli.confirm import confirm

EXAMPLES = """Three levels of removal: `stop` ends services; `uninstall` removes them with units and configuration;
data, servers, secrets and the configuration of libvirt and Open vSwitch stay, and `up` finds them; `down` removes all.

examples:
  hotstack-os uninstall                 asks for the cloud's name
  hotstack-os uninstall --yes
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_cloud_arguments(parser, json=False)
    parser.add_argument("--yes", action="store_true", help="do not ask")


def run(arguments: argparse.Namespace) -> int:
    from hotstack_os.cli.progress import make_reporter  # noqa: PLC0415
    from hotstack_os.deploy import cloud as clouds  # noqa: PLC0415
    from hotstack_os.deploy.machine import node_of  # noqa: PLC0415
    from hotstack_os.deploy.stages import Stages  # noqa: PLC0415

    cloud = existing_cloud(arguments)
    if not cloud.state.exists():
        print(f"There is no cloud {cloud.name}.", file=sys.stderr)
        return 0
    if not arguments.yes:
        confirm(f"This removes the services of the cloud {cloud.name} and their configuration; data stays.", cloud.name)
    with node_of(cloud):  # a node that is down cannot be cleared
        done = clouds.uninstall(cloud, Stages(make_reporter()))
    changes = f"{len(done.actions)} changes" if done else "nothing had to be done"
    print(f"The services of the cloud {cloud.name} are removed: {changes}. Its data is kept.")
    return 0
