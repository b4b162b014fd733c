"""Databases and their users: one user per service, with rights on its own databases and nothing else."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from hotstack_os.bootstrap import sql
from hotstack_os.core.model import Absent, Observation, Present, Ref, Resource, Unknown, Value
from hotstack_os.core.plan import Action
from hotstack_os.exec import Host
from hotstack_os.hidden import Fingerprint, Hidden

DATABASE, USER = "database", "database-user"


def database(name: str, node: str, needs: frozenset[Ref], within: Ref) -> Resource:
    """A database. Its default character set is given at creation only: migrations of Keystone change it to utf8."""
    return Resource(Ref(DATABASE, name, node), {"exists": True}, needs, within)


def user(
    name: str, node: str, password: Hidden, databases: tuple[str, ...], needs: frozenset[Ref], within: Ref
) -> Resource:
    """A user from anywhere in the container network with all rights on these databases."""
    state: dict[str, Value] = {"password": password, "databases": tuple(sorted(databases)), "rights elsewhere": False}
    return Resource(Ref(USER, name, node), state, needs, within)


class DatabaseHandler:
    """Databases of MariaDB."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def observe(self, resources: Sequence[Resource]) -> Mapping[Ref, Observation]:
        try:
            found = {row[0] for row in sql.query(self._host, "SELECT schema_name FROM information_schema.schemata")}
        except sql.DatabaseDown as error:
            return {each.ref: Unknown(str(error)) for each in resources}
        return {each.ref: Present({"exists": True}) if each.ref.name in found else Absent() for each in resources}

    def apply(self, action: Action) -> None:
        name = sql.name(action.ref.name)
        removal = f"DROP DATABASE IF EXISTS {name}"
        statement = removal if action.verb == "remove" else f"CREATE DATABASE IF NOT EXISTS {name} {sql.CHARACTERS}"
        sql.execute(self._host, f"{statement};\n", f"{action.verb} the database {action.ref.name}")


class UserHandler:
    """Users of MariaDB. A password is compared by its hash, so one that was changed behind our back is seen."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def observe(self, resources: Sequence[Resource]) -> Mapping[Ref, Observation]:
        try:
            rows = sql.query(self._host, _USERS)
        except sql.DatabaseDown as error:
            return {each.ref: Unknown(str(error)) for each in resources}
        return {each.ref: _user(each, [row[1:] for row in rows if row[0] == each.ref.name]) for each in resources}

    def apply(self, action: Action) -> None:
        name, state = sql.literal(action.ref.name), action.resource.state
        if action.verb == "remove":
            sql.execute(self._host, f"DROP USER IF EXISTS {name};\n", f"remove the database user {action.ref.name}")
            return
        password, databases = state["password"], state["databases"]
        assert isinstance(password, Hidden)
        assert isinstance(databases, tuple)
        # Created anew: that is how rights that were added by others go away.
        rights = "".join(f"GRANT ALL PRIVILEGES ON {sql.name(str(each))}.* TO {name};\n" for each in databases)
        statements = password.derive(f"CREATE OR REPLACE USER {name} IDENTIFIED BY '", f"';\n{rights}")
        sql.execute(self._host, statements, f"make the database user {action.ref.name}")


_USERS = """
SELECT user, 'login', JSON_VALUE(priv, '$.authentication_string'), JSON_VALUE(priv, '$.access')
  FROM mysql.global_priv WHERE host = '%'
UNION ALL
SELECT user, 'rights', db, IF(alter_priv = 'Y', 'all', 'some') FROM mysql.db WHERE host = '%'
"""


def _user(wanted: Resource, rows: list[list[str]]) -> Observation:
    """`rows` are those of `_USERS` for this user, without its name."""
    login = next((row[1:] for row in rows if row[0] == "login"), None)
    if login is None:
        return Absent()
    stored, everywhere = login
    password = wanted.state.get("password")
    known = isinstance(password, Hidden) and native_hash(password.reveal()) == stored
    rights = [name if extent == "all" else f"parts of {name}" for what, name, extent in rows if what == "rights"]
    return Present(
        {
            "password": password if known and password is not None else Fingerprint("another"),
            "databases": tuple(sorted(rights)),
            "rights elsewhere": everywhere != "0",
        }
    )


def native_hash(password: str) -> str:
    """How mysql_native_password stores a password: '*' and the doubled SHA-1 in capital hexadecimal digits."""
    once = hashlib.sha1(password.encode(), usedforsecurity=False).digest()
    return "*" + hashlib.sha1(once, usedforsecurity=False).hexdigest().upper()
