"""Database schemas: a phase of their own, never part of a service's start."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hotstack_os.bootstrap import dumps, seeds, sql
from hotstack_os.catalogue.spec import Database
from hotstack_os.core.model import Absent, Observation, Present, Ref, Resource, Unknown
from hotstack_os.core.plan import Action
from hotstack_os.errors import HotstackError
from hotstack_os.exec import CommandFailed, Host
from hotstack_os.exec.command import ITS_OWN
from hotstack_os.runtime.quadlet import Container
from hotstack_os.runtime.services import run_once

SCHEMA = "schema"
NEW_SECONDS = 600
"""For the tables of a new database. How long data take to migrate nobody knows, and who is killed in the middle of DDL
leaves what only a dump mends."""
_TOLD = 5
"""So many lines of a tool's traceback say what was wrong: the last ones."""
_MARKED = "unfinished"
"""Stands in place of the heads of a database whose first migration or loading was broken off."""


def schema(database: Database, node: str, heads: tuple[str, ...], needs: frozenset[Ref], within: Ref) -> Resource:
    """A database whose Alembic version table holds exactly these heads."""
    return Resource(Ref(SCHEMA, database.name, node), {"heads": tuple(sorted(heads))}, needs, within)


class SchemaHandler:
    """Observed with SQL (a project's own tool takes seconds of imports), migrated by the project's own tool.

    A new database is loaded from what migrations of the same image left the last time, see `seeds`; one with data is
    dumped before it is migrated, see `dumps`.
    """

    def __init__(
        self,
        host: Host,
        databases: Mapping[str, Database],
        containers: Mapping[str, Container],
        kept: seeds.Seeds,
        before: dumps.Dumps,
    ) -> None:
        self._host = host
        self._kept = kept
        self._before = before
        self._databases = databases
        self._containers = containers

    def observe(self, resources: Sequence[Resource]) -> Mapping[Ref, Observation]:
        try:
            found = self._heads([each.ref.name for each in resources if each.ref.name in self._databases])
        except sql.DatabaseDown as error:
            return {each.ref: Unknown(str(error)) for each in resources}
        return {
            each.ref: Present({"heads": tuple(sorted(found[each.ref.name]))}) if each.ref.name in found else Absent()
            for each in resources
        }

    def _heads(self, names: Sequence[str]) -> Mapping[str, list[str]]:
        tables = {name: self._databases[name].version_table for name in names}
        if not tables:
            return {}
        wanted = [(name, table) for name in names for table in (tables[name], seeds.UNFINISHED)]
        pairs = ", ".join(f"({sql.literal(name)}, {sql.literal(table)})" for name, table in wanted)
        columns, of_these = "table_schema, table_name", f"WHERE (table_schema, table_name) IN ({pairs})"
        there = sql.query(self._host, f"SELECT {columns} FROM information_schema.tables {of_these}")
        marked = {name: [_MARKED] for name, table in there if table == seeds.UNFINISHED}
        return {**self._versions(sorted({name for name, _ in there} - marked.keys())), **marked}

    def _versions(self, names: Sequence[str]) -> Mapping[str, list[str]]:
        """What is in the version tables of these databases."""
        if not names:
            return {}
        # Cast, as a UNION refuses texts of different collations, and each database has its own.
        selects = [
            f"SELECT {sql.literal(name)}, CAST(version_num AS CHAR)"
            f" FROM {sql.name(name)}.{sql.name(self._databases[name].version_table)}"
            for name in names
        ]
        heads: dict[str, list[str]] = {name: [] for name in names}
        for name, head in sql.query(self._host, " UNION ALL ".join(selects)):
            heads[name].append(head)
        return heads

    def apply(self, action: Action) -> None:
        if action.verb == "remove":
            return  # It lies within its database, which is removed as a whole.
        database = self._databases[action.ref.name]
        tables = seeds.tables(self._host, database)
        if seeds.UNFINISHED in tables and self._reached(database, tables):
            self._finish(database)
            tables -= {seeds.UNFINISHED}
        wanted = action.resource.state["heads"]
        assert isinstance(wanted, tuple)
        heads = [str(head) for head in wanted]
        if tables and seeds.UNFINISHED not in tables:
            self._migrate_data(database, tables)  # Somebody may miss what is there.
            if sorted(self._versions([database.name])[database.name]) == sorted(heads):
                self._before.reached(database)
        else:
            self._fill(database, seeds.begin(database, tables, heads))

    def _reached(self, database: Database, tables: frozenset[str]) -> bool:
        """Whether a database with the mark has got where it was to get: somebody may have used it since."""
        there = self._versions([database.name]) if database.version_table in tables else {}
        return sorted(there.get(database.name, [])) == seeds.aim(self._host, database)

    def _fill(self, database: Database, begin: str) -> None:
        image = self._containers[database.service].image
        if text := self._kept.text(database, image):
            load = f"{begin}{text}\n{seeds.end(database)}"
            sql.execute(self._host, load, f"load the tables of {database.name}", sql.WHOLE_SECONDS)
        else:
            sql.execute(self._host, begin, f"begin the database {database.name}")
            self._migrate(database, NEW_SECONDS)
            self._finish(database)
            text = seeds.dump(self._host, database)
            if not seeds.in_use(self._host, database):
                self._kept.keep(database, image, text)

    def _migrate_data(self, database: Database, tables: frozenset[str]) -> None:
        """Migrate what cannot be made anew, and say how it is had again as it was."""
        heads = self._versions([database.name])[database.name] if database.version_table in tables else []
        dump = self._before.keep(self._host, database, heads)
        try:
            self._migrate(database, ITS_OWN)
        except HotstackError as error:
            back = f"The database is kept as it was before. To have it again so: {self._before.loading(dump)}"
            raise HotstackError(f"the schema of {database.name} to be migrated", _last_words(error), back) from error

    def _finish(self, database: Database) -> None:
        sql.execute(self._host, seeds.end(database), f"finish the database {database.name}")

    def _migrate(self, database: Database, seconds: float) -> None:
        container = self._containers[database.service]
        run_once(self._host, container, database.migrate, f"schema-{database.name}", timeout=seconds)


def _last_words(error: HotstackError) -> str:
    """The end of what a tool said: above it stands how it got there."""
    if not isinstance(error, CommandFailed):
        return error.found
    said = [line for line in f"{error.result.stdout}\n{error.result.stderr}".splitlines() if line.strip()]
    return "\n".join(said[-_TOLD:]) or f"status {error.result.status}"
