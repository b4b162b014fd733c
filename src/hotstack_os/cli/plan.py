"""hotstack-os plan"""

from __future__ import annotations

import argparse
import json

from hotstack_os.cli.common import add_cloud_arguments, wanted_cloud

EXAMPLES = """exit status: 0 nothing to do, 2 there are changes

examples:
  hotstack-os plan
  hotstack-os plan --json | jq '.actions[].ref'
"""
CHANGES = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_cloud_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    from hotstack_os.deploy import cloud as clouds  # noqa: PLC0415

    images, plan = clouds.plan(wanted_cloud(arguments))
    missing = [state for state in images if not state.present]
    if arguments.json:
        built = [{"name": state.recipe.image.name, "reasons": list(state.reasons)} for state in missing]
        print(json.dumps({"images": built, **plan.as_json()}, indent=1))
    else:
        for state in missing:
            print(f"+ image/{state.recipe.image.name}")
            print("".join(f"    {reason}\n" for reason in state.reasons), end="")
        print("\n".join(plan.lines()))
    return CHANGES if plan or missing else 0
