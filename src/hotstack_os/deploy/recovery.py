"""The cloud's secrets, read back from what was made of them when their file is gone.

The node has every secret in the files of its services, as lines that we know but for the secret itself: they are
rendered with a mark for each secret, and compared with what is there. What only people have is in the state directory.
What is found nowhere is made anew where the next `up` can put it in place: a password is given to its user then.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from hotstack_os.catalogue import registry
from hotstack_os.catalogue.context import Context, Facts
from hotstack_os.catalogue.resolve import make_context
from hotstack_os.content.credential import FILE as CREDENTIAL
from hotstack_os.deploy import credentials
from hotstack_os.deploy.content import password_of
from hotstack_os.deploy.desired import desired
from hotstack_os.deploy.inventory import facts_of
from hotstack_os.deploy.ledgers import journal_of
from hotstack_os.deploy.lock import held
from hotstack_os.deploy.machine import machine_of
from hotstack_os.deploy.node import make_node
from hotstack_os.errors import HotstackError
from hotstack_os.exec import Host
from hotstack_os.hidden import Hidden
from hotstack_os.runtime import quadlet
from hotstack_os.settings.cloud import Cloud
from hotstack_os.settings.secrets import FILE, Vault

_MARK = re.compile(r"@@([A-Za-z0-9_@.-]+?)@@")
_PASSWORD, _KEY = "[A-Za-z0-9]{32}", "[A-Za-z0-9_-]{43}="
_SECRET = f"({_PASSWORD}|{_KEY})"
Lines = Iterable[tuple[str, str]]

ENCRYPTED = {
    "heat-auth-encryption": "hidden parameters and the credentials of stacks, which Heat has encrypted with it"
}
"""Secrets that can be made anew → what is lost with the old one."""


@dataclass(frozen=True)
class Recovered:
    """Names of secrets: those that were read back, and those that were made anew."""

    found: tuple[str, ...]
    lost: tuple[str, ...]

    @property
    def unreadable(self) -> tuple[str, ...]:
        """What is lost with those that were made anew."""
        return tuple(ENCRYPTED[name] for name in self.lost if name in ENCRYPTED)


def recover(cloud: Cloud) -> Recovered:
    """Write the file of secrets again, from the cloud's first node, which runs."""
    if (cloud.state / FILE).exists():
        hint = f"If it is damaged or too old, move it away first: mv {cloud.state / FILE} {cloud.state / FILE}.old"
        raise HotstackError("a cloud whose secrets are gone", f"its secrets in {cloud.state / FILE}", hint)
    facts = facts_of(cloud).load()
    if facts is None or not journal_of(cloud.state).ledger:
        raise HotstackError(f"a cloud named {cloud.name}", "none", "Make it: hotstack-os up, or give its --settings.")
    machine = machine_of(cloud)
    if not machine.running:
        raise HotstackError(f"the cloud {cloud.name} to run", "its box is down", "Start it: hotstack-os box start.")
    with held(cloud, "settings recover"), ExitStack() as opened:
        host = opened.enter_context(machine.host())
        wanted = _Wanted(cloud, facts)
        found = dict(_unambiguous([*wanted.on_node(host), *_of_people(cloud)]))
        return restore(cloud.state, found, wanted.names, wanted.fernets)


def restore(state: Path, found: Mapping[str, str], names: Collection[str], fernets: Collection[str]) -> Recovered:
    """Write the file of secrets with those that were found, and others in place of the rest of these names.

    They are all in it: `up` takes a file that lacks some of what is there for one of an older backup. Refused where a
    key is gone that nothing can stand in for.
    """
    missing = sorted(set(names) - found.keys())
    if kept := [name for name in missing if name.startswith(("keystone-fernet", "keystone-credential"))]:
        hint = "Nothing was written. Look for the files on the node: hotstack-os shell."
        raise HotstackError("all keys of Keystone on the node", f"no {', '.join(kept)}", hint)
    vault = Vault.restored(state, found)
    for name in missing:
        vault.fernet(name) if name in fernets else vault.secret(name)
    vault.save()
    return Recovered(tuple(sorted(found)), tuple(missing))


