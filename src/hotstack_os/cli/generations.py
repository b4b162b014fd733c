"""hotstack-os generations"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict
from typing import TYPE_CHECKING

from hotstack_os.cli.common import add_cloud_arguments, existing_cloud
from hotstack_os.cli.table import table
from hotstack_os.errors import HotstackError

if TYPE_CHECKING:
    from hotstack_os.core.generations import Generation

EXAMPLES = """Each `up` or `uninstall` that did something leaves a record: who ran it, from where, with which plan.

examples:
  hotstack-os generations               the last ones
  hotstack-os generations 7             the plan of one of them
  hotstack-os generations --json | jq '.generations[0].caller'
"""
UNKNOWN = "-"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_cloud_arguments(parser)
    parser.add_argument("number", nargs="?", type=int, metavar="NUMBER", help="which one (default: a list of all)")


def run(arguments: argparse.Namespace) -> int:
    from hotstack_os.core.generations import KEPT, Generations  # noqa: PLC0415

    cloud = existing_cloud(arguments)
    found = Generations(cloud.state / "generations").last(KEPT)
    if arguments.number is not None:
        found = tuple(each for each in found if each.number == arguments.number)
        if not found:
            wanted = f"the generation {arguments.number} of the cloud {cloud.name}"
            raise HotstackError(wanted, "none, or none any more", "See which there are: hotstack-os generations.")
    if arguments.json:
        print(json.dumps({"generations": [_json(each) for each in found]}, indent=1))
    elif arguments.number is not None:
        print("\n".join([*table([_HEAD, _row(found[0])]), "", *plan_lines(found[0])]))
    else:
        print("\n".join(table([_HEAD, *map(_row, found)])) if found else f"The cloud {cloud.name} has none.")
    return 0


def plan_lines(generation: Generation) -> list[str]:
    """The plan of a generation as `plan` shows it."""
    from hotstack_os.core.plan import SIGNS  # noqa: PLC0415

    signs = {str(verb): sign for verb, sign in SIGNS.items()}
    said = []
    for each in generation.plan:
        said.append(f"{signs.get(each['verb'], each['verb'])} {each['ref']}")
        said += [f"    {reason}" for reason in each["reasons"]]
    return said or ["Nothing is known of what was done."]


def _json(generation: Generation) -> dict[str, object]:
    """Without the resources: `diagnose` has them."""
    return {name: value for name, value in asdict(generation).items() if name != "resources"}


_HEAD = ("NUMBER", "WHEN", "WHO", "FROM", "VERB", "VERSION", "CHANGES")


def _row(generation: Generation) -> tuple[str, ...]:
    who = generation.caller
    origin = " ".join(str(who[name]) for name in ("address", "terminal", "host") if who.get(name))
    when = time.strftime("%F %T", time.localtime(generation.time))
    changes = str(len(generation.plan)) if generation.verb else UNKNOWN
    texts = (str(who.get("user", UNKNOWN)), origin or UNKNOWN, generation.verb or UNKNOWN, generation.version, changes)
    return (str(generation.number), when, *texts)
