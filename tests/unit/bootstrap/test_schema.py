"""What is seen of schemas, and what is done about a database that was begun and never finished."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from hotstack_os.bootstrap import dumps, schema, seeds
from hotstack_os.catalogue.spec import Database
from hotstack_os.core.model import Absent, Observation, Present, Ref, Resource
from hotstack_os.core.plan import Action
from hotstack_os.errors import HotstackError
from hotstack_os.exec import Command, CommandFailed, Host, Result

if TYPE_CHECKING:
    from hotstack_os.runtime.quadlet import Container

HEAT = Database("heat", "heat", "heat", ("heat-manage", "db_sync"), project="heat")
WANTED = Resource(Ref(schema.SCHEMA, "heat", "node"), {"heads": ("b",)})
NO_DUMPS = dumps.Dumps(Path("/nowhere"), "lab")
MARK = seeds.UNFINISHED
BEGUN, DONE = {MARK: "b", "stack": ""}, {HEAT.version_table: "b", "stack": ""}
OLDER = {**BEGUN, HEAT.version_table: "a"}


@dataclass
class Image:
    """As much of a container as decides about seeds."""

    image: str = "localhost/heat:1"


class Killed(Exception):
    """What is not carried to its end."""


@dataclass
class Server:
    """A MariaDB with one database: table or view → the version in it. It understands the statements that are sent."""

    tables: dict[str, str] = field(default_factory=dict)
    characters: str = "as a migration left it"
    migrates: bool = True
    users: int = 0
    broken: str = ""
    patience: float = 0.0
    said: list[str] = field(default_factory=list)
    dumped: list[dict[str, str]] = field(default_factory=list)

    def argv(self, argv: tuple[str, ...]) -> tuple[str, ...]:
        return argv

    def keep(self, command: Command) -> Result:
        """Runs on the operator's machine: what the node's program says goes to the file that is named."""
        assert "mariadb-dump" in command.argv
        Path(command.argv[4]).write_text("")
        self.dumped.append(dict(self.tables))
        return Result(command, 0, "", "", 0.1)

    def run(self, command: Command) -> Result:
        return Result(command, 0, self.answer(command), "", 0.1)

    def answer(self, command: Command) -> str:
        text = command.stdin_bytes().decode()
        asked, names = f"{' '.join(command.argv)} {text}", sorted(self.tables)
        answers: dict[str, Sequence[str]] = {
            "podman": ["4711"],
            "mariadb-dump": [f"dump of {', '.join(names)};"],
            "processlist": [str(self.users)],
            "default_character_set_name": ["utf8mb3\tutf8mb3_general_ci"],
            "SELECT head FROM": self.tables.get(MARK, "").split(),
            "SELECT table_schema, table_name": [f"heat\t{name}" for name in names if f"'{name}'" in text],
            "SELECT table_name": names,
            "version_num": [f"heat\t{self.tables.get(HEAT.version_table)}"],
        }
        for words, answer in answers.items():
            if words in asked:
                return "".join(f"{line}\n" for line in answer)
        for statement in text.splitlines():
            self.execute(statement)
        return ""

    def execute(self, statement: str) -> None:
        self.said.append(statement)
        if statement.startswith("CREATE OR REPLACE VIEW"):
            self.tables[statement.split()[4]] = " ".join(re.findall(r"SELECT '(\w+)' AS head", statement))
        elif statement.startswith(("DROP TABLE", "DROP VIEW")):
            name = statement.rstrip(";").rpartition(".")[2].rpartition(" ")[2].strip("`")
            assert name in self.tables or "IF EXISTS" in statement
            self.tables.pop(name, None)
        elif statement.startswith("ALTER DATABASE"):
            self.characters = statement.removeprefix("ALTER DATABASE ").rstrip(";")
        elif statement == "the seed":
            assert set(self.tables) == {MARK}
            self.tables |= DONE

    def migrate(self, *_: object, timeout: float, **__: object) -> None:
        """A tool that stumbles over tables that are there already, and knows the versions that it made itself."""
        self.patience = timeout
        assert set(self.tables) == {MARK} or HEAT.version_table in self.tables, "Table 'stack' already exists"
        if self.broken:
            raise CommandFailed(Result(Command(("heat-manage",)), 1, "", self.broken, 0.1))
        if not self.migrates:
            self.tables |= {HEAT.version_table: "a"}
            raise Killed
        self.tables |= DONE


def observed(server: Server) -> Observation:
    made = schema.SchemaHandler(
        cast("Host", server), {"heat": HEAT}, {}, seeds.Seeds(Path("/nowhere"), "mariadb:1"), NO_DUMPS
    )
    return made.observe([WANTED])[WANTED.ref]


def bring(monkeypatch: pytest.MonkeyPatch, server: Server, kept: seeds.Seeds, head: str = "b") -> None:
    """Have it done what a plan would do about a database that is not at its head."""
    monkeypatch.setattr(schema, "run_once", server.migrate)
    monkeypatch.setattr(dumps, "run_here", server.keep)
    containers = {"heat": cast("Container", Image())}
    handler = schema.SchemaHandler(
        cast("Host", server), {"heat": HEAT}, containers, kept, dumps.Dumps(kept.directory / "dumps", "lab")
    )
    handler.apply(Action("update", replace(WANTED, state={"heads": (head,)}), None, ()))


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
@pytest.mark.parametrize("tables", [{}, BEGUN, OLDER])
def test_what_was_begun_is_made_anew(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tables: dict[str, str], seed: str
) -> None:
    server, kept = Server(dict(tables)), seeds.Seeds(tmp_path, "mariadb:1")
    if seed:
        kept.keep(HEAT, Image().image, seed)
    bring(monkeypatch, server, kept)
    assert server.tables == DONE
    assert server.characters == "CHARACTER SET utf8mb4"
    characters = "ALTER DATABASE CHARACTER SET utf8mb3 COLLATE utf8mb3_general_ci;\n"
    assert kept.text(HEAT, Image().image) == (seed or characters + "dump of alembic_version, stack;\n" * 2)


def test_what_others_may_have_written_to_is_no_seed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    server, kept = Server(users=1), seeds.Seeds(tmp_path, "mariadb:1")
    bring(monkeypatch, server, kept)
    assert server.tables == DONE
    assert kept.text(HEAT, Image().image) is None


def test_no_version_of_before_is_there_when_the_aim_changes() -> None:
    statements = seeds.begin(HEAT, frozenset({MARK, "stack", HEAT.version_table}), ["c"]).splitlines()
    drops = [number for number, each in enumerate(statements) if HEAT.version_table in each]
    (aim,) = [number for number, each in enumerate(statements) if MARK in each]
    assert drops == [aim - 1]


def test_what_is_broken_off_has_the_mark_and_is_made_anew(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    server, kept = Server(migrates=False), seeds.Seeds(tmp_path, "mariadb:1")
    with pytest.raises(Killed):
        bring(monkeypatch, server, kept)
    assert server.tables == {MARK: "b", HEAT.version_table: "a"}
    assert kept.text(HEAT, Image().image) is None
    server.migrates = True
    bring(monkeypatch, server, kept)
    assert server.tables == DONE


@pytest.mark.parametrize(
    ("tables", "wanted"),
    [
        ({HEAT.version_table: "a", "stack": ""}, "b"),
        ({**DONE, **BEGUN}, "b"),  # all was done but for the mark, and somebody may have used it since
        ({**DONE, **BEGUN}, "c"),  # and an upgrade came
    ],
)
def test_what_holds_data_is_migrated_in_place(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tables: dict[str, str], wanted: str
) -> None:
    server, kept = Server({**tables, "more": ""}), seeds.Seeds(tmp_path, "mariadb:1")
    kept.keep(HEAT, Image().image, "the seed")
    bring(monkeypatch, server, kept, wanted)
    assert server.patience == math.inf  # it is never killed in the middle of DDL
    before = {name: version for name, version in tables.items() if name != MARK}
    assert server.dumped == [{**before, "more": ""}]
    assert server.tables == {**DONE, "more": ""}
    assert not [statement for statement in server.said if statement.startswith(("DROP TABLE", "ALTER"))]
    # What is not where it was to be is as one that failed: the dump of before stays, however often it is tried.
    assert (tmp_path / "dumps" / "heat.reached").exists() == (wanted == "b")


def test_a_migration_of_data_that_fails_says_in_few_lines_how_it_is_had_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    traceback = "".join(f"  File {number}, somewhere\n" for number in range(80))
    server = Server({HEAT.version_table: "a", "stack": ""}, broken=f"{traceback}Table 'more' already exists\n")
    with pytest.raises(HotstackError) as failed:
        bring(monkeypatch, server, seeds.Seeds(tmp_path, "mariadb:1"))
    (dump,) = (tmp_path / "dumps").iterdir()
    assert failed.value.hint.endswith(f"zcat {dump} | hotstack-os exec --cloud lab --root mariadb -- mariadb")
    assert failed.value.found.endswith("Table 'more' already exists")
    assert len(str(failed.value).splitlines()) < 8


@pytest.mark.parametrize("tables", [{}, BEGUN])
def test_what_nobody_has_used_is_not_dumped(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tables: dict[str, str]
) -> None:
    server = Server(dict(tables))
    bring(monkeypatch, server, seeds.Seeds(tmp_path, "mariadb:1"))
    assert server.dumped == []


def test_tables_without_mark_and_version_are_not_dropped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    server = Server({"stack": ""})
    with pytest.raises(AssertionError, match="'stack' already exists"):
        bring(monkeypatch, server, seeds.Seeds(tmp_path, "mariadb:1"))
    assert server.tables == {"stack": ""}
