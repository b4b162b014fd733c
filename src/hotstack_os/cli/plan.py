"""hotstack-os plan"""

from __future__ import annotations

import argparse
import json
import sys

from hotstack_os.cli.common import add_cloud_arguments, add_destroy_arguments, asked_of, wanted_cloud

EXAMPLES = """exit status: 0 nothing to do, 2 there are changes, 3 some of them destroy what --destroy does not name

examples:
  hotstack-os plan
  hotstack-os plan --json | jq '.actions[].ref'
"""
CHANGES, LOSSES = 2, 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_cloud_arguments(parser)
    add_destroy_arguments(parser)
    parser.add_argument("--target", choices=("box", "local"), help="where the cloud runs")


def run(arguments: argparse.Namespace) -> int:
    from hotstack_os.deploy import cloud as clouds  # noqa: PLC0415
    from hotstack_os.deploy import standing  # noqa: PLC0415

    cloud = wanted_cloud(arguments)
    asked = asked_of(arguments, cloud)
    images, plan = clouds.plan(cloud, asked)
    standing.require_destroyed(asked, plan, standing.agreed(cloud.state))
    unnamed = plan.unnamed(asked.named)
    missing = [(state.recipe.image.name, state.reasons) for state in images if not state.present]
    missing += [(name, ()) for name in clouds.unbuilt(cloud)]
    if arguments.json:
        built = [{"name": name, "reasons": list(reasons)} for name, reasons in missing]
        left = [str(each.ref) for each in unnamed]
        print(json.dumps({"images": built, **plan.as_json(), "unnamed": left}, indent=1))
    else:
        for name, reasons in missing:
            print(f"+ image/{name}")
            print("".join(f"    {reason}\n" for reason in reasons), end="")
        print("\n".join(plan.lines()))
        if unnamed:
            print("`up` refuses this unless each is named: --destroy REF.", file=sys.stderr)
    if unnamed:
        return LOSSES
    return CHANGES if plan or missing else 0
