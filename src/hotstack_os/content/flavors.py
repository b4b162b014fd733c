"""Flavors: sizes of servers. All of them are known from one request."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from hotstack_os.content.api import Api, Observer
from hotstack_os.core.model import Absent, Observation, Present, Ref, Resource, State, Value
from hotstack_os.core.plan import Action
from hotstack_os.settings.content import Flavor

KIND = "flavor"


def flavor(name: str, wanted: Flavor, node: str, needs: frozenset[Ref], within: Ref) -> Resource:
    """A public flavor. A foreign one of this name that is different is a conflict: flavors cannot be changed, only
    removed and made anew, so that its owner's could not be given back."""
    state: dict[str, Value] = {"vcpus": wanted.vcpus, "ram": wanted.ram, "disk": wanted.disk, "public": True}
    return Resource(Ref(KIND, name, node), {**state, "properties": pairs(wanted.properties)}, needs, within)


def pairs(properties: Mapping[str, str]) -> tuple[str, ...]:
    """Properties as a tuple, which is compared whole, where a mapping would be by the wanted keys only."""
    return tuple(f"{name}={value}" for name, value in sorted(properties.items()))


def unpaired(value: Value) -> dict[str, str]:
    """The inverse of `pairs`."""
    assert isinstance(value, tuple)
    return dict(str(each).split("=", 1) for each in value)


class FlavorHandler(Observer):
    """Flavors by name. Several at once are looked at afresh; what we change ourselves is known without asking."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self._taking = threading.Lock()
        self._known: dict[str, Any] | None = None

    def look(self, resources: Sequence[Resource]) -> Mapping[Ref, Observation]:
        known = self._flavors(afresh=len(resources) > 1)
        return {each.ref: _seen(known.get(each.ref.name)) for each in resources}

    def _flavors(self, *, afresh: bool) -> dict[str, Any]:
        with self._taking:
            if afresh or self._known is None:
                answer = self.api.get("compute", "/flavors/detail?is_public=None&limit=1000")
                self._known = {each["name"]: each for each in answer["flavors"]}
            return self._known

    def apply(self, action: Action) -> None:
        known, name = self._flavors(afresh=False), action.ref.name
        found = known.get(name)
        if found and action.verb != "remove" and _size(found) == _size_of(action.resource.state):
            self._set_properties(found, unpaired(action.resource.state["properties"]))
            return
        if found:
            self.api.send("DELETE", "compute", f"/flavors/{quote(found['id'], safe='')}")
            del known[name]
        if action.verb != "remove":
            known[name] = self._create(name, action.resource.state, found["id"] if found else None)

    def _create(self, name: str, state: State, identity: str | None) -> dict[str, Any]:
        """The flavor, with the id that it had before, by which people may know it."""
        size = {"vcpus": state["vcpus"], "ram": state["ram"], "disk": state["disk"]}
        body = {"flavor": {"name": name, "id": identity, "os-flavor-access:is_public": True, **size}}
        made: dict[str, Any] = self.api.send("POST", "compute", "/flavors", body)["flavor"]
        self._set_properties(made, unpaired(state["properties"]))
        return made

    def _set_properties(self, found: dict[str, Any], wanted: dict[str, str]) -> None:
        path = f"/flavors/{quote(found['id'], safe='')}/os-extra_specs"
        for name in found["extra_specs"].keys() - wanted.keys():
            self.api.send("DELETE", "compute", f"{path}/{quote(name, safe='')}")
        if wanted:
            self.api.send("POST", "compute", path, {"extra_specs": wanted})
        found["extra_specs"] = wanted


def _size(found: Mapping[str, Any]) -> tuple[Any, ...]:
    return found["vcpus"], found["ram"], found["disk"], found["os-flavor-access:is_public"]


def _size_of(state: State) -> tuple[Any, ...]:
    return state["vcpus"], state["ram"], state["disk"], state["public"]


def _seen(found: Mapping[str, Any] | None) -> Observation:
    if found is None:
        return Absent()
    vcpus, ram, disk, public = _size(found)
    specs = pairs(found["extra_specs"])
    return Present({"vcpus": vcpus, "ram": ram, "disk": disk, "public": public, "properties": specs})
