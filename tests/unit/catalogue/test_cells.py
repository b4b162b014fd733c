"""How cell mappings are made, changed and shown."""

from __future__ import annotations

from hotstack_os.bootstrap import cells
from hotstack_os.catalogue import nova

CELL0, CELL1 = nova.COMPONENT.cells
DATABASE = "{scheme}://{username}:{password}@{hostname}:{port}/%s?{query}"
UUID = "81204d6d-efd6-4c38-9c93-ae6911ce0624"


def known(transport: str = nova.QUEUES, database: str = CELL1.connection, *, disabled: bool = False) -> cells._Mapping:
    return cells._Mapping(UUID, transport, database, disabled)


def test_cell0_is_mapped_by_its_own_command() -> None:
    assert cells._create(CELL0) == ("map_cell0", f"--database_connection={DATABASE % 'nova_cell0'}")


def test_a_cell_is_created_with_templates() -> None:
    assert cells._create(CELL1) == (
        "create_cell",
        "--name=cell1",
        "--transport-url={scheme}://{username}:{password}@{hostname}:{port}//",
        f"--database_connection={DATABASE % 'nova'}",
    )


def test_a_mapping_is_changed_by_its_id() -> None:
    argv = cells._update(CELL1, known("rabbit://nova:sesame@192.0.2.1:5672//"))
    assert argv[:2] == ("update_cell", f"--cell_uuid={UUID}")
    assert argv[2:] == (f"--transport-url={nova.QUEUES}", f"--database_connection={CELL1.connection}")


def test_a_disabled_cell_is_enabled_but_never_cell0() -> None:
    assert "--enable" in cells._update(CELL1, known(disabled=True))
    assert "--enable" not in cells._update(CELL0, known(disabled=True))


def test_what_is_wanted_is_what_is_seen_afterwards() -> None:
    wanted = cells.cell(CELL1, "node", frozenset(), cells.Ref("database", "nova_api", "node"))
    assert cells._seen(known()).state == wanted.state


def test_a_password_is_not_shown() -> None:
    state = cells._seen(
        known("rabbit://nova:sesame@192.0.2.1:5672//", "mysql+pymysql://nova:sesame@192.0.2.2/nova")
    ).state
    assert state["transport"] == "rabbit://****"
    assert state["database"] == "mysql+pymysql://****"
