"""What verbs share: finding the cloud that they are about."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from hotstack_os.errors import UsageError
from hotstack_os.settings.cloud import Cloud

if TYPE_CHECKING:
    from hotstack_os.deploy.standing import Asked
    from hotstack_os.settings.releases import Remembered

OPTIONS = {"words": "", "key": ""}
"""How an argument is written, where it is not written as it is called."""
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


def add_destroy_arguments(parser: argparse.ArgumentParser) -> None:
    """What may be lost by a plan, and whether another cloud is meant beside one that is there."""
    what = "what the plan may destroy, exactly as it names it; again for each"
    parser.add_argument("--destroy", action="append", default=[], metavar="REF", help=what)
    parser.add_argument("--new", action="store_true", help="a cloud beside the one that these settings made before")


def asked_of(arguments: argparse.Namespace, cloud: Cloud) -> Asked:
    """What the command line says beside the settings."""
    from hotstack_os.core.model import Ref  # noqa: PLC0415
    from hotstack_os.deploy.standing import Asked  # noqa: PLC0415
    from hotstack_os.settings import effective  # noqa: PLC0415

    file = settings_file(arguments)
    origins = effective.origins(cloud, file, environment(arguments))
    if getattr(arguments, "target", None):
        origins["target"] = "--target"
    return Asked(frozenset(map(Ref.parse, arguments.destroy)), arguments.new, file, origins)


def refuse_unused(arguments: argparse.Namespace, uses: Mapping[str, Collection[str]]) -> None:
    """An argument that the chosen action does not use is a mistake of whoever typed it. `uses`: action → its own."""
    action: str = arguments.action
    for name in sorted({each for names in uses.values() for each in names} - set(uses[action])):
        if value := getattr(arguments, name):
            shown = " ".join(map(str, value)) if isinstance(value, list) else "" if value is True else str(value)
            said = " ".join(filter(None, (OPTIONS.get(name, f"--{name}"), shown)))
            verb = f"{arguments.verb} {action}"
            raise UsageError(f"nothing but what `{verb}` uses", said, f"See hotstack-os {arguments.verb} --help.")


def wanted_cloud(arguments: argparse.Namespace) -> Cloud:
    """The cloud as the settings describe it: those of --settings, of ./hotstack-os.yaml, or the defaults."""
    return _cloud(arguments, own_release)


def _cloud(arguments: argparse.Namespace, own: Callable[[Path], Remembered | None], *, former: bool = False) -> Cloud:
    """The cloud, `own` and `former` as for `load`. From here on every wait is as patient as its settings say."""
    from hotstack_os.catalogue import registry  # noqa: PLC0415
    from hotstack_os.exec.patience import stretch  # noqa: PLC0415
    from hotstack_os.settings.loading import load  # noqa: PLC0415
    from hotstack_os.settings.problems import SettingsError  # noqa: PLC0415

    try:
        cloud = load(settings_file(arguments), environment(arguments), registry.takes(), own=own, former=former)
    except SettingsError as error:
        for each in error.problems:
            if each.key == "name" and getattr(arguments, "cloud", None):
                raise UsageError(f"--cloud with {each.wanted}", each.found, each.hint) from None
        raise
    stretch(cloud.patience)
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
    """The cloud as it was last brought up, when no settings are given; the wanted one otherwise.

    What it was brought up with may be refused by now. It is looked at, stopped and taken away all the same, wherever
    the settings still say what it is: it is `up` that names the keys to be changed.
    """
    if arguments.settings is None:
        from hotstack_os.settings import kept  # noqa: PLC0415

        # The file at hand has to name the cloud, no more: it may be the one that it was brought up with.
        if found := kept.find(_cloud(arguments, own_release, former=True).state):
            arguments.settings = found
            return _cloud(arguments, own_release, former=True)
    return wanted_cloud(arguments)


def cloud_to_examine(arguments: argparse.Namespace) -> Cloud:
    """As `existing_cloud`; where what is remembered of it is damaged, what the settings at hand, or defaults, say."""
    from hotstack_os.whole import Damaged  # noqa: PLC0415

    try:
        return existing_cloud(arguments)
    except Damaged:
        return _cloud(arguments, lambda _: None, former=True)
