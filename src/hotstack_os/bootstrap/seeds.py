"""Databases as migrations leave them, kept so that the next cloud of the same images need not wait for migrations.

A migration from nothing takes seconds of imports and DDL for each project and always ends in the same tables. The first
cloud keeps a dump of them beside the images; where the image, the command and MariaDB are the same, a new database
is loaded from it. What was loaded is observed like what was migrated.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from hotstack_os.bootstrap import sql
from hotstack_os.catalogue.spec import Database
from hotstack_os.exec import Host
from hotstack_os.runtime.services import run_as_root_in

UNFINISHED = "hotstack_os_unfinished"
"""A table that is there while a new database is filled: what lies in it then is no data of anybody's.

MariaDB's DDL is not transactional: a migration that was broken off stumbles over its own tables when it is repeated.
"""
_DUMP = ("mariadb-dump", "--user=root", "--skip-comments", "--skip-dump-date", "--hex-blob", "--skip-lock-tables")


@dataclass(frozen=True)
class Seeds:
    """A directory of dumps, each named after everything that it follows from."""

    directory: Path
    server: str
    """Reference of MariaDB's image."""

    def text(self, database: Database, image: str) -> str | None:
        """SQL that makes the tables of a database in this image, or None where it has not been seen yet."""
        path = self._path(database, image)
        return path.read_text() if path.exists() else None

    def keep(self, database: Database, image: str, text: str) -> None:
        """Remember it; the file appears whole."""
        path = self._path(database, image)
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, beside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(descriptor, "w") as handle:
            handle.write(text)
        Path(beside).replace(path)

    def _path(self, database: Database, image: str) -> Path:
        key = json.dumps([database.name, database.version_table, image, database.migrate, self.server])
        return self.directory / f"{database.name}-{hashlib.sha256(key.encode()).hexdigest()[:16]}.sql"


def rubbish(host: Host, database: Database) -> frozenset[str] | None:
    """The tables of a beginning that was broken off; None where there are tables that somebody may miss."""
    wanted = f"SELECT table_name FROM information_schema.tables WHERE table_schema = {sql.literal(database.name)}"
    tables = frozenset(table for (table,) in sql.query(host, wanted))
    return tables if not tables or UNFINISHED in tables else None


def begin(database: Database, rubbish: frozenset[str]) -> str:
    """Statements after which the database is unfinished, and without these tables."""
    dropped = [f"DROP TABLE {sql.name(each)};" for each in sorted(rubbish - {UNFINISHED})]
    return "\n".join(
        (
            f"USE {sql.name(database.name)};",
            f"CREATE TABLE IF NOT EXISTS {UNFINISHED} (here INT);",
            *(["SET FOREIGN_KEY_CHECKS = 0;", *dropped, "SET FOREIGN_KEY_CHECKS = 1;"] if dropped else ()),
            "",
        )
    )


def end(database: Database) -> str:
    """The statement after which the database is finished."""
    return f"DROP TABLE {sql.name(database.name)}.{UNFINISHED};\n"


def load(host: Host, database: Database, text: str, rubbish: frozenset[str]) -> None:
    """Fill the database, from which these tables are dropped before."""
    statements = f"{begin(database, rubbish)}{text}\n{end(database)}"
    sql.execute(host, statements, f"load the tables of {database.name}")


def dump(host: Host, database: Database) -> str:
    """SQL of all tables, that with the version last: whatever is interrupted before has none."""
    version = database.version_table
    tables = (*_DUMP, f"--ignore-table={database.name}.{version}", database.name)
    purpose = f"dump the tables of {database.name}"
    return "".join(
        run_as_root_in(host, "mariadb", argv, purpose, stdin=None, timeout=60)
        for argv in (tables, (*_DUMP, database.name, version))
    )
