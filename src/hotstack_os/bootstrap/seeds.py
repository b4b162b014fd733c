"""Databases as migrations leave them, kept so that the next cloud of the same images need not wait for migrations.

A migration from nothing takes seconds of imports and DDL for each project and always ends in the same tables. The first
cloud keeps a dump of them beside the images; where the image, the command and MariaDB are the same, a new database
is loaded from it. What was loaded is observed like what was migrated.

MariaDB's DDL is not transactional: a load or a migration that was broken off stumbles over its own tables when it is
repeated. So a database that is filled for the first time has a mark, until all of it is there.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hotstack_os.bootstrap import sql
from hotstack_os.catalogue.spec import Database
from hotstack_os.exec import Host
from hotstack_os.runtime.services import run_as_root_in
from hotstack_os.whole import put

UNFINISHED = "hotstack_os_unfinished"
"""The mark: a view of the heads that are to be reached. What lies beside it is no data of anybody's until they are.

No table, as a migration may take all tables that it finds for its project's (Nova's first makes a shadow of each).
"""
_FORM = 2
"""Of what is in a dump; one of another form is another seed."""
_DUMP = ("mariadb-dump", *sql.CLIENT, "--skip-comments", "--skip-dump-date", "--hex-blob", "--skip-lock-tables")


@dataclass(frozen=True)
class Seeds:
    """A directory of dumps, each named after everything that it follows from."""

    directory: Path
    server: str
    """Reference of MariaDB's image."""

    def text(self, database: Database, image: str) -> str | None:
        """SQL that makes the tables of a database in this image, or None where it has not been seen yet.

        It would go into every later cloud: one that is not as it was kept has not been seen.
        """
        path = self._path(database, image)
        digest, _, text = _bytes(path).partition(b"\n")
        return text.decode() if digest == _digest(text) else None

    def keep(self, database: Database, image: str, text: str) -> None:
        """Remember it."""
        path = self._path(database, image)
        path.parent.mkdir(parents=True, exist_ok=True)
        put(path, f"{_digest(text.encode()).decode()}\n{text}")

    def _path(self, database: Database, image: str) -> Path:
        key = json.dumps([_FORM, database.name, database.version_table, image, database.migrate, self.server])
        return self.directory / f"{database.name}-{hashlib.sha256(key.encode()).hexdigest()[:16]}.sql"


def _bytes(path: Path) -> bytes:
    """What cannot be read is as if it had not been kept."""
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _digest(text: bytes) -> bytes:
    return hashlib.sha256(text).hexdigest().encode()


def tables(host: Host, database: Database) -> frozenset[str]:
    """The names of all tables and views of a database."""
    wanted = f"SELECT table_name FROM information_schema.tables WHERE table_schema = {sql.literal(database.name)}"
    return frozenset(table for (table,) in sql.query(host, wanted))


def aim(host: Host, database: Database) -> list[str]:
    """The heads that a database with the mark is to reach, sorted."""
    return sorted(head for (head,) in sql.query(host, f"SELECT head FROM {sql.name(database.name)}.{UNFINISHED}"))


def begin(database: Database, rubbish: frozenset[str], heads: Sequence[str]) -> str:
    """Statements after which the database has the mark, and is as it was created: without these tables."""
    aim = " UNION ALL ".join(f"SELECT {sql.literal(head)} AS head" for head in heads)
    others = sorted(rubbish - {UNFINISHED, database.version_table})
    return "\n".join(
        (
            f"USE {sql.name(database.name)};",
            "SET FOREIGN_KEY_CHECKS = 0;",
            # Before there is another aim, which the rows of another migration might seem to have reached.
            f"DROP TABLE IF EXISTS {sql.name(database.version_table)};",
            f"CREATE OR REPLACE VIEW {UNFINISHED} AS {aim};",
            *(f"DROP TABLE {sql.name(each)};" for each in others),
            "SET FOREIGN_KEY_CHECKS = 1;",
            f"ALTER DATABASE {sql.CHARACTERS};",
            "",
        )
    )


def end(database: Database) -> str:
    """The statement after which the database is finished."""
    return f"DROP VIEW {sql.name(database.name)}.{UNFINISHED};\n"


def dump(host: Host, database: Database) -> str:
    """SQL of the default character set, which migrations change, and of all tables.

    The version comes last, as in a migration: a database that has it is whole, even if it still has the mark.
    """
    version = database.version_table
    tables = (*_DUMP, f"--ignore-table={database.name}.{version}", database.name)
    purpose = f"dump the tables of {database.name}"
    dumps = [
        run_as_root_in(host, "mariadb", argv, purpose, stdin=None, timeout=sql.WHOLE_SECONDS)
        for argv in (tables, (*_DUMP, database.name, version))
    ]
    return "".join((_characters(host, database), *dumps))


def in_use(host: Host, database: Database) -> bool:
    """Whether anybody is connected to the database: what is in it may be of this cloud then, and not of every one."""
    mine = f"SELECT COUNT(*) FROM information_schema.processlist WHERE db = {sql.literal(database.name)}"
    return sql.query(host, mine) != [["0"]]


def _characters(host: Host, database: Database) -> str:
    columns = "default_character_set_name, default_collation_name"
    wanted = f"SELECT {columns} FROM information_schema.schemata WHERE schema_name = {sql.literal(database.name)}"
    ((characters, collation),) = sql.query(host, wanted)
    return f"ALTER DATABASE CHARACTER SET {characters} COLLATE {collation};\n"
