"""Networks, subnets, routers and rules of the default security group as desired state.

They are named kind/name: network/public, subnet/public-subnet, router/router1, rule/tcp/22. Neutron does not ask for
names to be unique: of several that belong to the same project, the oldest is meant; what other projects have is not.
A foreign thing of the same name in our place is a conflict, since people's servers may hang on it.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

from hotstack_os.content.api import Api, Observer
from hotstack_os.content.neutron import Change, Snapshot
from hotstack_os.core.model import Absent, Observation, Present, Ref, Resource, State, Value
from hotstack_os.core.plan import Action

KIND = "neutron"
EVERYWHERE = "0.0.0.0/0"


def network(name: str, node: str, needs: frozenset[Ref], within: Ref, *, owner: str, physical: str = "") -> Resource:
    """A network of a project; with the name of a physical network flat on it, external and shared by all."""
    outside = bool(physical)
    state: dict[str, Value] = {"owner": owner, "shared": outside, "external": outside}
    if physical:
        state |= {"type": "flat", "physical_network": physical}
    return Resource(Ref(KIND, f"network/{name}", node), state, needs, within)


def subnet(name: str, state: State, node: str, needs: frozenset[Ref], within: Ref) -> Resource:
    """An IPv4 subnet. Its state: owner, network, cidr, gateway, dhcp, dns (a tuple), pool ("first-last")."""
    return Resource(Ref(KIND, f"subnet/{name}", node), state, needs, within)


def router(name: str, owner: str, public: str, private: str, node: str, needs: frozenset[Ref], within: Ref) -> Resource:
    """A router from a subnet to an external network. Further interfaces are its users' affair: a mapping, unlike a
    tuple, is compared by the wanted keys only."""
    state: State = {"owner": owner, "gateway": public, "subnets": {private: True}}
    return Resource(Ref(KIND, f"router/{name}", node), state, needs, within)


def rule(text: str, node: str, needs: frozenset[Ref], within: Ref) -> Resource:
    """A rule of the project's default security group that lets in "icmp", "tcp/22" or "udp/5000-6000"."""
    return Resource(Ref(KIND, f"rule/{text}", node), {"from": EVERYWHERE}, needs, within)


class NetworkHandler(Observer):
    """All of these, from one snapshot that takes up what we change; several things at once are looked at afresh."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self._taking = threading.Lock()
        self._snapshot: Snapshot | None = None

    def look(self, resources: Sequence[Resource]) -> Mapping[Ref, Observation]:
        snapshot = self._see(afresh=len(resources) > 1)
        return {each.ref: _seen(snapshot, each) for each in resources}

    def _see(self, *, afresh: bool) -> Snapshot:
        with self._taking:
            project = self.api.project_id()
            if afresh or self._snapshot is None or self._snapshot.project != project:
                self._snapshot = Snapshot.take(self.api, project)
            return self._snapshot

    def apply(self, action: Action) -> None:
        kind, _, name = action.ref.name.partition("/")
        change = Change(self.api, self._see(afresh=False))
        if action.verb == "remove":
            change.remove(kind, name)
        else:
            getattr(change, kind)(name, action.resource.state)


def _seen(snapshot: Snapshot, wanted: Resource) -> Observation:
    kind, _, name = wanted.ref.name.partition("/")
    state: dict[str, Any] | None = getattr(snapshot, f"{kind}_state")(name)
    return Absent() if state is None else Present(state)
