"""What verbs share: finding the cloud that they are about."""

from __future__ import annotations

import argparse
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from hotstack_os.errors import UsageError
from hotstack_os.settings.cloud import Cloud

if TYPE_CHECKING:
    from hotstack_os.settings.releases import Remembered

DEFAULT_FILE = "hotstack-os.yaml"


def add_cloud_arguments(parser: argparse.ArgumentParser, *, json: bool = True) -> None:
    """Which cloud a verb is about; and, where it has data to print, whether as JSON."""
    parser.add_argument("-s", "--settings", type=Path, metavar="FILE", help=f"settings (default: ./{DEFAULT_FILE})")
    parser.add_argument("--cloud", metavar="NAME", help="a cloud that is there, by name")
    if json:
        parser.add_argument("--json", action="store_true", help="print data as JSON")


def add_node_argument(parser: argparse.ArgumentParser) -> None:
    """Which node of a cloud a verb is about."""
    parser.add_argument("--node", metavar="NAME", default="", help="which node (default: the first)")


def wanted_cloud(arguments: argparse.Namespace) -> Cloud:
    """The cloud as the settings describe it: those of --settings, of ./hotstack-os.yaml, or the defaults."""
    from hotstack_os.catalogue import registry  # noqa: PLC0415
    from hotstack_os.settings.loading import load  # noqa: PLC0415

    cloud = load(settings_file(arguments), environment(arguments), registry.takes(), own=own_release)
    target = getattr(arguments, "target", None)
    if target == "local" and cloud.nodes:
        raise UsageError("--target box, where a cloud has further nodes", "--target local", "Key: nodes.")
    return replace(cloud, target=target) if target else cloud


def own_release(state: Path) -> Remembered | None:
    """The release that the cloud with this state directory has."""
    from hotstack_os.settings.releases import remembered  # noqa: PLC0415

    found = remembered(state)
    if found or not os.access(state / "journal.jsonl", os.R_OK):
        return found
    from hotstack_os.deploy.release import of_cloud  # noqa: PLC0415 (seldom needed, and much to import)

    return of_cloud(state)


def settings_file(arguments: argparse.Namespace) -> Path | None:
    """The file that settings are read from."""
    given: Path | None = arguments.settings
    return given or (Path(DEFAULT_FILE) if Path(DEFAULT_FILE).exists() else None)


def environment(arguments: argparse.Namespace) -> dict[str, str]:
    """The environment variables that settings are read from; --cloud stands above them."""
    named = getattr(arguments, "cloud", None)
    return {**os.environ, "HOTSTACK_NAME": named} if named else dict(os.environ)


def existing_cloud(arguments: argparse.Namespace) -> Cloud:
    """The cloud as it was last brought up, when no settings are given; the wanted one otherwise."""
    if arguments.settings is None:
        from hotstack_os.settings import kept  # noqa: PLC0415

        arguments.settings = kept.find(wanted_cloud(arguments).state)
    return wanted_cloud(arguments)
