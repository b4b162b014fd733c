"""hotstack-os drain"""

from __future__ import annotations

import argparse

from hotstack_os.cli.common import add_cloud_arguments, existing_cloud
from hotstack_os.errors import UsageError

EXAMPLES = """Servers that run move while they run, those that are off are copied. New ones go to other nodes
until --undo. A node that has no servers can be taken out of the settings; `up` then removes it.

examples:
  hotstack-os drain compute-1
  hotstack-os drain --undo compute-1
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_cloud_arguments(parser, json=False)
    parser.add_argument("--undo", action="store_true", help="let servers come to it again")
    parser.add_argument("node", metavar="NODE", help="the node that is to be without servers")


def run(arguments: argparse.Namespace) -> int:
    from hotstack_os.deploy import drain, members  # noqa: PLC0415
    from hotstack_os.deploy.lock import held  # noqa: PLC0415

    cloud = existing_cloud(arguments)
    every = members.nodes(cloud)
    node = members.named(every, arguments.node)
    if not arguments.undo and len(every) == 1:
        raise UsageError(
            "a cloud with further nodes, to which servers can go", f"{node} alone", "See: nodes, settings."
        )
    with held(cloud, arguments.verb):
        if arguments.undo:
            drain.undrain(cloud, node)
            print(f"Servers can come to {node}.")
        else:
            moved = drain.drain(cloud, node, lambda line: print(line, flush=True))
            print(f"{node} has no servers; {moved} moved away.")
    return 0
