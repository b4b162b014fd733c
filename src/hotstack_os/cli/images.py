"""hotstack-os images …"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from hotstack_os.cli.common import Lines, add_cloud_arguments, wanted_cloud

EXAMPLES = """examples:
  hotstack-os images list
  hotstack-os images build
  hotstack-os images lock --constraints upper-constraints.txt
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_cloud_arguments(parser)
    parser.add_argument("action", choices=("list", "build", "lock"))
    parser.add_argument("--constraints", metavar="FILE|URL", help="for lock: upper constraints of the release")
    parser.add_argument("--output", type=Path, metavar="DIR", help="for lock: directory of the lock")


def run(arguments: argparse.Namespace) -> int:
    from hotstack_os.deploy import cloud as clouds  # noqa: PLC0415
    from hotstack_os.deploy.stages import Stages  # noqa: PLC0415

    cloud = wanted_cloud(arguments)
    if arguments.action == "build":
        stages = Stages(Lines())
        with stages.stage("images"):
            clouds.build(cloud, stages)
        return 0
    if arguments.action == "list":
        states = clouds.image_states(cloud)
        rows = [
            {"name": each.recipe.image.name, "reference": each.recipe.reference, "present": each.present}
            for each in states
        ]
        lines = [f"{row['name']:12} {row['reference']:55} {'present' if row['present'] else 'missing'}" for row in rows]
        print(json.dumps({"images": rows}, indent=1) if arguments.json else "\n".join(lines))
        return 0
    return _lock(arguments)


def _lock(arguments: argparse.Namespace) -> int:
    from hotstack_os.errors import UsageError  # noqa: PLC0415

    if not arguments.constraints or not arguments.output:
        raise UsageError("--constraints and --output for lock", "at least one is missing")
    raise NotImplementedError
