"""Questions to MariaDB: what came of them, and what is said when nothing came."""

from __future__ import annotations

from typing import cast

import pytest

from hotstack_os.bootstrap import sql
from hotstack_os.exec import Command, Host, Result
from hotstack_os.runtime.services import NOT_CARRIED_IN

BROKEN = (NOT_CARRIED_IN, "", "something of the machine\n")
UNANSWERED = (1, "", "a warning\nERROR 2002 (HY000): Can't connect to local server\n")
REFUSED = (1, "", "ERROR 1046 (3D000) at line 1: No database selected\n")
STOPPED = (NOT_CARRIED_IN, "", "the container of hotstack-os-mariadb.service does not run\n")
ROWS = (0, "nova\tall\nheat\tNULL\n", "")


class Answers:
    """A machine whose commands end one after the other in the given ways."""

    def __init__(self, *endings: tuple[int, str, str]) -> None:
        self.left = list(endings)

    def run(self, command: Command) -> Result:
        return Result(command, *self.left.pop(0), seconds=0).check()


def test_rows_are_split_into_values() -> None:
    assert sql.query(cast("Host", Answers(ROWS)), "SELECT 1") == [["nova", "all"], ["heat", "NULL"]]


def test_what_did_not_get_to_the_client_is_asked_once_more() -> None:
    assert sql.query(cast("Host", Answers(BROKEN, ROWS)), "SELECT 1")


@pytest.mark.parametrize(
    ("endings", "why"),
    [
        ((UNANSWERED, ROWS), "does not answer: .*Can't connect"),
        ((REFUSED, ROWS), "refuses: .*No database"),
        (((137, "", ""), ROWS), "status 137"),
        ((BROKEN, BROKEN, ROWS), "something of the machine"),
        ((STOPPED, STOPPED, ROWS), "hotstack-os-mariadb.service does not run"),
    ],
)
def test_no_answer_says_why_and_is_not_asked_for_ever(endings: tuple[tuple[int, str, str], ...], why: str) -> None:
    answers = Answers(*endings)
    with pytest.raises(sql.DatabaseDown, match=why):
        sql.query(cast("Host", answers), "SELECT 1")
    assert answers.left == [ROWS]
