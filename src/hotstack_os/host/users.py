"""Users of the node."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from hotstack_os.core.model import Absent, Foreign, Observation, Present, Ref, Resource, Value
from hotstack_os.core.plan import Action
from hotstack_os.exec import Command, CommandFailed, Host
from hotstack_os.exec.wait import until

USER = "user"
LINGER_SECONDS = 300.0
_TIMED_OUT = re.compile("timed out|did not receive a reply", re.IGNORECASE)
"""What loginctl says when an answer by D-Bus took too long."""


def user(name: str, node: str, *, uid: int, home: str, groups: tuple[str, ...]) -> Resource:
    """A system user without login, with a group of its own and membership in `groups`, lingering enabled."""
    state: dict[str, Value] = {
        "uid": uid,
        "home": home,
        "shell": "/usr/sbin/nologin",
        "groups": tuple(sorted(groups)),
        "lingering": True,
    }
    return Resource(Ref(USER, name, node), state)


class UserHandler:
    """System users; systemd-logind keeps their manager running from boot on (lingering)."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def observe(self, resources: Sequence[Resource]) -> Mapping[Ref, Observation]:
        return {each.ref: self._observe(each) for each in resources}

    def _observe(self, wanted: Resource) -> Observation:
        name = wanted.ref.name
        found = self._entry("passwd", name)
        if not found:
            why = self._in_the_way(wanted) if wanted.state else ""
            return Foreign(why) if why else Absent()
        _, _, uid, _, _, home, shell = found.split(":")
        groups = self._host.run(Command(("id", "--name", "--groups", name), "see its groups")).stdout.split()
        linger = f"/var/lib/systemd/linger/{name}"
        return Present(
            {
                "uid": int(uid),
                "home": home,
                "shell": shell,
                "groups": tuple(sorted(group for group in groups if group != name)),
                "lingering": self._host.stat([linger])[linger] is not None,
            }
        )

    def _entry(self, database: str, key: str) -> str:
        """A line of a database of the machine; empty where there is none."""
        argv = ("getent", database, key)
        return self._host.run(Command(argv, f"look for {key}", accept=frozenset({0, 2}))).stdout.strip()

    def _in_the_way(self, wanted: Resource) -> str:
        """Why the user cannot be made without taking from others what is theirs."""
        uid, home = str(wanted.state["uid"]), str(wanted.state["home"])
        if other := self._entry("passwd", uid):
            return f"uid {uid} is that of the user {other.partition(':')[0]}"
        if self._entry("group", wanted.ref.name):
            return f"a group {wanted.ref.name} is there"
        there = self._host.stat([home])[home]
        # Of a user of ours who went without it nothing but the number is left.
        return f"its home {home} is there, and belongs to {there.owner}" if there and there.owner != uid else ""

    def apply(self, action: Action) -> None:
        name, state = action.ref.name, action.resource.state
        if action.verb == "remove":
            self._remove(name)
            return
        groups = state["groups"]
        assert isinstance(groups, tuple)
        options = (f"--home-dir={state['home']}", f"--shell={state['shell']}", f"--groups={','.join(map(str, groups))}")
        if action.verb == "create":
            number = f"--uid={state['uid']}"
            argv: tuple[str, ...] = ("useradd", "--system", number, "--user-group", "--create-home", *options, name)
        else:
            argv = ("usermod", f"--home={state['home']}", *options[1:], name)
        self._host.run(Command(argv, f"make the user {name}"))
        # Its manager is started next, with whatever drop-ins were put in place for it.
        self._host.run(Command(("systemctl", "daemon-reload"), "let systemd read the units of the user's manager"))
        self._linger("enable-linger", name)
        self._manager("start", name)

    def _remove(self, name: str) -> None:
        self._linger("disable-linger", name)
        self._manager("stop", name)
        self._host.run(Command(("userdel", "--remove", name), f"remove the user {name}", accept=frozenset({0, 12})))

    def _linger(self, verb: str, name: str) -> None:
        """logind asks systemd, and gives up after 25 s: where that is busy reading its units, it is asked again.

        What it was asked to do may be done all the same, and asking again changes nothing.
        """
        asked = Command(("loginctl", verb, name), f"{verb.replace('-', ' ')} of {name}", accept=frozenset({0, 1}))
        said = ""

        def done() -> bool:
            nonlocal said
            result = self._host.run(asked)
            said = result.stderr.strip()
            if result.status and not _TIMED_OUT.search(said):
                raise CommandFailed(result)
            return result.status == 0

        until(done, f"logind to {verb} {name}", seconds=LINGER_SECONDS, step=0.25, last=lambda: said)

    def _manager(self, verb: str, name: str) -> None:
        """logind starts and stops it in its own time; it must be there for who comes next, and gone before userdel."""
        uid = self._host.run(Command(("id", "--user", name), f"see the number of {name}")).stdout.strip()
        # user-runtime-dir@.service(5) has /run/user/UID; it would end by itself, but later.
        units = (f"user@{uid}.service", f"user-runtime-dir@{uid}.service")
        if verb == "start":
            # logind counts too: who lets it start and stop five times in ten seconds is refused the sixth. A pattern,
            # because a unit that is not loaded has no count and would be an error.
            forget = ("systemctl", "reset-failed", f"user@{uid}*.service", f"user-runtime-dir@{uid}*.service")
            self._host.run(Command(forget, f"forget how often the manager of {name} was started"))
        self._host.run(Command(("systemctl", verb, *units), f"{verb} the manager of {name}"))
