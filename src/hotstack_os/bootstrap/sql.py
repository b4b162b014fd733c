"""The one way to speak SQL: the client in MariaDB's container, as root through its socket, statements on its input."""

from __future__ import annotations

from hotstack_os.exec import Command, CommandFailed, Host
from hotstack_os.hidden import Hidden
from hotstack_os.runtime.quadlet import PREFIX


class DatabaseDown(Exception):
    """MariaDB does not answer; whatever lies in it cannot be observed."""


def query(host: Host, statement: str) -> list[list[str]]:
    """The rows of a SELECT, all values as text, NULL as "NULL"; raises DatabaseDown when nobody answers."""
    try:
        output = _client(host, statement, "ask MariaDB", ("--batch", "--skip-column-names"))
    except CommandFailed as error:
        raise DatabaseDown(error.result.stderr.strip().splitlines()[-1:] or ["no answer"]) from None
    return [line.split("\t") for line in output.splitlines()]


def execute(host: Host, statements: str | Hidden, purpose: str) -> None:
    """Run statements; the first that fails raises CommandFailed."""
    _client(host, statements, purpose, ())


def _client(host: Host, statements: str | Hidden, purpose: str, options: tuple[str, ...]) -> str:
    # --user=0: the socket tells who comes; inside the container that is all root can do.
    argv = ("podman", "exec", "--interactive", "--user=0", f"{PREFIX}mariadb", "mariadb", "--user=root", *options)
    return host.run(Command(argv, purpose, stdin=statements, timeout=60)).stdout


def name(text: str) -> str:
    """An identifier in backquotes."""
    return "`" + text.replace("`", "``") + "`"


def literal(text: str) -> str:
    """A string literal."""
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"
