"""hotstack-os logs"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from hotstack_os.cli.common import add_cloud_arguments, existing_cloud
from hotstack_os.cli.paint import Paint
from hotstack_os.cli.services import add_services_argument, chosen
from hotstack_os.errors import UsageError

if TYPE_CHECKING:
    from hotstack_os.runtime.logs import Entry

EXAMPLES = """examples:
  hotstack-os logs                              the last lines of all services, in the order of time
  hotstack-os logs nova-compute neutron-server -f
  hotstack-os logs keystone --since 10m
  hotstack-os logs --since '2026-11-21 08:00' -n all | grep ERROR
"""
LAST = 100
"""Lines that are shown when nothing says how many."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_cloud_arguments(parser, json=False)
    add_services_argument(parser, "whose lines (default: all services, and the units around them)")
    parser.add_argument("-f", "--follow", action="store_true", help="go on until Ctrl-C")
    parser.add_argument("--since", metavar="WHEN", default="", help="10m, 2h, today, '2026-11-21 08:00', …")
    many = f"the last LINES lines, or all (default: {LAST}, or all since WHEN)"
    parser.add_argument("-n", "--lines", type=_lines, metavar="LINES", help=many)


def run(arguments: argparse.Namespace) -> int:
    from hotstack_os.deploy import members  # noqa: PLC0415
    from hotstack_os.exec import Command, CommandFailed, stream  # noqa: PLC0415
    from hotstack_os.runtime import logs  # noqa: PLC0415

    cloud = existing_cloud(arguments)
    node = members.named(members.nodes(cloud), arguments.node)
    known = members.services(cloud, node)
    services = chosen(arguments.services, known) or (*known, *logs.AROUND)
    many = arguments.lines or ("all" if arguments.since else str(LAST))
    argv = logs.journal_argv(services, follow=arguments.follow, since=arguments.since, lines=many)
    width, paint = max(len(name) for name in services), Paint(sys.stdout)
    with members.way_to(cloud, node) as host:
        command = Command(host.argv(argv), "read the journal")
        try:
            with stream.lines(command, follows=arguments.follow) as said:
                for line in said:
                    print(rendered(logs.parse(line), width, paint), flush=arguments.follow)
        except CommandFailed as error:
            if "parse timestamp" in error.result.stderr:
                raise UsageError("a time such as 10m or '2026-11-21 08:00'", repr(arguments.since)) from None
            raise
        except KeyboardInterrupt:
            if not arguments.follow:
                raise
    return 0


def rendered(entry: Entry, width: int, paint: Paint) -> str:
    """An entry for people: time, service, message; further lines of a message stand below the first."""
    from hotstack_os.runtime.logs import printable  # noqa: PLC0415

    time = entry.time.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
    margin = "\n" + " " * (len(time) + width + 4)
    name = paint.as_name(entry.service, f"{entry.service:{width}}")
    return f"{time}  {name}  {margin.join(printable(entry.message).splitlines())}"


def _lines(text: str) -> str:
    if text != "all" and not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"a number or all, not {text!r}")
    return text
