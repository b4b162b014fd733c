"""systemd units of a user's own manager: observed and changed as that user."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from hotstack_os.core.model import Absent, Observation, Present, Ref, Resource, Value
from hotstack_os.core.plan import Action
from hotstack_os.exec import Command, Host

USER_UNIT = "user-unit"


def user_unit(user: str, home: str, name: str, node: str, text: str, needs: frozenset[Ref], within: Ref) -> Resource:
    """A unit in `home`/.config/systemd/user: its file in place, enabled and active."""
    state: dict[str, Value] = {"home": home, "text": text, "enabled": True, "active": True}
    return Resource(Ref(USER_UNIT, f"{user}/{name}", node), state, needs, within)


class UserUnitHandler:
    """Names are user/unit."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def observe(self, resources: Sequence[Resource]) -> Mapping[Ref, Observation]:
        return {each.ref: self._observe(each) for each in resources}

    def _observe(self, wanted: Resource) -> Observation:
        user, _, unit = wanted.ref.name.partition("/")
        home = self._home(user)
        if home is None:
            return Absent()
        path = _path(home, unit)
        text = self._host.read([path])[path]
        if text is None:
            return Absent()
        shown = self._ctl(user, "show", "--property=ActiveState,UnitFileState", unit, accept=frozenset(range(256)))
        facts = dict(line.split("=", 1) for line in shown.splitlines() if "=" in line)
        return Present(
            {
                "home": home,
                "text": text.decode(),
                "enabled": facts.get("UnitFileState") == "enabled",
                "active": facts.get("ActiveState") == "active",
            }
        )

    def apply(self, action: Action) -> None:
        user, _, unit = action.ref.name.partition("/")
        if action.verb == "remove":
            self._ctl(user, "disable", "--now", unit, purpose=f"stop {unit} of {user}")
            self._host.remove(_path(self._home(user) or "/nowhere", unit))
            self._ctl(user, "daemon-reload", purpose=f"let the manager of {user} forget {unit}")
            return
        state = action.resource.state
        path = _path(str(state["home"]), unit)
        for parent in reversed(PurePosixPath(path).parents):
            if str(parent).startswith(f"{state['home']}/"):
                self._host.make_directory(str(parent), mode=0o755, owner=user, group=user)
        self._host.write(path, str(state["text"]), mode=0o644, owner=user, group=user)
        self._ctl(user, "daemon-reload", purpose=f"let the manager of {user} read its units")
        self._ctl(user, "enable", unit, purpose=f"enable {unit} of {user}")
        # One that failed too often is not started again before that is forgotten.
        self._ctl(user, "reset-failed", unit, purpose=f"forget how {unit} of {user} ended", accept=frozenset({0, 1}))
        self._ctl(user, "restart", unit, purpose=f"start {unit} of {user}")

    def _home(self, user: str) -> str | None:
        """Of a user who is there: a unit that is no longer wanted comes without a state that would say it."""
        found = self._host.run(Command(("getent", "passwd", user), "see the user", accept=frozenset({0, 2})))
        return found.stdout.split(":")[5] if found.status == 0 else None

    def _uid(self, user: str) -> str | None:
        found = self._host.run(Command(("id", "--user", user), "see the user", accept=frozenset({0, 1})))
        return found.stdout.strip() if found.status == 0 else None

    def _ctl(self, user: str, *words: str, purpose: str = "see a unit", accept: frozenset[int] = frozenset({0})) -> str:
        environment = f"XDG_RUNTIME_DIR=/run/user/{self._uid(user)}"
        argv = ("runuser", "--user", user, "--", "env", environment, "systemctl", "--user", *words)
        return self._host.run(Command(argv, purpose, accept=accept)).stdout


def _path(home: str, unit: str) -> str:
    return f"{home}/.config/systemd/user/{unit}"
