"""Open vSwitch: the settings of the database's one row, and bridges. Idempotent commands, each one transaction."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from hotstack_os.core.model import Absent, Observation, Present, Ref, Resource, Unknown, Value
from hotstack_os.core.plan import Action
from hotstack_os.exec import Command, CommandFailed, CommandMissing, Host

SETTINGS, BRIDGE = "ovs-settings", "bridge"
MARK = "hotstack-os"


def settings(
    node: str, external_ids: Mapping[str, str], other_config: Mapping[str, str], needs: frozenset[Ref]
) -> Resource:
    """Keys of Open_vSwitch.external_ids and other_config; other keys are not ours and stay."""
    state: dict[str, Value] = {"external_ids": dict(external_ids), "other_config": dict(other_config)}
    return Resource(Ref(SETTINGS, "open_vswitch", node), state, needs, foreign="adopt")


def bridge(name: str, node: str, *, datapath: str, fail_mode: str, mtu: int, needs: frozenset[Ref]) -> Resource:
    """A bridge of ours, told by a mark in its external_ids, with its internal port up."""
    up = {"mtu": mtu, "up": True}
    return Resource(
        Ref(BRIDGE, name, node), {"datapath_type": datapath, "fail_mode": fail_mode, "owner": MARK, **up}, needs
    )


def _vsctl(host: Host, *words: str, purpose: str) -> str:
    return host.run(Command(("ovs-vsctl", "--timeout=20", *words), purpose)).stdout


def _rows(host: Host, table: str, columns: str) -> list[dict[str, object]] | None:
    """Rows of a table as column → value, maps as dicts; None where no ovsdb-server answers."""
    argv = ("ovs-vsctl", "--timeout=5", "--format=json", f"--columns={columns}", "list", table)
    try:
        listed = json.loads(host.run(Command(argv, f"list {table}")).stdout)
    except (CommandFailed, CommandMissing):
        return None
    return [dict(zip(listed["headings"], map(_value, row), strict=True)) for row in listed["data"]]


def _value(cell: object) -> object:
    match cell:
        case ["map", pairs]:
            assert isinstance(pairs, list)
            return dict(pairs)
        case ["set", members]:
            return members
        case _:
            return cell


class SettingsHandler:
    """The keys that we set in the one row of Open_vSwitch."""

    COLUMNS = ("external_ids", "other_config")

    def __init__(self, host: Host) -> None:
        self._host = host

    def observe(self, resources: Sequence[Resource]) -> Mapping[Ref, Observation]:
        rows = _rows(self._host, "Open_vSwitch", ",".join(self.COLUMNS))
        return {each.ref: self._observe(each, rows) for each in resources}

    def _observe(self, wanted: Resource, rows: list[dict[str, object]] | None) -> Observation:
        if not rows:
            return Unknown("Open vSwitch is not running")
        state: dict[str, dict[str, str]] = {}
        for column in self.COLUMNS:
            found, keys = rows[0][column], wanted.state.get(column, {})
            assert isinstance(found, dict)
            assert isinstance(keys, Mapping)
            state[column] = {key: found.get(key, "") for key in keys}
        return Present(state)

    def apply(self, action: Action) -> None:
        words: list[str] = []
        for column in self.COLUMNS:
            keys = action.resource.state.get(column, {})
            assert isinstance(keys, Mapping)
            for key, value in keys.items():
                words += ["--", "set", "open", ".", f"{column}:{key}={json.dumps(value)}"] if value else []
                words += [] if value else ["--", "remove", "open", ".", column, key]
        if words:
            # These are read when vswitchd starts: nobody waits for it here.
            _vsctl(self._host, "--no-wait", *words, purpose="set Open vSwitch's options")


class BridgeHandler:
    """Bridges with their internal ports."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def observe(self, resources: Sequence[Resource]) -> Mapping[Ref, Observation]:
        rows = _rows(self._host, "Bridge", "name,datapath_type,fail_mode,external_ids")
        if rows is None:
            return {each.ref: Unknown("Open vSwitch is not running") for each in resources}
        by_name = {str(row["name"]): row for row in rows}
        links = self._links()
        return {
            each.ref: self._observe(by_name[each.ref.name], links.get(each.ref.name, {}))
            if each.ref.name in by_name
            else Absent()
            for each in resources
        }

    def _links(self) -> dict[str, dict[str, object]]:
        shown = self._host.run(Command(("ip", "-json", "link", "show"), "see interfaces")).stdout
        return {each["ifname"]: each for each in json.loads(shown)}

    def _observe(self, row: Mapping[str, object], link: Mapping[str, object]) -> Observation:
        marks, flags, mtu = row["external_ids"], link.get("flags", []), link.get("mtu", 0)
        assert isinstance(marks, dict)
        assert isinstance(flags, list)
        assert isinstance(mtu, int)
        fail_mode = row["fail_mode"]
        return Present(
            {
                "datapath_type": str(row["datapath_type"]),
                "fail_mode": fail_mode if isinstance(fail_mode, str) else "",
                "mtu": mtu,
                "up": "UP" in flags,
                "owner": str(marks.get("owner", "nobody")),
            }
        )

    def apply(self, action: Action) -> None:
        name, state = action.ref.name, action.resource.state
        if action.verb == "remove":
            self._remove(name)
            return
        words = ["--may-exist", "add-br", name, "--", "set", "bridge", name, f"datapath_type={state['datapath_type']}"]
        words += [f"external_ids:owner={MARK}"]
        words += (
            [f"fail_mode={state['fail_mode']}"] if state["fail_mode"] else ["--", "clear", "bridge", name, "fail_mode"]
        )
        words += ["--", "set", "interface", name, f"mtu_request={state['mtu']}"]
        _vsctl(self._host, *words, purpose=f"make the bridge {name}")
        self._host.run(Command(("ip", "link", "set", name, "up"), f"bring {name} up"))

    def _remove(self, name: str) -> None:
        """The bridge, and the TAP devices of servers in it: these last until they are unplugged, and nobody will."""
        ports = set(_vsctl(self._host, "list-ports", name, purpose=f"see what is plugged into {name}").split())
        _vsctl(self._host, "--if-exists", "del-br", name, purpose=f"remove the bridge {name}")
        shown = self._host.run(Command(("ip", "-json", "link", "show", "type", "tun"), "see TAP devices")).stdout
        # Those of other types are empty objects in what ip(8) says.
        for tap in ports & {each.get("ifname") for each in json.loads(shown or "[]")}:
            self._host.run(Command(("ip", "link", "delete", tap), f"remove the TAP device {tap}"))
