"""hotstack-os shell"""

from __future__ import annotations

import argparse

from hotstack_os.cli.common import add_cloud_arguments, add_node_argument, existing_cloud
from hotstack_os.cli.exec import become

EXAMPLES = """examples:
  hotstack-os shell                     on the node: systemctl, podman, journalctl, ovs-vsctl are there
  hotstack-os shell keystone            in the container of a service
  hotstack-os shell --root mariadb
"""
_BEST = "if command -v bash > /dev/null; then exec bash; else exec sh; fi"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_cloud_arguments(parser, json=False)
    add_node_argument(parser)
    parser.add_argument("--root", action="store_true", help="as root, not as the user of the service")
    parser.add_argument("service", nargs="?", metavar="SERVICE", help="whose container (default: the node itself)")


def run(arguments: argparse.Namespace) -> int:
    if arguments.service:
        become(arguments, arguments.service, ["sh", "-c", _BEST], root=arguments.root)
    from hotstack_os.deploy import members  # noqa: PLC0415
    from hotstack_os.exec.become import become as turn_into  # noqa: PLC0415

    cloud = existing_cloud(arguments)
    node = members.named(members.nodes(cloud), arguments.node)
    with members.way_to(cloud, node):
        argv = members.node_argv(cloud, node, ("bash", "-l"))
    turn_into(argv)