class _Wanted:
    """All texts of the first node that hold secrets, with marks in their place."""

    def __init__(self, cloud: Cloud, facts: Facts) -> None:
        self.names: set[str] = set()
        self.fernets: set[str] = set()
        components = registry.components(cloud)
        self._context = make_context(cloud, facts, components, self._secret, self._fernet)
        references = dict.fromkeys((each.image for each in registry.services(cloud).values()), "")
        self._node = make_node(self._context, components, references, lambda *_: (), b"")
        desired(self._node)  # all else that holds secrets: their names

    def _secret(self, name: str) -> Hidden:
        self.names.add(name)
        return Hidden(f"@@{name}@@")

    def _fernet(self, name: str) -> Hidden:
        """A key is decoded here and there, so this is one; `_marked` has the mark in its place."""
        self.names.add(name)
        self.fernets.add(name)
        return Hidden(_key_of(name))

    def _marked(self, text: str) -> str:
        for name in self.fernets:
            text = text.replace(_key_of(name), f"@@{name}@@")
        return text

    def on_node(self, host: Host) -> Iterator[tuple[str, str]]:
        """(name, secret) as often as it is found."""
        there = {path: data.decode(errors="replace") for path, data in host.read_tree([quadlet.SECRETS]).items()}
        for name, container in self._node.containers.items():
            for path, text in container.secrets.items():
                place = re.compile(rf"{re.escape(f'{quadlet.SECRETS}/{name}/')}[^/]+/{re.escape(quadlet.flat(path))}")
                lines = [line for each, said in there.items() if place.fullmatch(each) for line in sectioned(said)]
                yield from matched(sectioned(self._marked(text.reveal())), lines)
        yield from self._keys(host, self._context)

    def _keys(self, host: Host, context: Context) -> Iterator[tuple[str, str]]:
        files = {
            f"{context.cloud.paths.data}/keystone/{kind}-keys/{index}": f"keystone-{kind}-{purpose}"
            for kind in ("fernet", "credential")
            for index, purpose in (("0", "staged"), ("1", "primary"))
        }
        self.names |= set(files.values())
        for path, data in host.read(files).items():
            if data and re.fullmatch(_KEY, text := data.decode(errors="replace").strip()):
                yield files[path], text


def _key_of(name: str) -> str:
    """A key that stands for the one of this name, and for no other."""
    return base64.urlsafe_b64encode(hashlib.sha256(name.encode()).digest()).decode()


def sectioned(text: str) -> list[tuple[str, str]]:
    """Lines, each with the section that it stands in: one option has other passwords in other sections."""
    section, found = "", []
    for line in text.splitlines():
        if line.startswith("[") and line.endswith("]"):
            section = line
        found.append((section, line))
    return found


def matched(marked: Lines, there: Lines) -> Iterator[tuple[str, str]]:
    """(name, secret) for each mark in a line that is there but for the secret."""
    there = list(there)
    for section, line in marked:
        names = _MARK.findall(line)
        if not names:
            continue
        parts = [re.escape(part) for part in _MARK.split(line)[::2]]
        pattern = re.compile(_SECRET.join(parts))
        for other, candidate in there:
            if other == section and (match := pattern.fullmatch(candidate)):
                yield from zip(names, match.groups(), strict=True)


def _of_people(cloud: Cloud) -> Iterator[tuple[str, str]]:
    """What clients use, from the files that `up` made for them."""
    entries = _yaml(credentials.path(cloud)).get("clouds", {})
    for entry, name in ((f"{cloud.name}-admin", "keystone-admin"), (cloud.name, password_of(cloud.content))):
        if secret := entries.get(entry, {}).get("auth", {}).get("password"):
            yield name, str(secret)
    of_automation = _yaml(cloud.state / CREDENTIAL).get("hotstack_cloud_secrets", {})
    if secret := of_automation.get("application_credential_secret"):
        yield "application-credential", str(secret)


def _yaml(path: Path) -> dict[str, Any]:
    found = yaml.safe_load(path.read_text()) if path.exists() else None
    return found if isinstance(found, dict) else {}


def _unambiguous(found: Iterable[tuple[str, str]]) -> Mapping[str, str]:
    """One secret for each name; where two places say different things, nobody knows which one counts."""
    known: dict[str, str] = {}
    for name, secret in found:
        if known.setdefault(name, secret) != secret:
            hint = "Restart the service that has the older one (hotstack-os restart), or restore the file of secrets."
            raise HotstackError(f"one secret {name} on the node", "two different ones in its files", hint)
    return known
