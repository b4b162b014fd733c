"""Databases with data as they were before their schema was migrated, beside the cloud's state.

MariaDB's DDL is not transactional, and no project's tool goes back: what a migration that failed has left is given up
for the dump of before. The data is the cloud's, so the dumps go with it, and are for its operator's eyes only.
"""

from __future__ import annotations

import os
import re
import shlex
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hotstack_os.bootstrap import sql
from hotstack_os.catalogue.spec import Database
from hotstack_os.exec import Command, Host, run_here
from hotstack_os.runtime import control
from hotstack_os.whole import put

DIRECTORY = "dumps"
"""Below a cloud's state."""
KEPT = 3
"""Of so many versions of a database: of each the first dump, and the last; see `superfluous` for one more."""
_REACHED = "{}.reached"
"""Names the last dump of a database when its schema was last where it was to be: what came later is a row of
migrations that failed, and its first dump is the only one of a database that none of them has touched."""
SECONDS = 3600
_FORM = re.compile(r"\w+-[\w+]+-\d{8}T\d{6}Z\.sql\.gz")
_PIPE = 'set -eu -o pipefail; umask 077; file=$1; shift; "$@" < /dev/null | gzip --fast > "$file"; sync "$file"'
# The dump makes the database anew, so that no table of a failed migration is left; rights on it outlive that.
_DUMP = ("mariadb-dump", *sql.CLIENT, "--single-transaction", "--quick", "--routines", "--triggers", "--events",
         "--hex-blob", "--add-drop-database", "--databases")  # fmt: skip


@dataclass(frozen=True)
class Dumps:
    """The dumps of one cloud."""

    directory: Path
    cloud: str

    def keep(self, host: Host, database: Database, heads: Sequence[str]) -> Path:
        """Dump a database at these heads as it is at one moment; the file is whole, or not there."""
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        at = "+".join(re.sub(r"\W", "_", head) for head in sorted(heads)) or "none"
        now = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        path = self.directory / f"{database.name}-{at}-{now}.sql.gz"
        beside = path.with_suffix(".new")
        inside = control.exec_argv("mariadb", [*_DUMP, database.name], root=True, terminal=False)
        pipe = ("bash", "-c", _PIPE, "dump", str(beside), *host.argv(inside))
        try:
            run_here(Command(pipe, f"dump the database {database.name} before its migration", timeout=SECONDS))
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)
        _sync(self.directory)
        for old in superfluous(self._of(database), self._reached(database)):
            (self.directory / old).unlink()
        return path

    def reached(self, database: Database) -> None:
        """Note that a database is migrated: the next dump is the first of another row."""
        put(self.directory / _REACHED.format(database.name), f"{max(self._of(database), key=_time)}\n", mode=0o600)

    def _reached(self, database: Database) -> str:
        mark = self.directory / _REACHED.format(database.name)
        return mark.read_text(encoding="utf-8", errors="replace").strip() if mark.is_file() else ""

    def loading(self, path: Path) -> str:
        """The command by which an operator has the database again as it was."""
        into = f"hotstack-os exec --cloud {self.cloud} --root mariadb -- mariadb"
        return f"zcat {shlex.quote(str(path))} | {into}"

    def _of(self, database: Database) -> list[str]:
        return [each.name for each in self.directory.glob(f"{database.name}-*.sql.gz")]


def superfluous(names: Sequence[str], reached: str = "") -> list[str]:
    """Those of one database's dumps that are not kept, see `KEPT`.

    The first that came after `reached` always is: migrations that failed at one version after the other would leave
    none of before. Where nothing was ever reached that is the first of all.
    """
    dumps = [name for name in sorted(names, key=_time) if _FORM.fullmatch(name)]
    by_heads: dict[str, list[str]] = {}
    for name in dumps:
        by_heads.setdefault(name.rpartition("-")[0], []).append(name)
    versions = sorted(by_heads.values(), key=lambda same: _time(same[-1]))
    kept = {name for same in versions[-KEPT:] for name in (same[0], same[-1])}
    kept.update([name for name in dumps if _time(name) > _time(reached)][:1])
    return [name for same in versions for name in same if name not in kept]


def _time(name: str) -> str:
    return name.rpartition("-")[2]


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
