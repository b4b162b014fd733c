"""hotstack-os settings …"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from hotstack_os.cli.common import (
    add_cloud_arguments,
    environment,
    existing_cloud,
    refuse_unused,
    settings_file,
    wanted_cloud,
)
from hotstack_os.errors import UsageError

EXAMPLES = """show: what counts, and where each value comes from (default, line of the file, environment variable)
explain KEY: what a key is for, its value and its default; check: whether a file can be used; schema: for editors
recover: a cloud's secrets.json, when it is gone, from the cloud's running node

examples:
  hotstack-os settings show -s lab.yaml
  hotstack-os settings explain networks.mtu
  hotstack-os settings check lab.yaml
  hotstack-os settings schema > hotstack-os.schema.json
  hotstack-os settings recover --cloud lab
"""


USES = {
    "show": ("settings", "cloud", "json"),
    "explain": ("key",),
    "check": ("settings", "cloud", "key"),
    "schema": (),
    "recover": ("settings", "cloud"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_cloud_arguments(parser)
    parser.add_argument("action", choices=tuple(USES))
    parser.add_argument("key", nargs="?", metavar="KEY|FILE", help="for explain: a key; for check: a settings file")


def run(arguments: argparse.Namespace) -> int:
    refuse_unused(arguments, USES)
    return {"show": _show, "explain": _explain, "check": _check, "schema": _schema, "recover": _recover}[
        arguments.action
    ](arguments)


def _show(arguments: argparse.Namespace) -> int:
    from hotstack_os.settings import effective  # noqa: PLC0415
    from hotstack_os.settings.releases import remembered  # noqa: PLC0415
    from hotstack_os.settings.text import as_settings  # noqa: PLC0415

    cloud = wanted_cloud(arguments)
    origins = effective.origins(cloud, settings_file(arguments), environment(arguments), remembered(cloud.state))
    if arguments.json:
        print(json.dumps({"settings": as_settings(cloud), "origins": origins}, indent=1))
    else:
        print(effective.annotated(cloud, origins), end="")
    return 0


def _explain(arguments: argparse.Namespace) -> int:
    from hotstack_os.catalogue import registry  # noqa: PLC0415
    from hotstack_os.settings.documentation import explain  # noqa: PLC0415

    if arguments.key is None:
        raise UsageError("a key behind explain", "none", "Like this: hotstack-os settings explain networks.mtu")
    print(explain(arguments.key, registry.takes()))
    return 0


def _check(arguments: argparse.Namespace) -> int:
    if arguments.key is not None and arguments.settings is not None:
        raise UsageError("one settings file", f"{arguments.settings} and {arguments.key}")
    if arguments.key is not None:
        arguments.settings = Path(arguments.key)
    cloud = wanted_cloud(arguments)
    file = settings_file(arguments)
    print(f"{file or 'No file, but the defaults'}: good settings of a cloud named {cloud.name}.")
    return 0


def _recover(arguments: argparse.Namespace) -> int:
    from hotstack_os.deploy.recovery import recover  # noqa: PLC0415

    cloud = existing_cloud(arguments)
    done = recover(cloud)
    print(f"{len(done.found)} secrets of the cloud {cloud.name} are in {cloud.state / 'secrets.json'} again.")
    if done.lost:
        print(f"Made anew, since they were not found; the next `up` puts them in place: {', '.join(done.lost)}.")
    for lost in done.unreadable:
        print(f"Lost, unless a backup has the old file: {lost}.")
    print("The next `hotstack-os up` restarts its services once: they are compared under a new key.")
    return 0


def _schema(_: argparse.Namespace) -> int:
    from hotstack_os.settings.documentation import json_schema  # noqa: PLC0415

    print(json.dumps(json_schema(), indent=1))
    return 0
