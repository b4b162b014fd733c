"""Plain systemd units of ours, and units of the machine that we need running."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hotstack_os.core.model import Absent, Observation, Present, Ref, Resource, Value
from hotstack_os.core.plan import Action
from hotstack_os.exec import Command, Host
from hotstack_os.host.systemd import show_units

UNIT, RUNNING = "unit", "running"
DIRECTORY = "/etc/systemd/system"
PROPERTIES = ("ActiveState", "UnitFileState", "LoadState", "NeedDaemonReload")


def unit(
    name: str, node: str, text: str, needs: frozenset[Ref], *, active: bool = True, restart_with: str = ""
) -> Resource:
    """A unit of ours: its file in place, enabled if it says where, and running (a oneshot: has run) if `active`.

    "loaded" means that systemd has read the file as it is. `restart_with` names what the unit reads at its start: when
    that changes, so does the unit's text.
    """
    text = text.replace("[Service]\n", f"[Service]\n# reads {restart_with}\n") if restart_with else text
    state: dict[str, Value] = {"text": text, "loaded": True}
    if "[Install]" in text:
        state["enabled"] = True
    if active:
        state["active"] = True
    return Resource(Ref(UNIT, name, node), state, needs)


def running(name: str, node: str, needs: frozenset[Ref] = frozenset()) -> Resource:
    """A unit that the machine brings along: enabled and active. Given back as it was found."""
    return Resource(Ref(RUNNING, name, node), {"enabled": True, "active": True}, needs, foreign="adopt")


class _Systemd:
    def __init__(self, host: Host) -> None:
        self._host = host

    def show(self, names: Sequence[str]) -> Mapping[str, Mapping[str, str]]:
        """Properties of each unit by its name."""
        return show_units(self._host, names, PROPERTIES)

    def ctl(self, *words: str, purpose: str, timeout: float = 120) -> None:
        """Run systemctl."""
        self._host.run(Command(("systemctl", *words), purpose, timeout=timeout))


class UnitHandler:
    """Units whose file we write."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._systemd = _Systemd(host)

    def observe(self, resources: Sequence[Resource]) -> Mapping[Ref, Observation]:
        names = [each.ref.name for each in resources]
        texts = self._host.read([f"{DIRECTORY}/{name}" for name in names])
        shown = self._systemd.show(names)
        return {each.ref: _unit(texts[f"{DIRECTORY}/{each.ref.name}"], shown[each.ref.name]) for each in resources}

    def apply(self, action: Action) -> None:
        name, path = action.ref.name, f"{DIRECTORY}/{action.ref.name}"
        if action.verb == "remove":
            self._systemd.ctl("disable", "--now", name, purpose=f"stop and disable {name}")
            self._host.remove(path)
            self._systemd.ctl("daemon-reload", purpose="forget the unit")
            return
        state = action.resource.state
        # A target is never stopped or restarted: that would restart what is bound to it.
        restarts = state.get("active") and not name.endswith(".target")
        if restarts and action.verb == "update":
            # Before its file changes: were we killed in between, nobody could see that what runs is the old one.
            self._systemd.ctl("stop", name, purpose=f"stop {name}", timeout=300)
        self._host.write(path, str(state["text"]), mode=0o644)
        self._host.run(
            Command(("systemd-analyze", "verify", "--man=no", "--recursive-errors=no", path), f"check {name}")
        )
        if state.get("enabled"):
            self._systemd.ctl("enable", "--no-reload", name, purpose=f"enable {name}")
        self._systemd.ctl("daemon-reload", purpose="read the unit")
        if state.get("active"):
            self._systemd.ctl("restart" if restarts else "start", name, purpose=f"start {name}", timeout=300)


def _unit(text: bytes | None, shown: Mapping[str, str]) -> Observation:
    if text is None:
        return Absent()
    return Present(
        {
            "text": text.decode(),
            "loaded": shown["NeedDaemonReload"] == "no",
            "enabled": shown["UnitFileState"] == "enabled",
            "active": shown["ActiveState"] == "active",
        }
    )


class RunningHandler:
    """Units of the machine's own packages."""

    def __init__(self, host: Host) -> None:
        self._systemd = _Systemd(host)

    def observe(self, resources: Sequence[Resource]) -> Mapping[Ref, Observation]:
        shown = self._systemd.show([each.ref.name for each in resources])
        return {each.ref: self._observe(shown[each.ref.name]) for each in resources}

    def _observe(self, shown: Mapping[str, str]) -> Observation:
        if shown["LoadState"] == "not-found":
            return Absent()
        enabled = shown["UnitFileState"] in {"enabled", "static", "alias"}
        return Present({"enabled": enabled, "active": shown["ActiveState"] == "active"})

    def apply(self, action: Action) -> None:
        name, state = action.ref.name, action.resource.state
        if state.get("enabled") is not None:
            self._systemd.ctl("enable" if state["enabled"] else "disable", name, purpose=f"enable or disable {name}")
        self._systemd.ctl("start" if state.get("active") else "stop", name, purpose=f"start or stop {name}")
