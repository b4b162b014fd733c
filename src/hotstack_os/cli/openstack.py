"""hotstack-os openstack …"""

from __future__ import annotations

import argparse
import os

from hotstack_os.cli.common import add_cloud_arguments, existing_cloud

EXAMPLES = """Everything behind `openstack` goes to the client as it is.

examples:
  hotstack-os openstack token issue
  hotstack-os openstack endpoint list -f json
  hotstack-os openstack -- --debug token issue      options of the client itself stand behind --
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_cloud_arguments(parser, json=False)
    parser.add_argument("words", nargs=argparse.REMAINDER, metavar="...", help="what to tell the client")


def run(arguments: argparse.Namespace) -> int:
    from hotstack_os.deploy import credentials  # noqa: PLC0415
    from hotstack_os.deploy.machine import machine_of, program  # noqa: PLC0415
    from hotstack_os.exec.become import become  # noqa: PLC0415

    cloud = existing_cloud(arguments)
    words = arguments.words[1:] if arguments.words[:1] == ["--"] else arguments.words
    # What a shell says of other clouds would be mixed into what the file says of ours, the password with it.
    own = credentials.environment(cloud, admin=os.environ.get("OS_CLOUD") != cloud.name)
    become(machine_of(cloud).client_argv((program("openstack"), *words)), own)
