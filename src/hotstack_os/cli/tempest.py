"""hotstack-os tempest …"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from hotstack_os.cli.common import add_cloud_arguments, existing_cloud

if TYPE_CHECKING:
    from hotstack_os.tempest.outcomes import Outcome, Verdict

EXAMPLES = """Without arguments: every test that has to pass (docs/CONFORMANCE.md). A test of these lists that fails,
is skipped or is not there any more fails the run; so does any other test that fails.

examples:
  hotstack-os tempest --smoke
  hotstack-os tempest --list ci                          a list of this program, or a file with ids
  hotstack-os tempest tempest.api.identity.v3.test_tokens
  hotstack-os tempest --clean                            everything called tempest-… goes
  hotstack-os tempest --json --smoke | jq '.required[] | select(.status != "passed")'
"""
WORKERS = 2
SIGNS = {"passed": ("✓", "green"), "failed": ("✗", "red"), "skipped": ("-", "yellow"), "missing": ("?", "red")}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_cloud_arguments(parser)
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--smoke", action="store_true", help="the list of upstream's smoke tests")
    which.add_argument("--list", metavar="FILE", help="the tests of a file, or of a list by name")
    which.add_argument("--clean", action="store_true", help="run nothing; remove what interrupted runs left")
    parser.add_argument("--concurrency", type=int, default=WORKERS, metavar="N", help=f"processes (default {WORKERS})")
    parser.add_argument("patterns", nargs="*", metavar="REGEX", help="tests whose ids match")


def run(arguments: argparse.Namespace) -> int:
    from hotstack_os.deploy import tempest  # noqa: PLC0415
    from hotstack_os.errors import UsageError  # noqa: PLC0415
    from hotstack_os.tempest import lists, outcomes, reports  # noqa: PLC0415

    if arguments.patterns and (arguments.smoke or arguments.list or arguments.clean):
        raise UsageError("a list, expressions or --clean", "two of them")
    if arguments.clean and arguments.json:
        raise UsageError("--clean alone", "--json, though nothing is printed")
    cloud = existing_cloud(arguments)
    if arguments.clean:
        with tempest.bench(cloud, _say) as bench:
            bench.clean()
        return 0
    named = "smoke" if arguments.smoke else arguments.list
    required = lists.chosen(named) if named else lists.required()
    began = time.time()
    with tempest.bench(cloud, _say) as bench:
        there = bench.tests(arguments.patterns)
        if arguments.patterns:
            matched = {outcomes.plain(test) for test in there}
            required = tuple(test for test in required if test in matched)
            todo = there
        else:
            todo = lists.resolve(required, there)
        _say(f"{len(todo)} tests")
        seen = list(_shown(bench.run(todo, arguments.concurrency), len(todo)))
    verdict = outcomes.judge(required, seen)
    seconds = time.time() - began
    written = reports.write(tempest.directory(cloud), cloud.name, verdict, began, seconds)
    _tell(verdict)
    if arguments.json:
        print(json.dumps(reports.as_json(verdict, seconds, written), indent=1))
    else:
        print(f"{reports.summary(verdict, seconds)}\n  report  {written['html']}\n  junit   {written['junit']}")
    return 0 if verdict.good else 1


def _shown(outcomes: Iterable[Outcome], number: int) -> Iterator[Outcome]:
    """A line for each outcome on standard error, as it comes."""
    from rich.console import Console  # noqa: PLC0415
    from rich.markup import escape  # noqa: PLC0415

    console = Console(stderr=True, highlight=False, soft_wrap=True)
    width = len(str(number))
    for count, each in enumerate(outcomes, 1):
        sign, colour = SIGNS[each.status]
        why = f"  [dim]{escape(_last_line(each.why))}[/]" if each.status != "passed" else ""
        took = f"[dim]{each.seconds:6.1f} s[/]"
        console.print(f"{count:{width}}/{number} [{colour}]{sign} {each.status:7}[/] {took} {escape(each.test)}{why}")
        yield each


def _tell(verdict: Verdict) -> None:
    """What is bad, at the end, where it is seen."""
    for each in verdict.bad:
        print(f"{each.status}: {each.test}\n    {_last_line(each.why)}", file=sys.stderr)


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1][:300] if lines else ""


def _say(line: str) -> None:
    print(f"tempest: {line}", file=sys.stderr, flush=True)
