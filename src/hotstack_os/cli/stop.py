"""hotstack-os stop"""

from __future__ import annotations

import argparse

from hotstack_os.cli.common import add_cloud_arguments
from hotstack_os.cli.services import add_services_argument, carry_out

EXAMPLES = """Without names: all services of the cloud. Servers and the session libvirtd run on, and data stays.

examples:
  hotstack-os stop                      all of them; `hotstack-os start` brings them back
  hotstack-os stop heat-api heat-engine
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_cloud_arguments(parser, json=False)
    add_services_argument(parser, "which ones (default: all)")


def run(arguments: argparse.Namespace) -> int:
    from hotstack_os.runtime import control  # noqa: PLC0415

    return carry_out(arguments, control.stop, control.stop_all, "stopped", first_last=True)
