"""Secrets are found again in the texts that were made of them, each by the line and section that it stands in."""

from __future__ import annotations

import base64
import secrets
import string
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotstack_os.catalogue import registry
from hotstack_os.core.model import Ref
from hotstack_os.deploy import places, standing
from hotstack_os.deploy.provisions import Provisions
from hotstack_os.deploy.recovery import _Wanted, matched, restore, sectioned
from hotstack_os.errors import HotstackError
from hotstack_os.hidden import Hidden
from hotstack_os.runtime import quadlet
from hotstack_os.settings.loading import load
from hotstack_os.settings.secrets import Vault
from unit.catalogue.world import compute_node

PASSWORDS = st.text(string.ascii_letters + string.digits, min_size=32, max_size=32)


def test_every_secret_of_every_service_is_found_again() -> None:
    """The same cloud rendered twice: with marks, and with secrets."""
    made: dict[str, str] = {}

    def filled(text: str, marks: dict[str, str]) -> str:
        for mark, secret in marks.items():
            text = text.replace(mark, secret)
        return text

    found: dict[str, set[str]] = {}
    for container in compute_node().containers.values():
        for path, text in container.secrets.items():
            assert isinstance(text, Hidden)
            if path.endswith(("definitions.json", "_ed25519", "id_ed25519")):
                continue  # hashes, and keys of another form
            marked = text.reveal().replace("<", "@@").replace(">", "@@")
            names = set(marked.split("@@")[1::2])
            for name in names:
                made.setdefault(name, "".join(secrets.choice(string.ascii_letters) for _ in range(32)))
            there = filled(marked, {f"@@{name}@@": made[name] for name in names})
            for name, secret in matched(sectioned(marked), sectioned(there)):
                found.setdefault(name, set()).add(secret)
    assert found.keys() >= {"database-nova", "keystone-nova", "rabbitmq-nova", "nova-metadata", "heat-auth-encryption"}
    assert found == {name: {made[name]} for name in found}
    assert made.keys() == found.keys()


@given(PASSWORDS, PASSWORDS)
def test_the_same_option_in_two_sections_has_two_secrets(one: str, other: str) -> None:
    marked = sectioned("[placement]\npassword = @@a@@\n[database]\nconnection = mysql://u:@@b@@@host/x\n")
    there = sectioned(f"[database]\nconnection = mysql://u:{other}@host/x\n[placement]\npassword = {one}\n")
    assert dict(matched(marked, there)) == {"a": one, "b": other}


def test_a_line_that_is_another_tells_nothing() -> None:
    marked = sectioned("[a]\npassword = @@a@@\n")
    assert list(matched(marked, sectioned(f"[b]\npassword = {'x' * 32}\n"))) == []
    assert list(matched(marked, sectioned("[a]\npassword = short\n"))) == []


class Files:
    """The files of a node that hold secrets, as `Host` reads them."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self._files = files

    def read_tree(self, roots: list[str]) -> dict[str, bytes]:
        return {path: data for path, data in self._files.items() if path.startswith(tuple(roots))}

    def read(self, paths: Iterable[str]) -> dict[str, bytes | None]:
        return {path: self._files.get(path) for path in paths}


def test_passwords_and_keys_are_found_on_the_node(tmp_path: Path) -> None:
    cloud = load(None, {"HOTSTACK_STATE_DIR": str(tmp_path), "HOTSTACK_NAME": "lab"}, registry.takes())
    cloud.state.mkdir()
    vault = Vault.open(cloud.state)
    node = places.make(cloud, replace(places.NOT_YET, name="lab"), vault, provided=Provisions())
    files = {
        f"{quadlet.SECRETS}/{name}/0123/{quadlet.flat(path)}": text.reveal().encode()
        for name, container in node.containers.items()
        for path, text in container.secrets.items()
    }
    found = dict(_Wanted(cloud, places.NOT_YET).on_node(Files(files)))  # type: ignore[arg-type]
    assert {"cache-keystone", "cache-nova", "database-nova", "token-cache-nova"} <= found.keys()
    assert found == {name: vault.all()[name].reveal() for name in found}


KEYS = tuple(f"keystone-{kind}-{purpose}" for kind in ("fernet", "credential") for purpose in ("staged", "primary"))


def test_up_goes_on_with_what_was_recovered_though_the_services_files_are_gone(tmp_path: Path) -> None:
    """Keys are still there, and so are the users of databases, whose passwords nobody has any more."""
    cloud = load(None, {"HOTSTACK_STATE_DIR": str(tmp_path), "HOTSTACK_NAME": "lab"}, registry.takes())
    cloud.state.mkdir()
    wanted = _Wanted(cloud, places.NOT_YET)
    found = dict.fromkeys(KEYS, base64.urlsafe_b64encode(bytes(32)).decode())
    done = restore(cloud.state, found, wanted.names, wanted.fernets)
    assert set(done.found) == set(KEYS)
    assert {"database-nova", "database-heat", "heat-auth-encryption"} <= set(done.lost)
    assert "stacks" in " ".join(done.unreadable)
    vault = Vault.open(cloud.state)
    places.make(cloud, places.NOT_YET, vault, provided=Provisions())  # as `up` does: each in the form that it needs
    files = [f"/d/keystone/{kind}-keys/{index}" for kind in ("fernet", "credential") for index in (0, 1)]
    users = [Ref("database-user", database, "lab") for database in ("nova", "heat", "keystone")]
    ledger = dict.fromkeys([*users, *(Ref("file", path, "lab") for path in files)])
    standing.require_known_secrets(cloud, vault, ledger)  # type: ignore[arg-type]
    assert {name: secret.reveal() for name, secret in vault.all().items() if name in KEYS} == found


def test_without_a_key_of_keystone_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(HotstackError, match="no keystone-fernet-primary"):
        restore(tmp_path, {"keystone-fernet-staged": "x"}, ["keystone-fernet-staged", "keystone-fernet-primary"], [])
    assert not list(tmp_path.iterdir())
