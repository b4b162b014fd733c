"""How cell mappings are made, changed and shown."""

from __future__ import annotations

import pytest

from hotstack_os.bootstrap import cells
from hotstack_os.catalogue import nova
from hotstack_os.core.model import Ref

CELL0, CELL1 = nova.COMPONENT.cells
DATABASE = "{scheme}://{username}:{password}@{hostname}:{port}/%s?{query}"


def known(transport: str = nova.QUEUES, database: str = CELL1.connection, *, disabled: bool = False) -> cells._Mapping:
    return cells._Mapping(transport, database, disabled)


def test_cell0_is_mapped_under_the_id_by_which_nova_knows_it() -> None:
    assert cells.insert(CELL0) == (
        "INSERT INTO `nova_api`.cell_mappings (uuid, name, transport_url, database_connection, disabled, created_at)"
        f" VALUES ('00000000-0000-0000-0000-000000000000', 'cell0', 'none:///', '{DATABASE % 'nova_cell0'}', 0,"
        " UTC_TIMESTAMP());\n"
    )


def test_a_cell_is_mapped_with_templates_under_an_id_of_its_own() -> None:
    made = cells.insert(CELL1)
    assert f", 'cell1', '{nova.QUEUES}', '{DATABASE % 'nova'}', 0, " in made
    assert made != cells.insert(CELL1)


def test_a_mapping_is_set_right_and_enabled_by_its_name() -> None:
    assert cells.update(CELL1) == (
        f"UPDATE `nova_api`.cell_mappings SET transport_url = '{nova.QUEUES}',"
        f" database_connection = '{DATABASE % 'nova'}', disabled = 0, updated_at = UTC_TIMESTAMP()"
        " WHERE name = 'cell1';\n"
    )


def test_what_is_wanted_is_what_is_seen_afterwards() -> None:
    wanted = cells.cell(CELL1, "node", frozenset(), Ref("database", "nova_api", "node"))
    assert cells._seen(known()).state == wanted.state


@pytest.mark.parametrize("other", [known("none:///"), known(database="sqlite://"), known(disabled=True)])
def test_a_mapping_that_is_not_as_wanted_is_seen(other: cells._Mapping) -> None:
    wanted = cells.cell(CELL1, "node", frozenset(), Ref("database", "nova_api", "node"))
    assert cells._seen(other).state != wanted.state


def test_a_password_is_not_shown() -> None:
    state = cells._seen(
        known("rabbit://nova:sesame@192.0.2.1:5672//", "mysql+pymysql://nova:sesame@192.0.2.2/nova")
    ).state
    assert state["transport"] == "rabbit://****"
    assert state["database"] == "mysql+pymysql://****"
