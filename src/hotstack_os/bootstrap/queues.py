"""Users of RabbitMQ: one for each project that has all rights, and one for health that may only come in.

The broker makes them when it starts, from the definitions in its configuration. What happens to them later is seen and
made good here, without a restart of anything: the connections that users have stay.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence

from hotstack_os.catalogue.infrastructure import RIGHTS, broker_definitions
from hotstack_os.core.model import Absent, Observation, Present, Ref, Resource, Unknown
from hotstack_os.core.plan import Action
from hotstack_os.exec import Command, CommandFailed, CommandMissing, Host
from hotstack_os.exec.patience import stretched
from hotstack_os.hidden import Fingerprint, Hidden
from hotstack_os.runtime import control
from hotstack_os.runtime.quadlet import HEALTH

KIND = "queue-user"


def user(name: str, node: str, password: Hidden, rights: str, needs: frozenset[Ref], within: Ref) -> Resource:
    """A user with `rights` ("all" or "none", see RIGHTS) on the virtual host "/".

    The broker is ours alone, so that a user who is there with another password is simply given ours.
    """
    return Resource(Ref(KIND, name, node), {"password": password, "rights": rights}, needs, within, foreign="adopt")


class QueueUserHandler:
    """Users of RabbitMQ at an address that the node reaches.

    They are known by a login each, which costs milliseconds; only where one is refused, or of a user no longer wanted,
    is the broker's own tool asked, which starts an Erlang VM.
    """

    def __init__(self, host: Host, address: str, port: int) -> None:
        self._host = host
        self._address = address
        self._port = port

    def observe(self, resources: Sequence[Resource]) -> Mapping[Ref, Observation]:
        passwords = {
            each.ref.name: word for each in resources if isinstance(word := each.state.get("password"), Hidden)
        }
        refused = self._refused(passwords)
        if refused is None:
            return {each.ref: Unknown("RabbitMQ is not running") for each in resources}
        if len(passwords) == len(resources) and not refused:
            return {each.ref: Present(each.state) for each in resources}
        return self._ask_broker(resources)

    def apply(self, action: Action) -> None:
        name, state = action.ref.name, action.resource.state
        if action.verb in ("remove", "restore"):
            # A password that was another's is known by its hash only: it is not given back.
            self._broker(("delete_user", name), f"remove the user {name} of the broker")
            return
        password, rights = state["password"], state["rights"]
        assert isinstance(password, Hidden)
        definitions = broker_definitions({name: (password, str(rights))})
        self._broker(("import_definitions", "/dev/stdin"), f"make the user {name} of the broker", definitions)

    def _refused(self, passwords: Mapping[str, Hidden]) -> set[str] | None:
        """The users who may not come in; None where nobody answers."""
        asked = {"host": self._address, "port": self._port, "users": {k: v.reveal() for k, v in passwords.items()}}
        question = Hidden(json.dumps({**asked, "patience": stretched(1.0)}))
        try:
            said = self._host.run(
                Command((HEALTH, "logins"), "try the users of the broker", stdin=question, timeout=60)
            )
        except (CommandMissing, CommandFailed):  # it is not there yet, or older than this question
            return None
        return {name for name, why in json.loads(said.stdout).items() if why}

    def _ask_broker(self, resources: Sequence[Resource]) -> Mapping[Ref, Observation]:
        try:
            text = self._broker(("export_definitions", "-"), "list the users of the broker")
        except CommandFailed as error:
            return {each.ref: Unknown(error.result.stderr.strip() or "no answer") for each in resources}
        found = json.loads(text)
        hashes = {each["name"]: each["password_hash"] for each in found["users"]}
        rights = {each["user"]: each for each in found["permissions"] if each["vhost"] == "/"}
        return {
            each.ref: _seen(each, hashes[each.ref.name], rights.get(each.ref.name, {}))
            if each.ref.name in hashes
            else Absent()
            for each in resources
        }

    def _broker(self, words: tuple[str, ...], purpose: str, stdin: Hidden | None = None) -> str:
        argv = ("rabbitmqctl", "--quiet", *words)
        # Its script becomes the broker's user by itself, which takes powers that root has not in this container.
        return control.ask(self._host, "rabbitmq", argv, purpose, stdin=stdin, timeout=60)


def _seen(wanted: Resource, stored: str, found: Mapping[str, object]) -> Observation:
    password = wanted.state.get("password")
    known = isinstance(password, Hidden) and matches(password, stored)
    named = (
        name for name, patterns in RIGHTS.items() if all(found.get(key) == value for key, value in patterns.items())
    )
    return Present(
        {
            "password": password if known and password is not None else Fingerprint("another"),
            "rights": next(named, "others" if found else "not even to come in"),
        }
    )


def matches(password: Hidden, stored: str) -> bool:
    """Whether RabbitMQ's rabbit_password_hashing_sha256 made this of the password: salt of 4 bytes, then the digest."""
    raw = base64.b64decode(stored)
    return hashlib.sha256(raw[:4] + password.reveal().encode()).digest() == raw[4:]
