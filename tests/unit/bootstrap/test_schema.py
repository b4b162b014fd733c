"""What is seen of schemas, and what is done about a database that was begun and never finished."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from hotstack_os.bootstrap import schema, seeds
from hotstack_os.catalogue.spec import Database
from hotstack_os.core.model import Absent, Observation, Present, Ref, Resource
from hotstack_os.core.plan import Action
from hotstack_os.exec import Command, Host, Result

if TYPE_CHECKING:
    from hotstack_os.runtime.quadlet import Container

HEAT = Database("heat", "heat", "heat", ("heat-manage", "db_sync"), project="heat")
WANTED = Resource(Ref(schema.SCHEMA, "heat", "node"), {"heads": ("b",)})
MARK = seeds.UNFINISHED
BEGUN, DONE = {MARK: "", "stack": ""}, {HEAT.version_table: "b", "stack": ""}


@dataclass
class Image:
    """As much of a container as decides about seeds."""

    image: str = "localhost/heat:1"


@dataclass
class Server:
    """A MariaDB with one database: table → the version in it. It understands the statements that are sent."""

    tables: dict[str, str] = field(default_factory=dict)

    def run(self, command: Command) -> Result:
        return Result(command, 0, self.said(command), "", 0.1)

    def said(self, command: Command) -> str:
        text = command.stdin_bytes().decode()
        if "mariadb-dump" in command.argv:
            return f"dump of {', '.join(sorted(self.tables))};"
        if "SELECT table_schema, table_name" in text:
            return "".join(f"heat\t{name}\n" for name in self.tables if f"'{name}'" in text)
        if "SELECT table_name" in text:
            return "".join(f"{name}\n" for name in self.tables)
        if "version_num" in text:
            return f"heat\t{self.tables[HEAT.version_table]}\n"
        for statement in text.splitlines():
            self.execute(statement)
        return ""

    def execute(self, statement: str) -> None:
        if statement.startswith("CREATE TABLE IF NOT EXISTS"):
            self.tables[statement.split()[5]] = ""
        elif statement.startswith("DROP TABLE"):
            del self.tables[statement.rstrip(";").rpartition(".")[2].rpartition(" ")[2].strip("`")]
        elif statement == "the seed":
            assert set(self.tables) == {MARK}
            self.tables |= DONE

    def migrate(self, *_: object, **__: object) -> None:
        """A tool that stumbles over tables that are there already, and knows the versions that it made itself."""
        assert set(self.tables) == {MARK} or HEAT.version_table in self.tables, "Table 'stack' already exists"
        self.tables |= DONE


def observed(server: Server) -> Observation:
    made = schema.SchemaHandler(cast("Host", server), {"heat": HEAT}, {}, seeds.Seeds(Path("/nowhere"), "mariadb:1"))
    return made.observe([WANTED])[WANTED.ref]


@pytest.mark.parametrize(
    ("tables", "seen"),
    [
        ({}, Absent()),
        ({"stack": ""}, Absent()),
        (DONE, Present({"heads": ("b",)})),
        (BEGUN, Present({"heads": ("unfinished",)})),
        ({**DONE, **BEGUN}, Present({"heads": ("unfinished",)})),
    ],
)
def test_a_database_with_the_mark_is_never_finished(tables: dict[str, str], seen: Observation) -> None:
    assert observed(Server(tables)) == seen


@pytest.mark.parametrize("seed", ["", "the seed"])
@pytest.mark.parametrize("tables", [{}, BEGUN, {**DONE, **BEGUN}])
def test_what_was_begun_is_made_anew(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tables: dict[str, str], seed: str
) -> None:
    server, kept, container = Server(dict(tables)), seeds.Seeds(tmp_path, "mariadb:1"), cast("Container", Image())
    monkeypatch.setattr(schema, "run_once", server.migrate)
    if seed:
        kept.keep(HEAT, container.image, seed)
    handler = schema.SchemaHandler(cast("Host", server), {"heat": HEAT}, {"heat": container}, kept)
    handler.apply(Action("update", WANTED, None, ()))
    assert server.tables == DONE
    assert kept.text(HEAT, container.image) == (seed or "dump of alembic_version, stack;" * 2)


def test_what_holds_data_is_migrated_in_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    server, kept = Server({HEAT.version_table: "a", "stack": "", "more": ""}), seeds.Seeds(tmp_path, "mariadb:1")
    monkeypatch.setattr(schema, "run_once", server.migrate)
    containers = {"heat": cast("Container", Image())}
    schema.SchemaHandler(cast("Host", server), {"heat": HEAT}, containers, kept).apply(
        Action("update", WANTED, None, ())
    )
    assert server.tables == {**DONE, "more": ""}
    assert kept.text(HEAT, Image().image) is None
