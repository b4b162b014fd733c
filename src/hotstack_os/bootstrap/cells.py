"""Nova's cell mappings: which database and which queues each cell has. They hold templates, and so no password."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hotstack_os.bootstrap import sql
from hotstack_os.catalogue.spec import Cell
from hotstack_os.core.model import Absent, Observation, Present, Ref, Resource, State, Unknown
from hotstack_os.core.plan import Action
from hotstack_os.exec import Host
from hotstack_os.runtime.quadlet import Container
from hotstack_os.runtime.services import run_once

CELL = "cell"
CELL0 = "cell0"
TIMEOUT = 300
PASSWORD_PLACE = "{password}"  # noqa: S105 (the place of one)


def cell(wanted: Cell, node: str, needs: frozenset[Ref], within: Ref) -> Resource:
    """A mapping of this name with these templates, in use."""
    state: State = {"database": wanted.connection, "transport": wanted.transport, "disabled": False}
    return Resource(Ref(CELL, wanted.name, node), state, needs, within)


@dataclass(frozen=True)
class _Mapping:
    uuid: str
    transport: str
    database: str
    disabled: bool


class CellHandler:
    """Observed with SQL, changed with nova-manage, whose arguments are the templates."""

    def __init__(self, host: Host, cells: Mapping[str, Cell], containers: Mapping[str, Container]) -> None:
        self._host = host
        self._cells = cells
        self._containers = containers

    def observe(self, resources: Sequence[Resource]) -> Mapping[Ref, Observation]:
        databases = {self._cells[each.ref.name].api_database for each in resources if each.ref.name in self._cells}
        try:
            found = {name: each for database in databases for name, each in self._mappings(database).items()}
        except sql.DatabaseDown as error:
            return {each.ref: Unknown(str(error)) for each in resources}
        return {each.ref: _seen(found[each.ref.name]) if each.ref.name in found else Absent() for each in resources}

    def _mappings(self, database: str) -> Mapping[str, _Mapping]:
        table = f"{sql.name(database)}.cell_mappings"
        exists = "SELECT 1 FROM information_schema.tables WHERE (table_schema, table_name)"
        if not sql.query(self._host, f"{exists} = ({sql.literal(database)}, 'cell_mappings')"):
            return {}
        rows = sql.query(self._host, f"SELECT name, uuid, transport_url, database_connection, disabled FROM {table}")
        return {name: _Mapping(uuid, transport, where, off != "0") for name, uuid, transport, where, off in rows}

    def apply(self, action: Action) -> None:
        if action.verb == "remove":
            return  # It lies within the API's database, which is removed as a whole.
        wanted = self._cells[action.ref.name]
        known = self._mappings(wanted.api_database).get(wanted.name)
        argv = _update(wanted, known) if known else _create(wanted)
        container = self._containers[wanted.service]
        run_once(self._host, container, ("nova-manage", "cell_v2", *argv), f"cell-{wanted.name}", timeout=TIMEOUT)


def _seen(found: _Mapping) -> Present:
    return Present(
        {"database": _shown(found.database), "transport": _shown(found.transport), "disabled": found.disabled}
    )


def _shown(url: str) -> str:
    """A URL as a plan may show it: only templates have their password's place where others have the password."""
    return url if PASSWORD_PLACE in url or "@" not in url else f"{url.partition('://')[0]}://****"


def _create(wanted: Cell) -> tuple[str, ...]:
    if wanted.name == CELL0:
        return ("map_cell0", f"--database_connection={wanted.connection}")
    return (
        "create_cell",
        f"--name={wanted.name}",
        f"--transport-url={wanted.transport}",
        f"--database_connection={wanted.connection}",
    )


def _update(wanted: Cell, known: _Mapping) -> tuple[str, ...]:
    # cell0 can be neither disabled nor enabled.
    enable = ("--enable",) if known.disabled and wanted.name != CELL0 else ()
    return (
        "update_cell",
        f"--cell_uuid={known.uuid}",
        f"--transport-url={wanted.transport}",
        f"--database_connection={wanted.connection}",
        *enable,
    )
