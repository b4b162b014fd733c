"""The journal of a cloud, held against what else tells that there has been one."""

from __future__ import annotations

from pathlib import Path

from hotstack_os.core.generations import Generations
from hotstack_os.core.journal import Journal
from hotstack_os.whole import Damaged

FILE = "journal.jsonl"
GENERATIONS = "generations"
_HINT = "Restore it from a backup; it says what is ours."


def journal_of(state: Path) -> Journal:
    """The journal of the cloud with this state directory.

    `Damaged` where it is gone or lost its end since the newest generation was recorded: whoever went on would take the
    cloud's things for foreign ones, or for none, and say that there is nothing to do.
    """
    path = state / FILE
    journal = Journal(path)
    newest = Generations(state / GENERATIONS).latest()
    if newest and journal.last < newest.journal:
        found = "lost its end" if path.exists() else "is gone"
        raise Damaged(path, f"that it {found}: generation {newest.number} was recorded after more", _HINT)
    return journal
