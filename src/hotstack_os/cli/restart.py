"""hotstack-os restart"""

from __future__ import annotations

import argparse

from hotstack_os.cli.common import add_cloud_arguments
from hotstack_os.cli.services import add_services_argument, carry_out

EXAMPLES = """Waits until they answer. Restarts these and no others. Without names: all services of the cloud.

examples:
  hotstack-os restart nova-compute
  hotstack-os restart                   all of them
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_cloud_arguments(parser, json=False)
    add_services_argument(parser, "which ones (default: all)")


def run(arguments: argparse.Namespace) -> int:
    from hotstack_os.runtime import control  # noqa: PLC0415

    return carry_out(arguments, control.restart, control.restart_all, "restarted, and answering", first_last=False)
