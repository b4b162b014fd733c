"""Open vSwitch: the settings of the database's one row, and bridges. Idempotent commands, each one transaction."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from hotstack_os.core.model import Absent, Foreign, Observation, Present, Ref, Resource, Unknown, Value
from hotstack_os.core.plan import Action
from hotstack_os.exec import Command, CommandFailed, CommandMissing, Host

SETTINGS, BRIDGE, PORT = "ovs-settings", "bridge", "bridge-port"
MARK = "hotstack-os"
_OWN_KINDS = ("openvswitch", "tun")
"""What a bridge's internal port is to the kernel: in its own datapath, and in that of vswitchd."""
NOT_RUNNING = Unknown("Open vSwitch is not running")


def settings(
    node: str, external_ids: Mapping[str, str], other_config: Mapping[str, str], needs: frozenset[Ref]
) -> Resource:
    """Keys of Open_vSwitch.external_ids and other_config; other keys are not ours and stay."""
    state: dict[str, Value] = {"external_ids": dict(external_ids), "other_config": dict(other_config)}
    return Resource(Ref(SETTINGS, "open_vswitch", node), state, needs, foreign="adopt")


def bridge(
    name: str, node: str, *, datapath: str, fail_mode: str, mtu: int, needs: frozenset[Ref], mac: str = ""
) -> Resource:
    """A bridge of ours, told by a mark in its external_ids, with its internal port up, and `mac` unless by chance."""
    up: dict[str, Value] = {"mtu": mtu, "up": True, **({"mac": mac} if mac else {})}
    return Resource(
        Ref(BRIDGE, name, node), {"datapath_type": datapath, "fail_mode": fail_mode, "owner": MARK, **up}, needs
    )


def port(bridge: str, name: str, node: str, needs: frozenset[Ref]) -> Resource:
    """An interface of the machine as a port of a bridge of ours, with which it goes."""
    within = Ref(BRIDGE, bridge, node)
    return Resource(Ref(PORT, f"{bridge}/{name}", node), {"error": ""}, needs | {within}, within)


def plug(host: Host, bridge: str, name: str) -> None:
    """Make an interface a port of a bridge, anew where it is one of any: it may have come back as another device."""
    _vsctl(host, "--if-exists", "del-port", name, purpose=f"unplug {name}")
    _vsctl(host, "add-port", bridge, name, purpose=f"plug {name} into {bridge}")


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
            return NOT_RUNNING
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
        if action.verb == "restore":
            words += self._chassis_index()
        if words:
            # These are read when vswitchd starts: nobody waits for it here.
            _vsctl(self._host, "--no-wait", *words, purpose="set Open vSwitch's options")

    def _chassis_index(self) -> list[str]:
        """ovn-controller, which is gone, kept the number of its chassis under the name that the machine had for us."""
        rows = _rows(self._host, "Open_vSwitch", "external_ids")
        ids = rows[0]["external_ids"] if rows else {}
        name = ids.get("system-id") if isinstance(ids, dict) else None
        return ["--", "remove", "open", ".", "other_config", f"ovn-chassis-idx-{name}"] if name else []


class BridgeHandler:
    """Bridges with their internal ports."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def observe(self, resources: Sequence[Resource]) -> Mapping[Ref, Observation]:
        rows = _rows(self._host, "Bridge", "name,datapath_type,fail_mode,external_ids,other_config")
        if rows is None:
            return {each.ref: NOT_RUNNING for each in resources}
        by_name = {str(row["name"]): row for row in rows}
        links = self._links()
        return {
            each.ref: self._observe(by_name[each.ref.name], links.get(each.ref.name, {}))
            if each.ref.name in by_name
            else self._without_row(links.get(each.ref.name))
            for each in resources
        }

    def _without_row(self, link: Mapping[str, object] | None) -> Observation:
        """An interface under the name of a bridge that Open vSwitch does not know is somebody else's.

        Its own may outlive the row for a while: of the kernel's datapath, or as a TAP device.
        """
        info = link.get("linkinfo", {}) if link else {}
        kind = str(info.get("info_kind", "of hardware")) if isinstance(info, dict) else ""
        return (
            Absent() if link is None or kind in _OWN_KINDS else Foreign(f"an interface of this name ({kind}) is there")
        )

    def _links(self) -> dict[str, dict[str, object]]:
        shown = self._host.run(Command(("ip", "-json", "-details", "link", "show"), "see interfaces")).stdout
        return {each["ifname"]: each for each in json.loads(shown)}

    def _observe(self, row: Mapping[str, object], link: Mapping[str, object]) -> Observation:
        marks, flags, mtu = row["external_ids"], link.get("flags", []), link.get("mtu", 0)
        options = row["other_config"]
        assert isinstance(marks, dict)
        assert isinstance(options, dict)
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
                "mac": str(options.get("hwaddr", "")),
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
        if mac := state.get("mac"):
            words += ["--", "set", "bridge", name, f"other_config:hwaddr={json.dumps(mac)}"]
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


class PortHandler:
    """Ports by the names of bridge and interface; `error` is what vswitchd has to say against it."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def observe(self, resources: Sequence[Resource]) -> Mapping[Ref, Observation]:
        rows = _rows(self._host, "Interface", "name,error")
        if rows is None:
            return {each.ref: NOT_RUNNING for each in resources}
        errors = {str(row["name"]): row["error"] for row in rows}
        return {each.ref: self._observe(each.ref.name, errors) for each in resources}

    def _observe(self, path: str, errors: Mapping[str, object]) -> Observation:
        bridge, _, name = path.partition("/")
        if name not in errors:
            return Absent()
        where = _vsctl(self._host, "port-to-br", name, purpose=f"see where {name} is plugged into").strip()
        error = errors[name]
        said = error if isinstance(error, str) else ""
        return Present({"error": said if where == bridge else f"it is a port of {where}"})

    def apply(self, action: Action) -> None:
        bridge, _, name = action.ref.name.partition("/")
        if action.verb == "remove":
            _vsctl(self._host, "--if-exists", "del-port", bridge, name, purpose=f"unplug {name}")
            return
        plug(self._host, bridge, name)
