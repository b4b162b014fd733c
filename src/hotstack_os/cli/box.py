"""hotstack-os box …"""

from __future__ import annotations

import argparse
import json
import os

from hotstack_os.cli.common import add_cloud_arguments, add_node_argument, existing_cloud
from hotstack_os.errors import UsageError

EXAMPLES = """Without --node: start, boot and stop mean all boxes of the cloud, the others the first node's.

examples:
  hotstack-os box list
  hotstack-os box enter                 a shell in the box
  hotstack-os box enter -- podman ps    one command in the box
  hotstack-os box stop
  hotstack-os box enter --node compute-1
"""

COMMAND = "words"
"""What stands behind `--` is not ours to read."""
ALL = ("start", "boot", "stop")
"""What is done to all boxes of a cloud where none is named."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_cloud_arguments(parser)
    add_node_argument(parser)
    parser.add_argument("action", choices=("list", "create", "boot", "start", "enter", "stop", "remove"))
    parser.add_argument("words", nargs="*", metavar="COMMAND", help="for enter: what to run instead of a shell")


def run(arguments: argparse.Namespace) -> int:
    from hotstack_os.box import list_boxes  # noqa: PLC0415
    from hotstack_os.deploy import members  # noqa: PLC0415

    cloud = existing_cloud(arguments)
    if arguments.action == "list":
        homes = sorted(cloud.state.parent.glob("*")) if cloud.state.parent.is_dir() else []
        boxes = [box for home in homes for box in list_boxes(home)]
        found = [{"name": box.spec.name, "status": box.state().status, "leader": box.state().leader} for box in boxes]
        lines = [f"{each['name']}  {each['status']}  leader {each['leader']}" for each in found]
        print(json.dumps({"boxes": found}) if arguments.json else "\n".join(lines) or "There are no boxes.")
        return 0
    every = members.boxes(cloud)
    node = members.named(every, arguments.node)
    box = every[node]
    if arguments.action == "remove" and node in cloud.nodes:
        raise UsageError("--node of the first node", node, "Take it out of the settings' nodes: `up` then removes it.")
    if arguments.action == "remove" and (others := members.known(cloud)):
        hint = "They share its directories. Take them out of the settings' nodes, or remove all: hotstack-os down."
        raise UsageError("a cloud without further nodes", ", ".join(others), hint)
    if arguments.action == "enter":
        argv = box.enter_argv(tuple(arguments.words) or ("bash", "-l"))
        os.execvp(argv[0], argv)
    if arguments.action == "create":
        cloud.state.mkdir(mode=0o700, parents=True, exist_ok=True)
    meant = tuple(every) if arguments.action in ALL and not arguments.node else (node,)
    if arguments.action in ("start", "boot"):
        members.boot_all(cloud, meant)
    else:
        for each in reversed(meant):
            act = every[each]
            {"create": act.create, "stop": act.stop, "remove": act.remove}[arguments.action]()
    for each in meant:
        print(f"Box {every[each].spec.name}: {every[each].state().status}.")
    return 0
