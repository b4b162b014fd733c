"""The one way to speak SQL: the client in MariaDB's container, as root through its socket, statements on its input."""

from __future__ import annotations

import re

from hotstack_os.exec import CommandFailed, Host
from hotstack_os.hidden import Hidden
from hotstack_os.runtime.services import NOT_CARRIED_IN, run_as_root_in

CHARACTERS = "CHARACTER SET utf8mb4"
"""Of a new database."""
CLIENT = ("--user=root", "--skip-ssl")
"""Options of all of MariaDB's clients: they come through a local socket, which tells that root comes, who needs no
password. There TLS protects nothing, and costs a handshake for each statement."""
SECONDS = 60.0
WHOLE_SECONDS = 900.0
"""For a statement, and for all tables of a database, whose size and disk nobody knows."""
_REFUSED = re.compile(r"ERROR [134]\d{3} ")
"""Numbers of errors of the server; those of the client, which got no answer, begin with 2."""


class DatabaseDown(Exception):
    """MariaDB does not answer, in one sentence; whatever lies in it cannot be observed."""


def query(host: Host, statement: str) -> list[list[str]]:
    """The rows of a SELECT, all values as text, NULL as "NULL"; raises DatabaseDown, which says why, without an answer.

    Where no running container is found it is asked once more: so it was on a busy machine whose container ran, and a
    SELECT changes nothing.
    """
    try:
        output = _select(host, statement)
    except CommandFailed as error:
        if error.result.status != NOT_CARRIED_IN:
            raise _down(error) from None
        try:
            output = _select(host, statement)
        except CommandFailed as again:
            raise _down(again) from None
    return [line.split("\t") for line in output.splitlines()]


def _select(host: Host, statement: str) -> str:
    return _client(host, statement, "ask MariaDB", ("--batch", "--skip-column-names"))


def _down(error: CommandFailed) -> DatabaseDown:
    said = (error.result.stderr.strip().splitlines() or [f"status {error.result.status}"])[-1]
    return DatabaseDown(f"MariaDB {'refuses' if _REFUSED.match(said) else 'does not answer'}: {said}")


def execute(host: Host, statements: str | Hidden, purpose: str, seconds: float = SECONDS) -> None:
    """Run statements; the first that fails raises CommandFailed."""
    _client(host, statements, purpose, (), seconds)


def _client(
    host: Host, statements: str | Hidden, purpose: str, options: tuple[str, ...], seconds: float = SECONDS
) -> str:
    return run_as_root_in(host, "mariadb", ("mariadb", *CLIENT, *options), purpose, stdin=statements, timeout=seconds)


def name(text: str) -> str:
    """An identifier in backquotes."""
    return "`" + text.replace("`", "``") + "`"


def literal(text: str) -> str:
    """A string literal."""
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"
