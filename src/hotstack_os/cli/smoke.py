"""hotstack-os smoke"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from hotstack_os.cli.common import add_cloud_arguments, existing_cloud
from hotstack_os.cli.paint import Paint
from hotstack_os.cli.table import table

if TYPE_CHECKING:
    from hotstack_os.smoke.steps import Verdict

EXAMPLES = """Makes a stack with two servers, networks, a router, volumes, trunks and floating IPs as the cloud's user,
proves that they work, and removes it again, even when interrupted. What an interrupted run left is removed first.
exit status: 0 every step passed, 1 some did not

examples:
  hotstack-os smoke
  hotstack-os smoke --json | jq '.steps[] | select(.outcome != "passed")'
  hotstack-os smoke --keep        the stack stays, to look into it
  hotstack-os smoke --again       prove the kept stack once more
  hotstack-os smoke --remove      remove the kept stack
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_cloud_arguments(parser)
    ways = parser.add_mutually_exclusive_group()
    ways.add_argument("--keep", action="store_true", help="leave the stack there")
    ways.add_argument("--again", action="store_true", help="prove a stack that was kept, and leave it there")
    ways.add_argument("--remove", action="store_true", help="only remove what earlier runs left")


def run(arguments: argparse.Namespace) -> int:
    print("smoke test of the cloud", file=sys.stderr, flush=True)
    from hotstack_os.smoke.steps import all_passed  # noqa: PLC0415

    verdicts = _verdicts(arguments)
    passed = all_passed(verdicts)
    if arguments.json:
        said = {"passed": passed, "seconds": _total(verdicts), "steps": [each.as_json() for each in verdicts]}
        print(json.dumps(said, indent=1))
    else:
        print("\n".join(lines(verdicts, Paint(sys.stdout))))
    print(_summary(verdicts, removed=arguments.remove), file=sys.stderr)
    return 0 if passed else 1


def _verdicts(arguments: argparse.Namespace) -> tuple[Verdict, ...]:
    from hotstack_os.cli.progress import make_reporter  # noqa: PLC0415
    from hotstack_os.deploy.smoke import scenario  # noqa: PLC0415
    from hotstack_os.deploy.stages import Stages  # noqa: PLC0415

    with scenario(existing_cloud(arguments), Stages(make_reporter())) as smoke:
        if arguments.remove:
            return smoke.clean()
        return smoke.again() if arguments.again else smoke.run(keep=arguments.keep)


def lines(verdicts: Sequence[Verdict], paint: Paint) -> list[str]:
    """The verdicts for people; those of failures with what was wanted and found below."""
    rows = [("STEP", "RESULT", "SECONDS", "SEEN")]
    rows += [(each.name, each.outcome, f"{each.seconds:.1f}", each.seen) for each in verdicts]
    said = []
    for each, line in zip((None, *verdicts), table(rows), strict=True):
        failed = each is not None and each.outcome == "failed"
        said.append(paint.strong(line) if failed else line)
        if each is not None and failed:
            said += [f"    wanted {each.wanted}", *_indented(f"found {each.found}")]
    return said


def _indented(text: str) -> list[str]:
    return [f"    {line}" for line in text.splitlines()]


def _summary(verdicts: Sequence[Verdict], *, removed: bool) -> str:
    if failed := [each.name for each in verdicts if each.outcome == "failed"]:
        return f"Failed: {', '.join(failed)}."
    return "Removed." if removed else f"All of it works, seen in {_total(verdicts):.1f} s."


def _total(verdicts: Sequence[Verdict]) -> float:
    return round(sum(each.seconds for each in verdicts), 2)
