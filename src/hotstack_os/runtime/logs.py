"""What services said: entries of the journal of a node. Pure; who runs journalctl is the caller's business."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from hotstack_os.runtime.quadlet import PREFIX, unit_name

_SHORT = re.compile(r"\d+(s|min|m|h|d|w)")
_TIME = re.compile(r"\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?")
_DATE = re.compile(rf"\d{{4}}-\d{{2}}-\d{{2}}([ T]{_TIME.pattern})?")
_FIELDS = "__REALTIME_TIMESTAMP,_SYSTEMD_UNIT,UNIT,MESSAGE,PRIORITY"


AROUND = ("infra-setup", "ready", "health")
"""Units of ours beside the services; `journal_argv` takes their names like those of services."""


@dataclass(frozen=True)
class Entry:
    """One entry: `time` is local, `service` the name of the service or of another unit of ours."""

    time: datetime
    service: str
    message: str


def journal_argv(services: Iterable[str], *, follow: bool, since: str, lines: str) -> tuple[str, ...]:
    """journalctl(1) for the units of services, in the order of time, an entry of JSON a line.

    `since` is a time as systemd.time(7) reads it, in this machine's zone like all that is printed, or short for a time
    ago: "10m"; empty for no bound. `lines` is a number or "all".
    """
    argv = ["journalctl", "--output=json", "--all", "--no-pager", "--quiet", f"--output-fields={_FIELDS}"]
    argv += [f"--unit={unit_name(each)}" for each in services]
    argv += [f"--since={_since(since)}"] if since else []
    argv += ["--follow"] if follow else []
    argv += [f"--lines={lines}"]
    return tuple(argv)


def _since(text: str) -> str:
    """For a node, which has a time zone of its own: times of day as seconds since 1970.

    "10m" means ten minutes ago, as with other tools; systemd.time(7) wants the minus sign.
    """
    if _SHORT.fullmatch(text):
        return f"-{text}"
    now = datetime.now().astimezone()
    day = {"today": 0, "yesterday": -1, "tomorrow": 1}.get(text)
    if day is not None:
        return _stamp((now + timedelta(day)).strftime("%Y-%m-%d"))
    return _stamp(f"{now:%Y-%m-%d} {text}" if _TIME.fullmatch(text) else text)


def _stamp(text: str) -> str:
    """A date, or a date and a time, of this machine's zone; anything else is left to journalctl."""
    if not _DATE.fullmatch(text):
        return text
    try:
        return f"@{datetime.fromisoformat(text).astimezone().timestamp():f}"
    except ValueError:
        return text


def parse(line: str) -> Entry:
    """An entry of `journalctl --output=json`, where a message that is no text is a list of bytes; or null."""
    raw = json.loads(line)
    message = raw.get("MESSAGE") or ""
    text = bytes(message).decode(errors="replace") if isinstance(message, list) else str(message)
    # What systemd says of a unit bears the unit's name in another field than what the unit says itself.
    unit = raw.get("UNIT") or raw.get("_SYSTEMD_UNIT", "")
    name = unit.removeprefix(PREFIX).removesuffix(".service")
    return Entry(datetime.fromtimestamp(int(raw["__REALTIME_TIMESTAMP"]) / 1e6).astimezone(), name, text.rstrip("\n"))


def printable(text: str) -> str:
    """The message with escapes for all that would act on a terminal: what is logged was partly said by others."""
    return "".join(char if char.isprintable() or char in "\t\n" else ascii(char)[1:-1] for char in text)
