"""The journal: what we are about to do is written down before it is done, so a kill at any moment loses nothing.

One JSON object a line, with a checksum, synced. The ledger (what is ours) is the fold over all lines; there is no
second record that could contradict it. A thing whose creation was begun counts as ours even if the line "done" never
came.

A line that was not written whole is none: what it announces was not begun. Readers pass over such a line at the end,
and write nothing; the next writer, who holds the cloud's lock, takes it away before anything is added.
"""

from __future__ import annotations

import json
import os
import re
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hotstack_os.core import former
from hotstack_os.core.encoding import state_from_json, to_json
from hotstack_os.core.model import Ledger, Owned, Ref, Resource, State, Value
from hotstack_os.core.plan import Action
from hotstack_os.errors import HotstackError
from hotstack_os.whole import Damaged, cannot, checksum, keep_name, put, read

_LONG = 5000
_UNREADABLE = "Restore it from a backup; it says what is ours."
_ENTRY = re.compile(rb'\{"time": ')
_BEGUN = re.compile(rb'\{"time": [0-9.]+, "event": "begin", "verb": "create", "ref": ("(?:[^"\\]|\\.)*")')


class JournalUnwritable(HotstackError):
    """Nothing can be written down, so nothing may be done."""


@dataclass(frozen=True)
class Cut:
    """A line that is not whole: its number, and whether it is the last one, which announces what was never begun."""

    number: int
    last: bool


