"""hotstack-os doctor"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from hotstack_os.cli.common import add_cloud_arguments, cloud_to_examine
from hotstack_os.cli.paint import Paint

if TYPE_CHECKING:
    from hotstack_os.health.findings import Diagnosis

EXAMPLES = """Looks at this machine, and at the cloud if there is one; changes nothing.
exit status: 0 no problem, 1 problems

examples:
  hotstack-os doctor
  hotstack-os doctor --json | jq '.findings[] | select(.severity == "problem")'
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_cloud_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    from hotstack_os.deploy.examine_machine import examine_machine  # noqa: PLC0415
    from hotstack_os.health import cloud as cloud_checks  # noqa: PLC0415
    from hotstack_os.health import machine as machine_checks  # noqa: PLC0415
    from hotstack_os.health.findings import diagnose  # noqa: PLC0415

    cloud = cloud_to_examine(arguments)
    found = [*diagnose("machine", examine_machine(cloud), machine_checks.CHECKS, {})]
    if cloud.state.exists():
        from hotstack_os.deploy.examine_cloud import examine_cloud  # noqa: PLC0415
        from hotstack_os.deploy.examine_state import examine_state  # noqa: PLC0415
        from hotstack_os.health import state as state_checks  # noqa: PLC0415

        found += diagnose(cloud.name, examine_state(cloud), state_checks.CHECKS, {})
        seen = examine_cloud(cloud)
        found += diagnose(cloud.name, seen, cloud_checks.CHECKS, seen.troubles)
    problems = sum(each.finding.severity == "problem" for each in found)
    if arguments.json:
        said = [{"check": each.check, "subject": each.subject, **asdict(each.finding)} for each in found]
        print(json.dumps({"problems": problems, "findings": said}, indent=1))
    elif found:
        print("\n".join(lines(found, Paint(sys.stdout))))
    print(_summary(problems, len(found) - problems), file=sys.stderr)
    return 1 if problems else 0


def lines(found: Sequence[Diagnosis], paint: Paint) -> list[str]:
    """Findings for people."""
    said = []
    for each in found:
        finding = each.finding
        said.append(paint.strong(f"{finding.severity}: {each.subject}: {finding.what}"))
        said += [f"    {line}" for line in finding.why.splitlines()]
        said.append(f"    → {finding.todo}")
    return said


def _summary(problems: int, notes: int) -> str:
    counted = [f"{count} {word}{'' if count == 1 else 's'}" for count, word in ((problems, "problem"), (notes, "note"))]
    return f"{' and '.join(each for each in counted if each[0] != '0') or 'No problem'} found."
