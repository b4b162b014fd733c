"""The one way to speak SQL: the client in MariaDB's container, as root through its socket, statements on its input."""

from __future__ import annotations

from hotstack_os.exec import CommandFailed, Host
from hotstack_os.hidden import Hidden
from hotstack_os.runtime.services import run_in


class DatabaseDown(Exception):
    """MariaDB does not answer; whatever lies in it cannot be observed."""


def query(host: Host, statement: str) -> list[list[str]]:
    """The rows of a SELECT, all values as text, NULL as "NULL"; raises DatabaseDown when nobody answers."""
    try:
        output = _client(host, statement, "ask MariaDB", ("--batch", "--skip-column-names"))
    except CommandFailed as error:
        raise DatabaseDown(error.result.stderr.strip() or "no answer") from None
    return [line.split("\t") for line in output.splitlines()]


def execute(host: Host, statements: str | Hidden, purpose: str) -> None:
    """Run statements; the first that fails raises CommandFailed."""
    _client(host, statements, purpose, ())


def _client(host: Host, statements: str | Hidden, purpose: str, options: tuple[str, ...]) -> str:
    # The socket tells who comes: root in the container is root in the database, and needs no password.
    return run_in(host, "mariadb", ("mariadb", "--user=root", *options), purpose, stdin=statements, timeout=60)


def name(text: str) -> str:
    """An identifier in backquotes."""
    return "`" + text.replace("`", "``") + "`"


def literal(text: str) -> str:
    """A string literal."""
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"
