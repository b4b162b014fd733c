"""Database schemas: a phase of their own, never part of a service's start."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hotstack_os.bootstrap import seeds, sql
from hotstack_os.catalogue.spec import Database
from hotstack_os.core.model import Absent, Observation, Present, Ref, Resource, Unknown
from hotstack_os.core.plan import Action
from hotstack_os.exec import Host
from hotstack_os.runtime.quadlet import Container
from hotstack_os.runtime.services import run_once

SCHEMA = "schema"
TIMEOUT = 600
_UNFINISHED = "unfinished"
"""Stands in place of the heads of a database whose first migration or loading was broken off."""


def schema(database: Database, node: str, heads: tuple[str, ...], needs: frozenset[Ref], within: Ref) -> Resource:
    """A database whose Alembic version table holds exactly these heads."""
    return Resource(Ref(SCHEMA, database.name, node), {"heads": tuple(sorted(heads))}, needs, within)


class SchemaHandler:
    """Observed with SQL (a project's own tool takes seconds of imports), migrated by the project's own tool.

    A new database is loaded from what migrations of the same image left the last time, see `seeds`.
    """

    def __init__(
        self, host: Host, databases: Mapping[str, Database], containers: Mapping[str, Container], kept: seeds.Seeds
    ) -> None:
        self._host = host
        self._kept = kept
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
        heads = {name: [_UNFINISHED] for name, table in there if table == seeds.UNFINISHED}
        finished = sorted({name for name, _ in there} - heads.keys())
        heads |= {name: [] for name in finished}
        # Cast, as a UNION refuses texts of different collations, and each database has its own.
        selects = [
            f"SELECT {sql.literal(name)}, CAST(version_num AS CHAR) FROM {sql.name(name)}.{sql.name(tables[name])}"
            for name in finished
        ]
        for name, head in sql.query(self._host, " UNION ALL ".join(selects)) if selects else ():
            heads[name].append(head)
        return heads

    def apply(self, action: Action) -> None:
        if action.verb == "remove":
            return  # It lies within its database, which is removed as a whole.
        database = self._databases[action.ref.name]
        container = self._containers[database.service]
        rubbish = seeds.rubbish(self._host, database)
        if rubbish is None:
            self._migrate(database, container)
        elif text := self._kept.text(database, container.image):
            seeds.load(self._host, database, text, rubbish)
        else:
            sql.execute(self._host, seeds.begin(database, rubbish), f"begin the database {database.name}")
            self._migrate(database, container)
            sql.execute(self._host, seeds.end(database), f"finish the database {database.name}")
            self._kept.keep(database, container.image, seeds.dump(self._host, database))

    def _migrate(self, database: Database, container: Container) -> None:
        run_once(self._host, container, database.migrate, f"schema-{database.name}", timeout=TIMEOUT)
