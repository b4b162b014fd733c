"""Users of the node."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hotstack_os.core.model import Absent, Observation, Present, Ref, Resource, Value
from hotstack_os.core.plan import Action
from hotstack_os.exec import Command, Host

USER = "user"


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
        return {each.ref: self._observe(each.ref.name) for each in resources}

    def _observe(self, name: str) -> Observation:
        found = self._host.run(Command(("getent", "passwd", name), "see the user", accept=frozenset({0, 2})))
        if found.status == 2:
            return Absent()
        _, _, uid, _, _, home, shell = found.stdout.strip().split(":")
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
        self._host.run(Command(("loginctl", "enable-linger", name), f"keep the manager of {name} from boot on"))
        self._manager("start", name)

    def _remove(self, name: str) -> None:
        self._host.run(Command(("loginctl", "disable-linger", name), f"end the lingering of {name}"))
        self._manager("stop", name)
        self._host.run(Command(("userdel", "--remove", name), f"remove the user {name}", accept=frozenset({0, 12})))

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
