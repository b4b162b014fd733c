"""What Neutron has of the project's and the administrator's, and how it is changed."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Any

from hotstack_os.content.api import Api
from hotstack_os.core.model import State
from hotstack_os.errors import HotstackError

Thing = dict[str, Any]
ADMIN = "admin"


@dataclass(frozen=True)
class Snapshot:
    """Things by name. `ports` are the routers' interfaces: router → ids of the subnets that they are in.

    The dictionaries take up what we change.
    """

    project: str
    owners: Mapping[str, str]
    networks: dict[str, Thing]
    subnets: dict[str, Thing]
    routers: dict[str, Thing]
    ports: dict[str, set[str]]
    rules: dict[str, Thing]
    group: list[str]

    @classmethod
    def take(cls, api: Api, project: str) -> Snapshot:
        """Five requests, at the same time. Names in another project than ours or the administrator's do not count."""
        owners = {api.keystone.project_id: ADMIN, **({project: api.project} if project else {})}
        paths = [f"/{kind}?{'&'.join(f'project_id={each}' for each in owners)}" for kind in ("networks", "subnets")]
        paths += [
            f"/routers?project_id={project}",
            "/ports?device_owner=network:router_interface&fields=device_id&fields=fixed_ips",
        ]
        paths += [f"/security-groups?name=default&project_id={project}"]
        with ThreadPoolExecutor(len(paths)) as pool:
            networks, subnets, routers, ports, groups = pool.map(lambda path: _list(api, path), paths)
        own = [each for each in groups if project and each["project_id"] == project]
        return cls(
            project,
            owners,
            _by_name(networks, owners),
            _by_name(subnets, owners),
            _by_name(routers, {project: ""}),
            _interfaces(ports),
            {text: each for group in own for each in group["security_group_rules"] if (text := _ingress(each))},
            [each["id"] for each in own],
        )

    def network_state(self, name: str) -> dict[str, Any] | None:
        found = self.networks.get(name)
        return found and {
            "owner": self.owners[found["project_id"]],
            "shared": found["shared"],
            "external": found["router:external"],
            "type": found["provider:network_type"],
            "physical_network": found["provider:physical_network"],
        }

    def subnet_state(self, name: str) -> dict[str, Any] | None:
        found = self.subnets.get(name)
        return found and {
            "owner": self.owners[found["project_id"]],
            "network": self._name(self.networks, found["network_id"]),
            "cidr": found["cidr"],
            "gateway": found["gateway_ip"],
            "dhcp": found["enable_dhcp"],
            "dns": tuple(found["dns_nameservers"]),
            "pool": ", ".join(f"{each['start']}-{each['end']}" for each in found["allocation_pools"]),
        }

    def router_state(self, name: str) -> dict[str, Any] | None:
        found = self.routers.get(name)
        if not found:
            return None
        gateway = (found["external_gateway_info"] or {}).get("network_id")
        subnets = [self._name(self.subnets, each) for each in sorted(self.ports.get(found["id"], ()))]
        return {
            "owner": self.owners[found["project_id"]],
            "gateway": self._name(self.networks, gateway),
            "subnets": dict.fromkeys(subnets, True),
        }

    def rule_state(self, text: str) -> dict[str, Any] | None:
        return {"from": "0.0.0.0/0"} if text in self.rules else None

    def _name(self, things: Mapping[str, Thing], identity: str | None) -> str:
        return next((name for name, each in things.items() if each["id"] == identity), identity or "")


def _list(api: Api, path: str) -> list[Thing]:
    answer: dict[str, list[Thing]] = api.get("network", path)
    return next(iter(answer.values()))


def _by_name(things: list[Thing], owners: Mapping[str, str]) -> dict[str, Thing]:
    mine = [each for each in things if each["project_id"] in owners]
    return {each["name"]: each for each in sorted(mine, key=lambda each: str(each["created_at"]), reverse=True)}


