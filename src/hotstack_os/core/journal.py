"""The journal: what we are about to do is written down before it is done, so a kill at any moment loses nothing.

One JSON object a line, synced. The ledger (what is ours) is the fold over all lines; there is no second record that
could contradict it. A thing whose creation was begun counts as ours even if the line "done" never came.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from hotstack_os.core import former
from hotstack_os.core.encoding import state_from_json, to_json
from hotstack_os.core.model import Ledger, Owned, Ref, Resource, State, Value
from hotstack_os.core.plan import Action
from hotstack_os.errors import HotstackError

_LONG = 5000


class Journal:
    """The journal of one cloud, and the ledger that follows from it. Safe to use from several threads."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._ledger: dict[Ref, Owned] = {}
        lines = _complete_lines(path)
        for number, line in enumerate(lines, 1):
            self._fold(_parse(line, path, number))
        self._lines = len(lines)

    @property
    def ledger(self) -> Ledger:
        """What is ours at this moment; a copy."""
        with self._lock:
            return dict(self._ledger)

    def begin(self, action: Action) -> None:
        """Say what is going to be done; from here on the thing is ours."""
        before = None if (found := self._found(action)) is None else to_json(found)
        self._write({"event": "begin", "verb": action.verb, **_identity(action.resource), "before": before})

    def _found(self, action: Action) -> State | None:
        """How an adopted thing was found: all of it at first, later what was not looked after before."""
        known = self._ledger.get(action.ref)
        if action.verb != "update" or action.found is None or (known and known.before is None):
            return None
        return _part(action.found, action.resource.state) if known else action.found

    def done(self, action: Action) -> None:
        """Say that it was done; what was removed, restored or forgotten is ours no more."""
        self._write({"event": "done", "verb": action.verb, "ref": str(action.ref)})

    def failed(self, action: Action, error: str) -> None:
        """Say that it was tried in vain, and why."""
        self._write({"event": "failed", "verb": action.verb, "ref": str(action.ref), "error": error})

    def note(self, resources: Iterable[Resource]) -> None:
        """Bring needs and containers of what is ours up to date where nothing else about it changed."""
        for resource in resources:
            owned = self._ledger.get(resource.ref)
            if owned and (owned.needs, owned.within) != (resource.needs, resource.within):
                self._write({"event": "note", **_identity(resource)})

    def compact(self) -> None:
        """Replace a long history by the ledger that follows from it, in one rename."""
        with self._lock:
            if self._lines < _LONG:
                return
            beside = self._path.with_suffix(".new")
            entries = [{"event": "begin", "verb": "update", **_record(each)} for each in self._ledger.values()]
            descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w") as handle:
                handle.writelines(json.dumps(entry) + "\n" for entry in entries)
                handle.flush()
                os.fsync(handle.fileno())
            beside.rename(self._path)
            self._lines = len(entries)

    def _write(self, entry: dict[str, Any]) -> None:
        line = json.dumps({"time": round(time.time(), 3), **entry}) + "\n"
        with self._lock:
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            try:
                os.write(descriptor, line.encode())
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            self._lines += 1
            self._fold(entry)

    def _fold(self, entry: dict[str, Any]) -> None:
        if former.fold(self._ledger, entry):
            return
        ref = Ref.parse(entry["ref"])
        match entry["event"], entry.get("verb"):
            case "begin", "create" | "update":
                known, found = self._ledger.get(ref), _state(entry["before"])
                before = _grown(known.before, found) if known else found
                self._ledger[ref] = Owned(ref, _refs(entry["needs"]), _ref(entry["within"]), before)
            case "note", _:
                self._ledger[ref] = Owned(ref, _refs(entry["needs"]), _ref(entry["within"]), self._ledger[ref].before)
            case "done", "remove" | "restore" | "forget":
                self._ledger.pop(ref, None)


def _part(found: State, wanted: State) -> State:
    """What is found of the keys that are wanted, at every depth."""
    return {
        key: _part(value, inner) if isinstance(value, Mapping) and isinstance(inner := wanted[key], Mapping) else value
        for key, value in found.items()
        if key in wanted
    }


def _grown(before: State | None, found: State | None) -> State | None:
    """What was found first, and beside it what was found when more was looked after."""
    if before is None or found is None:
        return before
    merged: dict[str, Value] = {**found, **before}
    for key in before.keys() & found.keys():
        one, other = before[key], found[key]
        if isinstance(one, Mapping) and isinstance(other, Mapping):
            merged[key] = _grown(one, other)
    return merged


def _complete_lines(path: Path) -> list[str]:
    """All lines but a last one without newline: its writer was killed before the action began; it is cut off."""
    if not path.exists():
        return []
    text = path.read_text()
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        with path.open("r+") as handle:
            handle.truncate(len(whole.encode()))
    return whole.splitlines()


def _parse(line: str, path: Path, number: int) -> dict[str, Any]:
    try:
        entry = json.loads(line)
    except json.JSONDecodeError as error:
        raise HotstackError(
            f"a journal entry in line {number} of {path}", str(error), "Restore the file; it says what is ours."
        ) from None
    assert isinstance(entry, dict)
    return entry


def _identity(resource: Resource) -> dict[str, Any]:
    within = str(resource.within) if resource.within else None
    return {"ref": str(resource.ref), "needs": sorted(str(need) for need in resource.needs), "within": within}


def _record(owned: Owned) -> dict[str, Any]:
    before = None if owned.before is None else to_json(owned.before)
    return {**_identity(Resource(owned.ref, needs=owned.needs, within=owned.within)), "before": before}


def _refs(texts: list[str]) -> frozenset[Ref]:
    return frozenset(former.today(Ref.parse(text)) for text in texts)


def _ref(text: str | None) -> Ref | None:
    return Ref.parse(text) if text else None


def _state(value: dict[str, Any] | None) -> Any:
    return None if value is None else state_from_json(value)
