"""hotstack-os images …"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from hotstack_os.cli.common import add_cloud_arguments, refuse_unused, wanted_cloud

if TYPE_CHECKING:
    from hotstack_os.images.builder import ImageState
    from hotstack_os.settings.cloud import Cloud

EXAMPLES = """prune: a cloud of another HOTSTACK_STATE_DIR is known from its next `up` on, or one by this version.
Bring it up once before; what was removed all the same, `images build` with its settings builds again.

examples:
  hotstack-os images list
  hotstack-os images build
  hotstack-os images prune                       what no cloud of this machine runs, after a question
  hotstack-os images lock --release 2025.2 --constraints upper-constraints.txt
"""


USES = {
    "list": ("json", "settings", "cloud"),
    "build": ("settings", "cloud"),
    "lock": ("constraints", "release"),
    "prune": ("settings", "cloud", "yes", "json"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_cloud_arguments(parser)
    parser.add_argument("action", choices=tuple(USES))
    parser.add_argument("--yes", action="store_true", help="for prune: do not ask")
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
    if arguments.action == "prune":
        return _prune(cloud, yes=arguments.yes, json_wanted=arguments.json)
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


def _prune(cloud: Cloud, *, yes: bool, json_wanted: bool) -> int:
    from hotstack_os.cli.confirm import confirm  # noqa: PLC0415
    from hotstack_os.deploy.image_set import needed  # noqa: PLC0415
    from hotstack_os.images.store import Store  # noqa: PLC0415

    store = Store(cloud.cache)
    unused = store.unused(needed(cloud))
    if unused and not yes:
        print("\n".join(unused), file=sys.stderr)
        confirm(
            f"No cloud that uses the cache {cloud.cache} runs these images. They go, and can be built again.", "images"
        )
    gone = store.collect(lambda: needed(cloud), _wait) if unused else ()
    said = "\n".join(f"Removed {each}." for each in gone) or "There are none that no cloud runs."
    print(json.dumps({"removed": list(gone)}) if json_wanted else said)
    return 0


def _wait() -> None:
    print("hotstack-os: another process builds images; waiting for it", file=sys.stderr, flush=True)


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
