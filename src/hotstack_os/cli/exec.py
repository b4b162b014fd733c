"""hotstack-os exec"""

from __future__ import annotations

import argparse
import os
import sys

from hotstack_os.cli.common import add_cloud_arguments, existing_cloud
from hotstack_os.cli.services import chosen, known_services
from hotstack_os.errors import UsageError

EXAMPLES = """The exit status is that of the program.

examples:
  hotstack-os exec keystone -- keystone-manage doctor
  hotstack-os exec --root mariadb -- mariadb -e 'SHOW DATABASES'
  hotstack-os exec nova-conductor -- sh -c 'cat /etc/nova/nova.conf'
"""
COMMAND = "words"
"""What stands behind `--` is not ours to read."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_cloud_arguments(parser, json=False)
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
    from hotstack_os.deploy.machine import machine_of, node_of  # noqa: PLC0415
    from hotstack_os.runtime import control  # noqa: PLC0415

    cloud = existing_cloud(arguments)
    (name,) = chosen([service], known_services(cloud))
    with node_of(cloud) as host:
        control.require_active(host, name)
    inside = control.exec_argv(name, words, root=root, terminal=sys.stdin.isatty() and sys.stdout.isatty())
    argv = machine_of(cloud).node_argv(inside)
    os.execvp(argv[0], argv)
