"""Nova's cell mappings: which database and which queues each cell has. They hold templates, and so no password.

Seen and changed with SQL: nova-manage spends three seconds of a processor on its imports for each row.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hotstack_os.bootstrap import sql
from hotstack_os.catalogue.spec import Cell
from hotstack_os.core.model import Absent, Observation, Present, Ref, Resource, State, Unknown
from hotstack_os.core.plan import Action
from hotstack_os.exec import Host

CELL = "cell"
CELL0, CELL0_UUID = "cell0", str(uuid.UUID(int=0))
"""The cell of servers that never got to a node, and the id by which Nova knows it (nova.objects.CellMapping)."""
PASSWORD_PLACE = "{password}"  # noqa: S105 (the place of one)


def cell(wanted: Cell, node: str, needs: frozenset[Ref], within: Ref) -> Resource:
    """A mapping of this name with these templates, in use."""
    state: State = {"database": wanted.connection, "transport": wanted.transport, "disabled": False}
    return Resource(Ref(CELL, wanted.name, node), state, needs, within)


@dataclass(frozen=True)
class _Mapping:
    transport: str
    database: str
    disabled: bool


class CellHandler:
    """Rows of the table of the API's database in which Nova keeps them."""

    def __init__(self, host: Host, cells: Mapping[str, Cell]) -> None:
        self._host = host
        self._cells = cells

    def observe(self, resources: Sequence[Resource]) -> Mapping[Ref, Observation]:
        databases = {self._cells[each.ref.name].api_database for each in resources if each.ref.name in self._cells}
        try:
            found = {name: each for database in databases for name, each in self._mappings(database).items()}
        except sql.DatabaseDown as error:
            return {each.ref: Unknown(str(error)) for each in resources}
        return {each.ref: _seen(found[each.ref.name]) if each.ref.name in found else Absent() for each in resources}

    def _mappings(self, database: str) -> Mapping[str, _Mapping]:
        exists = "SELECT 1 FROM information_schema.tables WHERE (table_schema, table_name)"
        if not sql.query(self._host, f"{exists} = ({sql.literal(database)}, 'cell_mappings')"):
            return {}
        columns = "name, transport_url, database_connection, disabled"
        rows = sql.query(self._host, f"SELECT {columns} FROM {_table(database)}")
        return {name: _Mapping(transport, where, off != "0") for name, transport, where, off in rows}

    def apply(self, action: Action) -> None:
        if action.verb == "remove":
            return  # It lies within the API's database, which is removed as a whole.
        wanted = self._cells[action.ref.name]
        change = update if wanted.name in self._mappings(wanted.api_database) else insert
        sql.execute(self._host, change(wanted), f"map the cell {wanted.name}")


def _seen(found: _Mapping) -> Present:
    return Present(
        {"database": _shown(found.database), "transport": _shown(found.transport), "disabled": found.disabled}
    )


def _shown(url: str) -> str:
    """A URL as a plan may show it: only templates have their password's place where others have the password."""
    return url if PASSWORD_PLACE in url or "@" not in url else f"{url.partition('://')[0]}://****"


def insert(wanted: Cell) -> str:
    """The statement that makes a mapping, as `nova-manage cell_v2 create_cell` and `map_cell0` do."""
    known_as = CELL0_UUID if wanted.name == CELL0 else str(uuid.uuid4())
    values = ", ".join(map(sql.literal, (known_as, wanted.name, wanted.transport, wanted.connection)))
    columns = "uuid, name, transport_url, database_connection, disabled, created_at"
    return f"INSERT INTO {_table(wanted.api_database)} ({columns}) VALUES ({values}, 0, UTC_TIMESTAMP());\n"


def update(wanted: Cell) -> str:
    """The statement that sets a mapping right, as `nova-manage cell_v2 update_cell` does."""
    transport, database = sql.literal(wanted.transport), sql.literal(wanted.connection)
    return (
        f"UPDATE {_table(wanted.api_database)} SET transport_url = {transport}, database_connection = {database},"
        f" disabled = 0, updated_at = UTC_TIMESTAMP() WHERE name = {sql.literal(wanted.name)};\n"
    )


def _table(database: str) -> str:
    return f"{sql.name(database)}.cell_mappings"