class Journal:
    """The journal of one cloud, and the ledger that follows from it. Safe to use from several threads.

    Reading writes nothing. `cuts` are the lines that were not whole, `last` is the time of the newest entry; 0 without.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._ledger: dict[Ref, Owned] = {}
        found = _read(path)
        for entry in found.entries:
            self._fold(entry)
        self.last = max((float(entry.get("time", 0)) for entry in found.entries), default=0.0)
        self._lines = len(found.entries)
        self._rubbish = found.rubbish
        self.cuts = found.cuts

    @property
    def ledger(self) -> Ledger:
        """What is ours at this moment; a copy."""
        with self._lock:
            return dict(self._ledger)

    def begin(self, action: Action) -> None:
        """Say what is going to be done; from here on the thing is ours. `JournalUnwritable`: it must not be done."""
        before = None if (found := self._found(action)) is None else to_json(found)
        self._write({"event": "begin", "verb": action.verb, **_identity(action.resource), "before": before})

    def _found(self, action: Action) -> State | None:
        """How an adopted thing was found: all of it at first, later what was not looked after before."""
        known = self._ledger.get(action.ref)
        if action.verb != "update" or action.found is None or (known and known.before is None):
            return None
        if action.resource.foreign == "ours":
            return None  # it was never anybody else's
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
            entries = [{"event": "begin", "verb": "update", **_record(each)} for each in self._ledger.values()]
            put(self._path, "".join(map(self._line, entries)), 0o600)
            self._lines, self._rubbish = len(entries), None

    def _write(self, entry: dict[str, Any]) -> None:
        with self._lock:
            try:
                self._append(self._line(entry).encode())
            except OSError as error:
                said = cannot(f"to write down in {self._path} what is going to be done", error)
                raise JournalUnwritable(said.wanted, said.found, said.hint) from error
            self._lines += 1
            self._fold(entry)

    def _line(self, entry: dict[str, Any]) -> str:
        """An entry of now; where somebody has put the clock back, of the time of the newest one."""
        self.last = max(round(time.time(), 3), self.last)
        whole = {"time": self.last, **entry}
        return json.dumps({**whole, "sum": checksum(whole)}) + "\n"

    def _append(self, line: bytes) -> None:
        """All of it and on the disk, or nothing of it."""
        new = not self._path.exists()
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            end, rest, synced = self._without_rubbish(descriptor), memoryview(line), False
            try:
                while rest:
                    rest = rest[os.write(descriptor, rest) :]
                os.fsync(descriptor)
                synced = True
            finally:
                if not synced:
                    os.ftruncate(descriptor, end)
        finally:
            os.close(descriptor)
        if new:
            keep_name(self._path)

    def _without_rubbish(self, descriptor: int) -> int:
        """Take away what a writer left who was killed, or had no room; returns where the file ends then."""
        size = os.fstat(descriptor).st_size
        if self._rubbish and size == self._rubbish[1]:
            size = self._rubbish[0]
            os.ftruncate(descriptor, size)
        self._rubbish = None
        if size and os.pread(descriptor, 1, size - 1) != b"\n":
            size = os.pread(descriptor, size, 0).rfind(b"\n") + 1
            os.ftruncate(descriptor, size)
        return size

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
                if known := self._ledger.get(ref):
                    self._ledger[ref] = Owned(ref, _refs(entry["needs"]), _ref(entry["within"]), known.before)
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


class _NotWhole(ValueError):
    """What a write leaves that was broken off."""


@dataclass(frozen=True)
class _Found:
    """What a file says. `rubbish`: from where on nothing in it counts, and its size."""

    entries: list[dict[str, Any]]
    cuts: tuple[Cut, ...]
    rubbish: tuple[int, int] | None


def _read(path: Path) -> _Found:
    """All entries up to a last line that is not whole. One that is not whole before that is `Damaged`.

    But for what an earlier version left on a full disk: the beginning of a line, and behind it in the same line a whole
    one. That version went on after such a write; so what it began to create counts as ours, where its name can be read.
    """
    raw = read(path, _UNREADABLE) or b""
    lines = raw.split(b"\n")
    rest = lines.pop()
    entries: list[dict[str, Any]] = []
    cuts: list[Cut] = []
    start = 0
    for number, line in enumerate(lines, 1):
        try:
            entries.append(_parsed(line))
        except ValueError as error:
            glued = _unglued(line)
            if isinstance(error, _NotWhole) and not glued and number == len(lines) and not rest:
                return _Found(entries, (*cuts, Cut(number, last=True)), (start, len(raw)))
            if not glued:
                raise _damaged(path, number, str(error)) from None
            entries += glued
            cuts.append(Cut(number, last=False))
        start += len(line) + 1
    if rest:
        return _Found(entries, (*cuts, Cut(len(lines) + 1, last=True)), (start, len(raw)))
    return _Found(entries, tuple(cuts), None)


def _damaged(path: Path, number: int, found: str) -> Damaged:
    hint = (
        f"Restore the file from a backup. Or take the line out (sed -i {number}d {path}): what it alone says is ours"
        " counts as foreign then."
    )
    return Damaged(path, f"in line {number} {found}", hint)


def _parsed(line: bytes) -> dict[str, Any]:
    """An entry whose fields are what they should be; ValueError says what is wrong with it."""
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        raise _NotWhole("something that is no entry") from None
    if not isinstance(entry, dict):
        raise ValueError("something that is no entry")  # noqa: TRY004 (the caller's word for damage)
    if "sum" in entry and entry.pop("sum") != checksum(entry):
        raise ValueError("an entry that does not fit its checksum")
    try:
        Ref.parse(entry["ref"])
        if entry["event"] in ("begin", "note"):
            _refs([*entry["needs"]])
            _ref(entry["within"])
            _state(entry.get("before"))
    except (KeyError, TypeError, ValueError, AttributeError, AssertionError):
        raise ValueError("an entry with other fields") from None
    return entry


def _unglued(line: bytes) -> list[dict[str, Any]]:
    """The entries of a line that was begun and cut, with a whole one behind it; nothing where it is something else."""
    for found in reversed([match.start() for match in _ENTRY.finditer(line)][1:]):
        try:
            whole = _parsed(line[found:])
        except ValueError:
            continue
        begun = _BEGUN.match(line[:found])
        identity = {"ref": json.loads(begun[1]), "needs": [], "within": None, "before": None} if begun else None
        return [*([{"event": "begin", "verb": "create", **identity}] if identity else []), whole]
    return []


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
