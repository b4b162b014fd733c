"""Adding a cloud to the clouds.yaml that a person already has, without touching anything else in it.

The new entries are put in as lines, not by writing the parsed file anew: comments, order and quoting stay. Whether that
gave what was meant is seen by parsing the result, before it takes the file's place.
"""

from __future__ import annotations

import os
import re
import textwrap
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from hotstack_os.errors import HotstackError
from hotstack_os.whole import put

_CLOUDS = re.compile(r"^clouds:[ \t]*(#.*)?$", re.MULTILINE)
_CHILD = re.compile(r"^( +)[^ \t\r\n#]", re.MULTILINE)  # YAML takes no other characters for blanks


def own_path() -> Path:
    """Where OpenStack's clients look for a person's clouds.yaml."""
    base = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(base) / "openstack" / "clouds.yaml"


def merge(source: Path, target: Path) -> Path | None:
    """Add the clouds of `source` to `target`; returns the copy that was made of it, None where nothing was lost.

    An entry that is there already, and the same, is left alone. One that is different is somebody's: HotstackError, and
    nothing is changed. The file is replaced whole, 0600, since it holds passwords; a link keeps pointing at it.
    """
    place = Path(os.path.realpath(target))
    before = place.read_text() if place.exists() else ""
    old = _parsed(before, target)
    wanted = yaml.safe_load(source.read_text())["clouds"]
    missing = {name: entry for name, entry in wanted.items() if not _has(old, name, entry, target)}
    if not missing:
        return None
    after = _inserted(before, missing)
    expected = {**old, "clouds": {**(old.get("clouds") or {}), **missing}}
    if _parsed(after, target) != expected:
        hint = "Write its clouds as an indented block, or add the entries by hand."
        raise HotstackError(f"lines below `clouds:` to add to in {target}", "another form of YAML", hint)
    return _replace(place, before, after)


def _parsed(text: str, path: Path) -> dict[str, Any]:
    try:
        found = yaml.safe_load(text)
    except yaml.YAMLError as error:
        found = str(error).splitlines()[0]
    if found is None:
        return {}
    if not isinstance(found, dict) or not isinstance(found.get("clouds") or {}, dict):
        said = found if isinstance(found, str) else "something else"
        raise HotstackError(f"a mapping of clouds in {path}", said, "Correct the file; nothing was changed.")
    return found


def _has(old: Mapping[str, Any], name: str, entry: Any, path: Path) -> bool:
    clouds = old.get("clouds") or {}
    if name in clouds and clouds[name] != entry:
        hint = "Nothing was changed. Remove or rename that entry, and run the command again."
        raise HotstackError(f"no other cloud named {name} in {path}", "one that is different", hint)
    return name in clouds


def _inserted(text: str, entries: Mapping[str, Any]) -> str:
    """`text` with the entries directly below the line `clouds:`, indented as the others are; that line is added where
    there is none."""
    block = yaml.safe_dump(dict(entries), default_flow_style=False)
    line = _CLOUDS.search(text)
    if line is None:
        gap = "" if not text or text.endswith("\n") else "\n"
        return f"{text}{gap}clouds:\n{textwrap.indent(block, '  ')}"
    rest = text[line.end() :]
    child = _CHILD.search(rest)
    following = re.search(r"^[^ \t\r\n#]", rest, re.MULTILINE)
    own = child and (following is None or child.start() < following.start())
    indent = child[1] if child and own else "  "
    return f"{text[: line.end()]}\n{textwrap.indent(block.rstrip(), indent)}{rest or chr(10)}"


def _replace(place: Path, before: str, after: str) -> Path | None:
    place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    backup = place.with_name(f"{place.name}.{time.strftime('%Y%m%d-%H%M%S')}.bak") if before else None
    if backup:
        put(backup, before, 0o600)
    put(place, after, 0o600)
    return backup
