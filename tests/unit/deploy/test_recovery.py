"""Secrets are found again in the texts that were made of them, each by the line and section that it stands in."""

from __future__ import annotations

import secrets
import string

from hypothesis import given
from hypothesis import strategies as st

from hotstack_os.deploy.recovery import matched, sectioned
from hotstack_os.hidden import Hidden
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
