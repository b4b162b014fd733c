"""Which dumps of a database are kept, and that one is whole or not there."""

from __future__ import annotations

import gzip
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest

from hotstack_os.bootstrap.dumps import Dumps, superfluous
from hotstack_os.catalogue.spec import Database
from hotstack_os.exec import CommandFailed, Host

HEAT = Database("heat", "heat", "heat", (), project="heat")


@dataclass
class Node:
    """Stands where the node is: runs this instead of the dumping program."""

    script: str

    def argv(self, argv: tuple[str, ...]) -> tuple[str, ...]:
        assert argv[-2:] == ("--databases", "heat")
        return ("sh", "-c", self.script)


def test_a_dump_is_compressed_and_for_its_operator_alone(tmp_path: Path) -> None:
    made = Dumps(tmp_path / "dumps", "lab").keep(cast("Host", Node("echo all of it")), HEAT, ["b", "a"])
    assert gzip.decompress(made.read_bytes()) == b"all of it\n"
    assert made.name.startswith("heat-a+b-")
    assert (stat.S_IMODE(made.stat().st_mode), stat.S_IMODE(made.parent.stat().st_mode)) == (0o600, 0o700)


def test_half_a_dump_is_none(tmp_path: Path) -> None:
    with pytest.raises(CommandFailed, match="no more room"):
        Dumps(tmp_path, "lab").keep(cast("Host", Node("echo half; echo no more room >&2; exit 3")), HEAT, ["a"])
    assert not list(tmp_path.iterdir())


def named(heads: str) -> list[str]:
    """Dumps at these heads, a letter each, one after the other."""
    return [f"heat-{head}-20261130T1000{number:02}Z.sql.gz" for number, head in enumerate(heads)]


def test_of_each_version_the_first_and_the_last_dump_are_kept_and_no_more_than_three_versions() -> None:
    names = named("aabbbbcd")
    assert superfluous(names, names[0]) == [names[0], names[3], names[4]]
    assert superfluous([*names, "heat-notes.sql.gz"], names[7])[:2] == names[:2]
    many = [f"heat-a-20261130T10{number:04}Z.sql.gz" for number in range(40)]
    assert [each for each in many if each not in superfluous(many)] == [many[0], many[-1]]


@pytest.mark.parametrize("heads", ["abcd", "abcdefgh", "aabcbcd"])
def test_migrations_that_fail_each_at_another_version_leave_the_dump_of_before(heads: str) -> None:
    names = named(f"x{heads}")
    assert names[1] not in superfluous(names, names[0])
    assert names[0] in superfluous(names, names[0])
    assert names[1] not in superfluous(names[1:])  # nobody has noted anything, as with an earlier revision


def test_the_row_ends_when_the_schema_is_where_it_was_to_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(f"20261130T1000{number:02}Z" for number in range(60))
    monkeypatch.setattr("time.strftime", lambda *_: next(clock))
    dumps, node = Dumps(tmp_path, "lab"), cast("Host", Node("echo all of it"))
    made = [dumps.keep(node, HEAT, [head]) for head in "abcde"]
    assert [each.exists() for each in made] == [True, False, True, True, True]
    dumps.reached(HEAT)
    made += [dumps.keep(node, HEAT, [head]) for head in "fghi"]
    assert [each.exists() for each in made] == [False] * 5 + [True] * 4
