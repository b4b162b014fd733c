"""Images in Glance as desired state, and how their bytes get there."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources as package_files
from pathlib import Path
from typing import Any
from urllib.parse import quote

from hotstack_os.content import formats
from hotstack_os.content.api import Api, Observer
from hotstack_os.content.download import downloaded
from hotstack_os.content.flavors import pairs, unpaired
from hotstack_os.core.model import Absent, Observation, Present, Ref, Resource, State, Value
from hotstack_os.core.plan import Action
from hotstack_os.errors import HotstackError
from hotstack_os.exec import Command, run_here
from hotstack_os.hidden import Hidden
from hotstack_os.settings.content import ImageSource

KIND = "image"
CHECKSUM = "hotstack_sha256"
"""The property in which the checksum of the bytes is kept: Glance itself keeps one of another kind (os_hash_value)."""
UNKNOWN = "unknown"
"""The checksum of an image that lost that property: it is somebody else's then, and stays."""
PATCH = "application/openstack-images-v2.1-json-patch"
UPLOAD_SECONDS = 3600.0
DIFFERENT, REFUSED = 3, 4
_BASE = frozenset(
    f"""
    checksum container_format created_at direct_url disk_format file id locations min_disk min_ram name os_hash_algo
    os_hash_value os_hidden owner protected schema self size status stores tags updated_at virtual_size visibility
    {CHECKSUM}
    """.split()
)
"""What Glance and we say of an image; all else are properties that people gave it."""
Door = Callable[[tuple[str, ...]], tuple[str, ...]]
"""argv → argv of the same program in the cloud's network."""


@dataclass(frozen=True)
class Bytes:
    """Where an image's bytes are, and their SHA-256; `path` None where they are to be downloaded from `url`."""

    sha256: str
    path: Path | None = None
    url: str = ""


def image(name: str, source: ImageSource, sha256: str, node: str, needs: frozenset[Ref], within: Ref) -> Resource:
    """An image of the administrator's. A foreign one of this name is a conflict: servers may be made from it."""
    state: dict[str, Value] = {"sha256": sha256, "format": source.disk_format, "visibility": source.visibility}
    state |= {"properties": pairs(source.properties), "status": "active", "copies": 1}
    return Resource(Ref(KIND, name, node), state, needs, within)


