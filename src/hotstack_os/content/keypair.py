"""The user's key pair in Nova, which knows its public half only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from hotstack_os.content.api import Api, Observer
from hotstack_os.core.model import Absent, Observation, Present, Ref, Resource
from hotstack_os.core.plan import Action

KIND = "key-pair"


def key_pair(name: str, public_key: str, node: str, needs: frozenset[Ref], within: Ref) -> Resource:
    """The key pair. A foreign one of this name is a conflict: replacing it would lock its owner out of new servers."""
    return Resource(Ref(KIND, name, node), {"public_key": bare(public_key)}, needs, within)


def bare(public_key: str) -> str:
    """A public key without its comment: kind and Base64."""
    return " ".join(public_key.split()[:2])


class KeyPairHandler(Observer):
    """Key pairs of the user by name."""

    def __init__(self, api: Api) -> None:
        self.api = api

    def look(self, resources: Sequence[Resource]) -> Mapping[Ref, Observation]:
        found = self._pairs()
        return {
            each.ref: Present({"public_key": bare(found[each.ref.name]["public_key"])})
            if each.ref.name in found
            else Absent()
            for each in resources
        }

    def _pairs(self) -> dict[str, Any]:
        user = self.api.user_id()
        answer = self.api.get("compute", f"/os-keypairs?user_id={user}")["keypairs"] if user else []
        return {each["keypair"]["name"]: each["keypair"] for each in answer}

    def apply(self, action: Action) -> None:
        user, name = self.api.user_id(), action.ref.name
        if action.found is not None:
            self.api.send("DELETE", "compute", f"/os-keypairs/{quote(name, safe='')}?user_id={user}")
        if action.verb != "remove":
            pair = {"name": name, "type": "ssh", "public_key": action.resource.state["public_key"], "user_id": user}
            self.api.send("POST", "compute", "/os-keypairs", {"keypair": pair})