def _interfaces(ports: list[Thing]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for each in ports:
        found.setdefault(each["device_id"], set()).update(ip["subnet_id"] for ip in each["fixed_ips"])
    return found


def _ingress(rule: Thing) -> str:
    """A rule that lets in from everywhere, as in the settings; empty for any other."""
    anywhere = rule["remote_ip_prefix"] in (None, "0.0.0.0/0") and not rule["remote_group_id"]
    if rule["direction"] != "ingress" or rule["ethertype"] != "IPv4" or not anywhere:
        return ""
    first, last = rule["port_range_min"], rule["port_range_max"]
    ports = "" if first is None else f"/{first}" if first == last else f"/{first}-{last}"
    return f"{rule['protocol']}{ports}"


class Change:
    """Changes of single things, each of which ends as wanted or raises with Neutron's own words."""

    def __init__(self, api: Api, snapshot: Snapshot) -> None:
        self._api = api
        self._now = snapshot
        self._ids = {name: identity for identity, name in snapshot.owners.items()}

    def network(self, name: str, state: State) -> None:
        body: Thing = {"shared": state["shared"], "router:external": state["external"]}
        found = self._now.networks.get(name)
        if found:
            self._same(found, f"network {name}", **_fixed(state))
            self._now.networks[name] = self._put("network", found["id"], body)
            return
        body |= {"name": name, "project_id": self._ids[str(state["owner"])]}
        self._now.networks[name] = self._post("network", {**body, **_fixed(state)})

    def subnet(self, name: str, state: State) -> None:
        assert isinstance(state["dns"], tuple)
        first, _, last = str(state["pool"]).partition("-")
        body: Thing = {
            "gateway_ip": state["gateway"],
            "enable_dhcp": state["dhcp"],
            "dns_nameservers": list(state["dns"]),
            "allocation_pools": [{"start": first, "end": last}],
        }
        found, network = self._now.subnets.get(name), self._now.networks[str(state["network"])]["id"]
        if found and (found["cidr"], found["network_id"]) == (state["cidr"], network):
            changed = {key: value for key, value in body.items() if found[key] != value}
            self._now.subnets[name] = self._put("subnet", found["id"], changed)
            return
        attached = self._detach(found["id"]) if found else ()
        if found:
            self._delete("subnet", found["id"])
        fixed = {"name": name, "project_id": self._ids[str(state["owner"])], "network_id": network, "ip_version": 4}
        made = self._now.subnets[name] = self._post("subnet", {**body, **fixed, "cidr": state["cidr"]})
        for router in attached:
            self._attach(router, made["id"])

    def router(self, name: str, state: State) -> None:
        gateway = {"external_gateway_info": {"network_id": self._now.networks[str(state["gateway"])]["id"]}}
        found = self._now.routers.get(name)
        if found is None:
            owner = self._ids[str(state["owner"])]
            found = self._post("router", {"name": name, "project_id": owner, **gateway})
        else:
            found = self._put("router", found["id"], gateway)
        self._now.routers[name] = found
        assert isinstance(state["subnets"], Mapping)
        for inner in (self._now.subnets[each] for each in state["subnets"]):
            if inner["id"] not in self._now.ports.get(found["id"], ()):
                self._make_room(found["id"], inner)
                self._attach(found["id"], inner["id"])

    def rule(self, text: str, state: State) -> None:
        protocol, _, ports = text.partition("/")
        lowest, _, highest = ports.partition("-")
        limits = {"port_range_min": int(lowest), "port_range_max": int(highest or lowest)} if ports else {}
        direction = {"direction": "ingress", "ethertype": "IPv4", "remote_ip_prefix": state["from"]}
        body = {"security_group_id": self._group(), "protocol": protocol, **direction, **limits}
        self._now.rules[text] = self._post("security_group_rule", {**body, "project_id": self._now.project})

    def remove(self, kind: str, name: str) -> None:
        things: dict[str, Thing] = getattr(self._now, f"{kind}s")
        found = things.pop(name, None)
        if found is None:
            return
        if kind == "subnet":
            self._detach(found["id"])
        if kind == "router":
            for subnet in self._now.ports.pop(found["id"], set()):
                self._interface("remove", found["id"], subnet)
        self._delete("security_group_rule" if kind == "rule" else kind, found["id"])

    def _group(self) -> str:
        """The project's default group, which Neutron makes when it is asked for."""
        if not self._now.group:
            asked = f"/security-groups?name=default&project_id={self._now.project}&fields=id"
            self._now.group.extend(each["id"] for each in _list(self._api, asked))
        return self._now.group[0]

    def _make_room(self, router: str, subnet: Thing) -> None:
        """A router has no two subnets with common addresses: what is in the way goes, such as ours of a former name."""
        cidr = IPv4Network(subnet["cidr"])
        for each in self._now.subnets.values():
            if each["id"] in self._now.ports.get(router, ()) and cidr.overlaps(IPv4Network(each["cidr"])):
                self._interface("remove", router, each["id"])
                self._now.ports[router].discard(each["id"])

    def _attach(self, router: str, subnet: str) -> None:
        self._interface("add", router, subnet)
        self._now.ports.setdefault(router, set()).add(subnet)

    def _detach(self, subnet: str) -> tuple[str, ...]:
        """Take the subnet off all routers; returns these."""
        routers = tuple(router for router, subnets in self._now.ports.items() if subnet in subnets)
        for router in routers:
            self._interface("remove", router, subnet)
            self._now.ports[router].discard(subnet)
        return routers

    def _interface(self, verb: str, router: str, subnet: str) -> None:
        self._api.send("PUT", "network", f"/routers/{router}/{verb}_router_interface", {"subnet_id": subnet})

    def _same(self, found: Thing, what: str, **fixed: Any) -> None:
        wrong = {key: found[key] for key, value in fixed.items() if found[key] != value}
        if wrong:
            wanted = ", ".join(f"{key} {fixed[key]}" for key in wrong)
            said = ", ".join(f"{key} {value}" for key, value in wrong.items())
            raise HotstackError(
                f"the {what} with {wanted}", f"{said}, which cannot be changed", "Remove it, or rename it."
            )

    def _post(self, kind: str, body: Thing) -> Thing:
        made: Thing = self._api.send("POST", "network", f"/{kind.replace('_', '-')}s", {kind: body})[kind]
        return made

    def _put(self, kind: str, identity: str, body: Thing) -> Thing:
        changed: Thing = self._api.send("PUT", "network", f"/{kind}s/{identity}", {kind: body})[kind]
        return changed

    def _delete(self, kind: str, identity: str) -> None:
        self._api.send("DELETE", "network", f"/{kind.replace('_', '-')}s/{identity}")


def _fixed(state: State) -> Thing:
    """What a network cannot change."""
    if "type" not in state:
        return {}
    return {
        "provider:network_type": state["type"],
        "provider:physical_network": state["physical_network"],
    }
