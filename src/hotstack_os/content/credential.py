"""The user's application credential, and the file in which automation finds it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hotstack_os.bootstrap.keystone import Keystone, LoginRefused
from hotstack_os.content.api import Api, Observer
from hotstack_os.core.model import Absent, Observation, Present, Ref, Resource
from hotstack_os.core.plan import Action
from hotstack_os.hidden import Fingerprint, Hidden
from hotstack_os.whole import put

KIND = "application-credential"
FILE = "cloud-secret.yaml"
"""In the cloud's state directory."""


def credential(name: str, secret: Hidden, node: str, needs: frozenset[Ref], within: Ref) -> Resource:
    """The credential with this secret and its file. A foreign one of this name is a conflict: what logs in with it
    would be locked out."""
    return Resource(Ref(KIND, name, node), {"secret": secret, "file": FILE}, needs, within)


class CredentialHandler(Observer):
    """Application credentials of the user, which only the user may make; looked at as the administrator.

    They are unrestricted, so that Heat may make trusts for stacks (see also catalogue/keystone.py). Whether the secret
    is as wanted is seen by logging in with it.
    """

    def __init__(self, api: Api, user: Keystone, auth_url: str, region: str, state: Path) -> None:
        self.api = api
        self._user = user
        self._auth_url, self._region = auth_url, region
        self._file = state / FILE

    def look(self, resources: Sequence[Resource]) -> Mapping[Ref, Observation]:
        found = self._credentials()
        return {each.ref: self._seen(each, found.get(each.ref.name)) for each in resources}

    def _credentials(self) -> dict[str, Any]:
        user = self.api.user_id()
        path = f"/users/{user}/application_credentials"
        answer = self.api.keystone.get(path)["application_credentials"] if user else []
        return {each["name"]: each for each in answer}

    def _seen(self, wanted: Resource, found: Mapping[str, Any] | None) -> Observation:
        if found is None:
            return Absent()
        secret = wanted.state.get("secret")
        if not isinstance(secret, Hidden):
            return Present({})
        file = FILE if _is(self._file, self._text(found["id"], secret)) else "absent or not as written"
        opens = self._opens(found["id"], secret)
        return Present({"secret": secret if opens else Fingerprint("another"), "file": file})

    def _opens(self, identity: str, secret: Hidden) -> bool:
        try:
            self._user.try_credential(identity, secret)
        except LoginRefused:
            return False
        return True

    def apply(self, action: Action) -> None:
        found = self._credentials().get(action.ref.name)
        secret = action.resource.state.get("secret")
        if isinstance(secret, Hidden) and action.verb != "remove":
            if found and not self._opens(found["id"], secret):
                self._delete(found["id"])
                found = None
            identity = found["id"] if found else self._create(action.ref.name, secret)
            write_secret(self._file, self._text(identity, secret))
        elif found:
            self._delete(found["id"])
            if self._file.is_file() and found["id"] in self._file.read_text():
                self._file.unlink()

    def _create(self, name: str, secret: Hidden) -> str:
        fields = {"name": name, "unrestricted": True, "description": "Made by HotStack-OS.", "secret": secret}
        body = secret.in_json({"application_credential": fields})
        path = f"/users/{self.api.user_id()}/application_credentials"
        return str(self._user.send("POST", path, body)["application_credential"]["id"])

    def _delete(self, identity: str) -> None:
        self._user.send("DELETE", f"/users/{self.api.user_id()}/application_credentials/{identity}")

    def _text(self, identity: str, secret: Hidden) -> Hidden:
        """Variables for Ansible, as HotStack's playbooks read them."""
        before = (
            "---",
            "hotstack_cloud_secrets:",
            "  auth_type: v3applicationcredential",
            f"  auth_url: {self._auth_url}",
            f"  application_credential_id: {identity}",
            "  application_credential_secret: ",
        )
        after = (
            "",
            f"  region_name: {self._region}",
            "  interface: public",
            "  identity_api_version: 3",
            "",
        )
        return secret.derive("\n".join(before), "\n".join(after))


def _is(path: Path, wanted: Hidden) -> bool:
    """Whether a file holds this and is for its owner's eyes only."""
    try:
        return path.stat().st_mode & 0o777 == 0o600 and path.read_text() == wanted.reveal()
    except (OSError, UnicodeDecodeError):
        return False


def write_secret(path: Path, text: Hidden) -> None:
    """A file for its owner's eyes only, put in place whole."""
    put(path, text.reveal(), 0o600)