class ImageHandler(Observer):
    """Images by name, from one list that takes up what we change; several at once are looked at afresh.

    New bytes are a new image: the old one goes when the new one is there. So for a moment, and after a kill for longer,
    there may be two of a name; `copies` in the state tells, and makes it good.
    """

    def __init__(self, api: Api, bytes_of: Mapping[str, Bytes], door: Door, cache: Path) -> None:
        self.api = api
        self._bytes = bytes_of
        self._door = door
        self._cache = cache
        self._taking = threading.Lock()
        self._known: list[dict[str, Any]] | None = None

    def look(self, resources: Sequence[Resource]) -> Mapping[Ref, Observation]:
        known = self._images(afresh=True)
        return {each.ref: _seen(_named(known, each.ref.name), each.state.get("sha256")) for each in resources}

    def _images(self, *, afresh: bool) -> list[dict[str, Any]]:
        with self._taking:
            if afresh or self._known is None:
                self._known = self._list()
            return self._known

    def _list(self) -> list[dict[str, Any]]:
        owner = self.api.keystone.project_id
        path, found = f"/images?limit=1000&owner={owner}&visibility=all", list[dict[str, Any]]()
        while path:
            answer = self.api.get("image", path)
            found += answer["images"]
            path = answer.get("next", "").removeprefix("/v2")
        return [each for each in found if each["owner"] == owner]

    def apply(self, action: Action) -> None:
        name, state = action.ref.name, action.resource.state
        present = _named(self._images(afresh=True), name)
        if action.verb == "remove":
            self._delete(each for each in present if CHECKSUM in each)
            return
        chosen = _best(present, state["sha256"])
        if chosen is None or not _same_bytes(chosen, state):
            chosen = self._upload(name, state)
        self._describe(chosen, state)
        self._delete(each for each in present if CHECKSUM in each and each["id"] != chosen["id"])

    def _upload(self, name: str, state: State) -> dict[str, Any]:
        source = self._bytes[name]
        path = source.path or downloaded(source.url, source.sha256, self._cache)
        formats.check(name, path, str(state["format"]))
        body = {"name": name, "disk_format": state["format"], "container_format": "bare", CHECKSUM: source.sha256}
        made: dict[str, Any] = self.api.send("POST", "image", "/images", {**body, "visibility": "private"})
        try:
            self._send(made["id"], path, source.sha256)
        except HotstackError:
            self.api.send("DELETE", "image", f"/images/{made['id']}")
            raise
        return made

    def _send(self, identity: str, path: Path, sha256: str) -> None:
        program = package_files.files("hotstack_os.node").joinpath("image_upload.py").read_text()
        url = self.api.url("image", f"/images/{identity}/file")
        asked = {"url": url, "token": self.api.keystone.token(), "path": str(path), "sha256": sha256}
        command = Command(
            self._door((sys.executable, "-I", "-S", "-c", program)),
            f"upload {path}",
            stdin=Hidden(json.dumps(asked)),
            timeout=UPLOAD_SECONDS,
            accept=frozenset({0, DIFFERENT, REFUSED}),
        )
        done = run_here(command)
        if done.status == DIFFERENT:
            raise HotstackError(f"{path} with the checksum {sha256}", done.stdout.strip(), "Correct file or sha256.")
        if done.status == REFUSED:
            raise HotstackError(f"Glance to take {path}", done.stdout.strip())

    def _describe(self, found: Mapping[str, Any], state: State) -> None:
        """Properties and visibility as wanted."""
        wanted, present = unpaired(state["properties"]), _properties(found)
        changes = [{"op": "remove", "path": _pointer(key)} for key in present.keys() - wanted.keys()]
        for key, value in {**wanted, "visibility": str(state["visibility"])}.items():
            if {**present, "visibility": found["visibility"]}.get(key) != value:
                verb = "replace" if key in present or key == "visibility" else "add"
                changes.append({"op": verb, "path": _pointer(key), "value": value})
        if changes:
            self.api.send("PATCH", "image", f"/images/{found['id']}", changes, PATCH)

    def _delete(self, images: Any) -> None:
        for each in images:
            self.api.send("DELETE", "image", f"/images/{quote(each['id'], safe='')}")


def _named(images: Sequence[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    """Images of this name, the newest first."""
    return sorted((each for each in images if each["name"] == name), key=lambda each: each["created_at"], reverse=True)


def _best(images: Sequence[dict[str, Any]], sha256: Value) -> dict[str, Any] | None:
    """The one that is meant: active, of these bytes, ours, the newest; in this order of weight."""

    def weight(each: Mapping[str, Any]) -> tuple[bool, bool, bool]:
        return CHECKSUM in each, each["status"] == "active", each.get(CHECKSUM) == sha256

    return max(images, key=weight, default=None)


def _same_bytes(found: Mapping[str, Any], state: State) -> bool:
    have = found.get(CHECKSUM), found["disk_format"], found["status"]
    return have == (state["sha256"], state["format"], "active")


def _properties(found: Mapping[str, Any]) -> dict[str, str]:
    """Those that people gave it; Glance's own bookkeeping begins with os_glance."""
    return {key: value for key, value in found.items() if key not in _BASE and not key.startswith("os_glance")}


def _seen(images: Sequence[dict[str, Any]], sha256: Value) -> Observation:
    found = _best(images, sha256)
    if found is None:
        return Absent()
    state: dict[str, Value] = {"sha256": found.get(CHECKSUM, UNKNOWN), "format": found["disk_format"]}
    state |= {"visibility": found["visibility"], "status": found["status"], "properties": pairs(_properties(found))}
    return Present({**state, "copies": max(1, sum(CHECKSUM in each for each in images))})


def _pointer(key: str) -> str:
    """A key as a JSON pointer (RFC 6901)."""
    return "/" + key.replace("~", "~0").replace("/", "~1")
