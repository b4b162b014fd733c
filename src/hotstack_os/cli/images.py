"""hotstack-os images …"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from hotstack_os.cli.common import add_cloud_arguments, refuse_unused, wanted_cloud

if TYPE_CHECKING:
    from hotstack_os.images.builder import ImageState

EXAMPLES = """examples:
  hotstack-os images list
  hotstack-os images build
  hotstack-os images lock --release 2025.2 --constraints upper-constraints.txt
"""


USES = {
    "list": ("json", "settings", "cloud"),
    "build": ("settings", "cloud"),
    "lock": ("constraints", "release"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_cloud_arguments(parser)
    parser.add_argument("action", choices=tuple(USES))
    parser.add_argument("--constraints", metavar="FILE|URL", help="for lock: upper constraints of the release")
    parser.add_argument("--release", metavar="NAME", help="for lock: the OpenStack release that they are of")


def run(arguments: argparse.Namespace) -> int:
    from hotstack_os.cli.progress import make_reporter  # noqa: PLC0415
    from hotstack_os.deploy import cloud as clouds  # noqa: PLC0415
    from hotstack_os.deploy.image_set import image_states  # noqa: PLC0415
    from hotstack_os.deploy.stages import Stages  # noqa: PLC0415

    refuse_unused(arguments, USES)
    if arguments.action == "lock":
        return _lock(arguments)
    cloud = wanted_cloud(arguments)
    if arguments.action == "list":
        return _list(image_states(cloud), json_wanted=arguments.json)
    stages = Stages(make_reporter())
    with stages.stage("images"):
        clouds.build(cloud, stages)
    return 0


def _list(states: Sequence[ImageState], *, json_wanted: bool) -> int:
    rows = [
        {"name": each.recipe.image.name, "reference": each.recipe.reference, "present": each.present} for each in states
    ]
    lines = [f"{row['name']:12} {row['reference']:55} {'present' if row['present'] else 'missing'}" for row in rows]
    print(json.dumps({"images": rows}, indent=1) if json_wanted else "\n".join(lines))
    return 0


def _lock(arguments: argparse.Namespace) -> int:
    from hotstack_os.catalogue.images import IMAGES  # noqa: PLC0415
    from hotstack_os.errors import UsageError  # noqa: PLC0415
    from hotstack_os.images import lock, resolve  # noqa: PLC0415
    from hotstack_os.whole import put  # noqa: PLC0415

    if not arguments.constraints or not arguments.release:
        raise UsageError("--constraints and --release for lock", "at least one is missing")
    made = resolve.make_lock(IMAGES, arguments.release, arguments.constraints)
    file = lock.directory() / arguments.release / "requirements.lock"
    file.parent.mkdir(exist_ok=True)
    put(file, lock.text(made))
    print(f"{len(made)} projects are locked in {file}.")
    return 0
