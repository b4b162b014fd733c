"""The settings that a cloud was last brought up with, in its state directory, with a checksum in their first line."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from hotstack_os.settings.cloud import Cloud
from hotstack_os.settings.text import as_yaml
from hotstack_os.whole import Damaged, put, read

FILE = "settings.yaml"
_MARK = "# as `up` found them; sha256 of what follows: "
_LINE = re.compile(re.escape(_MARK.encode()) + rb"([0-9a-f]{64})\n")


def keep(cloud: Cloud) -> None:
    """Put them in place whole."""
    text = as_yaml(cloud)
    put(cloud.state / FILE, f"{_MARK}{hashlib.sha256(text.encode()).hexdigest()}\n{text}")


def find(state: Path) -> Path | None:
    """The file, whole; None where there is none, `Damaged` where it is not as it was written.

    A file of an earlier version has no checksum; it begins with the cloud's name.
    """
    path = state / FILE
    hint = f"Remove it (rm {path}), and give the settings with their release: -s FILE. No FILE stands for the defaults."
    raw = read(path, hint)
    if raw is None:
        return None
    if first := _LINE.match(raw):
        if hashlib.sha256(raw[first.end() :]).hexdigest().encode() != first[1]:
            raise Damaged(path, "contents that do not fit their checksum", hint)
    elif not raw.startswith(b"name: "):
        raise Damaged(path, "something else than settings that `up` kept", hint)
    return path
