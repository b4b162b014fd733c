"""hotstack-os box …"""

from __future__ import annotations

import argparse
import json
from collections.abc import Collection

from hotstack_os.cli.common import add_cloud_arguments, add_node_argument, existing_cloud, refuse_unused
from hotstack_os.cli.confirm import confirm
from hotstack_os.errors import HotstackError, UsageError

EXAMPLES = """Without --node: start, boot and stop mean all boxes of the cloud, the others the first node's. Which cloud
is said by --cloud or --settings, as everywhere; list shows the boxes of all clouds where neither is given.
remove: the box goes with all its data, and the cloud's settings and secrets stay; it asks for the cloud's name.

examples:
  hotstack-os box list
  hotstack-os box enter                 a shell in the box
  hotstack-os box enter -- podman ps    one command in the box
  hotstack-os box stop --cloud lab
  hotstack-os box enter --node compute-1
"""

COMMAND = "words"
"""What stands behind `--` is not ours to read."""
ALL = ("start", "boot", "stop")
"""What is done to all boxes of a cloud where none is named."""
USES = {
    "list": ("json",),
    "create": ("node",),
    "boot": ("node",),
    "start": ("node",),
    "stop": ("node",),
    "enter": ("node", "words"),
    "remove": ("node", "yes"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_cloud_arguments(parser)
    add_node_argument(parser)
    parser.add_argument("--yes", action="store_true", help="for remove: do not ask")
    parser.add_argument("action", choices=tuple(USES))
    parser.add_argument("words", nargs="*", metavar="COMMAND", help="for enter: what to run instead of a shell")


def run(arguments: argparse.Namespace) -> int:
    refuse_unused(arguments, USES)
    if arguments.action == "list":
        return _list(arguments)
    from hotstack_os.deploy import cloud as clouds  # noqa: PLC0415
    from hotstack_os.deploy import members, standing  # noqa: PLC0415
    from hotstack_os.exec.become import become as turn_into  # noqa: PLC0415

    cloud = existing_cloud(arguments)
    standing.require_target(cloud)
    if cloud.target != "box":
        hint = "A shell on it is: hotstack-os shell."
        raise HotstackError(f"the box of the cloud {cloud.name}", "that it lives on this machine itself", hint)
    every = members.boxes(cloud)
    node = members.named(every, arguments.node)
    box = every[node]
    if arguments.action == "enter":
        argv = box.enter_argv(tuple(arguments.words) or ("bash", "-l"))
        turn_into(argv)
    meant = tuple(every) if arguments.action in ALL and not arguments.node else (node,)
    if arguments.action in ("start", "boot"):
        members.boot_all(cloud, meant)
    elif arguments.action == "remove":
        _require_first(node, cloud.nodes)
        if others := members.known(cloud):
            hint = "They share its directories. Take them out of the settings' nodes, or remove all: hotstack-os down."
            raise UsageError("a cloud without further nodes", ", ".join(others), hint)
        # Without the one or the other it is a cloud that has lost something, and not one that is gone.
        if not arguments.yes and (box.state().status != "absent" or (cloud.state / "journal.jsonl").exists()):
            confirm(f"This removes the box of the cloud {cloud.name} with all its data.", cloud.name)
        clouds.remove_box(cloud)
    elif arguments.action == "create":
        cloud.state.mkdir(mode=0o700, parents=True, exist_ok=True)
        box.create()
    else:
        for each in reversed(meant):
            every[each].stop()
    for each in meant:
        print(f"Box {every[each].spec.name}: {every[each].state().status}.")
    return 0


def _require_first(node: str, further: Collection[str]) -> None:
    if node in further:
        raise UsageError("--node of the first node", node, "Take it out of the settings' nodes: `up` then removes it.")


def _list(arguments: argparse.Namespace) -> int:
    from hotstack_os.box import list_boxes  # noqa: PLC0415

    one = arguments.cloud or arguments.settings
    cloud = existing_cloud(arguments)
    homes = [cloud.state] if one else sorted(cloud.state.parent.glob("*")) if cloud.state.parent.is_dir() else []
    boxes = [box for home in homes for box in list_boxes(home)]
    found = [{"name": name, "status": state.status, "leader": state.leader} for name, state in boxes]
    lines = [f"{each['name']}  {each['status']}  leader {each['leader']}" for each in found]
    print(json.dumps({"boxes": found}) if arguments.json else "\n".join(lines) or "There are no boxes.")
    return 0
