"""hotstack-os diagnose"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from hotstack_os.cli.common import add_cloud_arguments, existing_cloud
from hotstack_os.errors import UsageError

EXAMPLES = """One archive for a bug report: settings, configuration, logs, versions, plan, and the state of containers,
units, Open vSwitch, OVN and libvirt. Secrets and tokens are masked. What could not be had is named in errors.txt.

examples:
  hotstack-os diagnose
  hotstack-os diagnose -o lab.tar.gz && tar -tf lab.tar.gz
  hotstack-os diagnose -o - | ssh elsewhere 'cat > lab.tar.gz'
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_cloud_arguments(parser, json=False)
    where = "the archive (default: hotstack-os-NAME-TIME.tar.gz, here; - is standard output)"
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help=where)


def run(arguments: argparse.Namespace) -> int:
    from hotstack_os.deploy.evidence import STDOUT, collect, fit  # noqa: PLC0415

    cloud = existing_cloud(arguments)
    path = arguments.output or Path(f"hotstack-os-{cloud.name}-{time.strftime('%Y%m%d-%H%M%S')}.tar.gz")
    if path == STDOUT and sys.stdout.isatty():
        raise UsageError("a file or a pipe for the archive", "a terminal", "Say -o FILE.")
    fit(path)
    print("Collecting; this takes some seconds.", file=sys.stderr)
    errors = collect(cloud, path)
    if errors:
        print(f"Some things could not be had; errors.txt in the archive names all {len(errors)}.", file=sys.stderr)
    if path != STDOUT:
        print(path)
    return 0
