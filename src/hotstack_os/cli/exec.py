"""hotstack-os exec"""

from __future__ import annotations

import argparse
import sys

from hotstack_os.cli.common import add_cloud_arguments, add_node_argument, existing_cloud
from hotstack_os.cli.services import chosen
from hotstack_os.errors import UsageError

EXAMPLES = """The exit status is that of the program.

examples:
  hotstack-os exec keystone -- keystone-manage doctor
  hotstack-os exec --root mariadb -- mariadb -e 'SHOW DATABASES'
  hotstack-os exec --node compute-1 nova-compute -- virsh version
  hotstack-os exec nova-conductor -- sh -c 'cat /etc/nova/nova.conf'
"""
COMMAND = "words"
"""What stands behind `--` is not ours to read."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_cloud_arguments(parser, json=False)
    add_node_argument(parser)
    parser.add_argument("--root", action="store_true", help="as root, not as the user of the service")
    parser.add_argument("service", metavar="SERVICE", help="whose container")
    parser.add_argument("words", nargs="*", metavar="-- COMMAND", help="the program and its arguments")


def run(arguments: argparse.Namespace) -> int:
    if not arguments.words:
        raise UsageError("a program behind --", "none", "Like this: hotstack-os exec keystone -- id")
    become(arguments, arguments.service, arguments.words, root=arguments.root)
    raise AssertionError("we became another program")


def become(arguments: argparse.Namespace, service: str, words: list[str], *, root: bool) -> None:
    """Turn into a program in the container of a service; with a terminal where we have one."""
    from hotstack_os.deploy import members  # noqa: PLC0415
    from hotstack_os.exec.become import become as turn_into  # noqa: PLC0415
    from hotstack_os.runtime import control  # noqa: PLC0415

    cloud = existing_cloud(arguments)
    node = members.named(members.nodes(cloud), arguments.node)
    (name,) = chosen([service], members.services(cloud, node))
    with members.way_to(cloud, node) as host:
        control.require_active(host, name)
    inside = control.exec_argv(name, words, root=root, terminal=sys.stdin.isatty() and sys.stdout.isatty())
    argv = members.node_argv(cloud, node, inside)
    turn_into(argv)
