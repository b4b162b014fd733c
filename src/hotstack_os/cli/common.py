"""What verbs share: finding the cloud, showing stages."""

from __future__ import annotations

import argparse
import os
import sys
import threading
from dataclasses import replace
from pathlib import Path

from hotstack_os.settings.cloud import Cloud

DEFAULT_FILE = "hotstack-os.yaml"


def add_cloud_arguments(parser: argparse.ArgumentParser) -> None:
    """Which cloud a verb is about."""
    parser.add_argument("-s", "--settings", type=Path, metavar="FILE", help=f"settings (default: ./{DEFAULT_FILE})")
    parser.add_argument("--cloud", metavar="NAME", help="a cloud that is there, by name")
    parser.add_argument("--json", action="store_true", help="print data as JSON")


def wanted_cloud(arguments: argparse.Namespace) -> Cloud:
    """The cloud as the settings describe it: those of --settings, of ./hotstack-os.yaml, or the defaults."""
    from hotstack_os.catalogue import registry  # noqa: PLC0415
    from hotstack_os.settings.loading import load  # noqa: PLC0415

    environ = dict(os.environ)
    if getattr(arguments, "cloud", None):
        environ["HOTSTACK_NAME"] = arguments.cloud
    file = arguments.settings or (Path(DEFAULT_FILE) if Path(DEFAULT_FILE).exists() else None)
    cloud = load(file, environ, frozenset(registry.services()))
    target = getattr(arguments, "target", None)
    return replace(cloud, target=target) if target else cloud


def existing_cloud(arguments: argparse.Namespace) -> Cloud:
    """The cloud as it was last brought up, when no settings are given; the wanted one otherwise."""
    if arguments.settings is None:
        guess = wanted_cloud(arguments)
        saved = guess.state / "settings.yaml"
        if saved.exists():
            arguments.settings = saved
    return wanted_cloud(arguments)


class Lines:
    """A reporter that writes plain lines to standard error."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._lock = threading.Lock()

    def begin(self, stage: str) -> None:
        self._write(f"{stage} …")

    def end(self, stage: str, seconds: float, *, failed: bool) -> None:
        self._write(f"{stage}: {'failed after' if failed else 'done in'} {seconds:.1f} s")

    def say(self, line: str) -> None:
        if not self._quiet:
            self._write(f"  {line}")

    def _write(self, line: str) -> None:
        with self._lock:
            print(line, file=sys.stderr, flush=True)
