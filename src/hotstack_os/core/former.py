"""What former revisions wrote into the journal, as it is understood today."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hotstack_os.core.model import Owned, Ref

PACKAGE, PACKAGES = "package", ("packages", "debian")
"""Each package was a thing of its own. Today all are one, which remembers what was missing when it was found."""


def today(ref: Ref) -> Ref:
    """What a thing is part of now; itself, mostly."""
    return Ref(*PACKAGES, ref.node) if ref.kind == PACKAGE else ref


def fold(ledger: dict[Ref, Owned], entry: Mapping[str, Any]) -> bool:
    """Take an entry over into the ledger, if it is about a thing of a former kind."""
    ref = Ref.parse(entry["ref"])
    whole = today(ref)
    if whole == ref:
        return False
    known = ledger.get(whole)
    missing = dict(_installed(known))
    match entry["event"], entry.get("verb"):
        case "begin", "create" | "update":
            missing.setdefault(ref.name, False)
        case "done", "remove" | "restore" | "forget":
            missing.pop(ref.name, None)
    if missing:
        needs, before = (known.needs, known.before or {}) if known else (frozenset[Ref](), {})
        ledger[whole] = Owned(whole, needs, None, {**before, "installed": missing})
    else:
        ledger.pop(whole, None)
    return True


def _installed(owned: Owned | None) -> Mapping[str, Any]:
    found = (owned.before or {}).get("installed") if owned else None
    return found if isinstance(found, Mapping) else {}
