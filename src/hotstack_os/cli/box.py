"""hotstack-os box …"""

from __future__ import annotations

import argparse
import json
import os

from hotstack_os.cli.common import add_cloud_arguments, existing_cloud

EXAMPLES = """examples:
  hotstack-os box list
  hotstack-os box enter                 a shell in the box
  hotstack-os box enter -- podman ps    one command in the box
  hotstack-os box stop
"""

COMMAND = "words"
"""What stands behind `--` is not ours to read."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_cloud_arguments(parser)
    parser.add_argument("action", choices=("list", "create", "boot", "start", "enter", "stop", "remove"))
    parser.add_argument("words", nargs="*", metavar="COMMAND", help="for enter: what to run instead of a shell")


def run(arguments: argparse.Namespace) -> int:
    from hotstack_os.box import Box, list_boxes  # noqa: PLC0415
    from hotstack_os.deploy.cloud import BOOT_SECONDS  # noqa: PLC0415
    from hotstack_os.deploy.machine import box_spec  # noqa: PLC0415

    cloud = existing_cloud(arguments)
    if arguments.action == "list":
        homes = sorted(cloud.state.parent.glob("*")) if cloud.state.parent.is_dir() else []
        boxes = [box for home in homes for box in list_boxes(home)]
        found = [{"name": box.spec.name, "status": box.state().status, "leader": box.state().leader} for box in boxes]
        lines = [f"{each['name']}  {each['status']}  leader {each['leader']}" for each in found]
        print(json.dumps({"boxes": found}) if arguments.json else "\n".join(lines) or "There are no boxes.")
        return 0
    box = Box(box_spec(cloud))

    def boot() -> None:
        box.boot(BOOT_SECONDS)

    if arguments.action == "enter":
        argv = box.enter_argv(tuple(arguments.words) or ("bash", "-l"))
        os.execvp(argv[0], argv)
    if arguments.action == "create":
        cloud.state.mkdir(mode=0o700, parents=True, exist_ok=True)
    {"start": boot, "boot": boot, "create": box.create, "stop": box.stop, "remove": box.remove}[arguments.action]()
    print(f"Box {box.spec.name}: {box.state().status}.")
    return 0
