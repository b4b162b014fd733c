"""What an action of a plan would destroy that `up` cannot bring back: data, keys, what people made. Pure.

Told by kind, name and ledger alone, so that it holds for whatever an older version made. A kind that is not named here
counts as one that holds something; a directory counts as holding data unless it is known to be made anew by `up`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from hotstack_os.bootstrap import cells, databases, identity, queues, schema
from hotstack_os.catalogue import registry
from hotstack_os.content import credential, flavors, images, keypair, networks, quotas
from hotstack_os.core.loss import Loss
from hotstack_os.core.model import Ledger, Ref, State, same
from hotstack_os.core.plan import Action
from hotstack_os.deploy import boxes, members
from hotstack_os.deploy.removal import CONFIGURATION
from hotstack_os.health.probes import ACCOUNT
from hotstack_os.hidden import Fingerprint, Hidden
from hotstack_os.host import capabilities, files, packages, units, user_units, users
from hotstack_os.network import addresses, firewall, ovs
from hotstack_os.runtime import leftovers, quadlets, services

MADE_ANEW = frozenset(
    {
        files.BLOCK,
        units.UNIT,
        units.RUNNING,
        user_units.USER_UNIT,
        capabilities.CAPABILITY,
        capabilities.RIGHTS,
        packages.PACKAGE,
        "package",  # one by one, as ledgers of former versions have them
        ovs.SETTINGS,
        ovs.BRIDGE,
        ovs.PORT,
        addresses.ADDRESS,
        addresses.ROUTE,
        addresses.SYSCTL,
        firewall.TABLE,
        quadlets.KIND,
        services.KIND,
        leftovers.KIND,
        databases.USER,
        queues.KIND,
        schema.SCHEMA,  # it goes with its database; what a migration cannot take back is another matter
        identity.ADMIN,
        flavors.KIND,  # servers have a copy of their own
        quotas.KIND,
        keypair.KIND,  # a public half; servers have it in them
    }
)
"""Kinds in which nothing is that does not follow from settings and secrets."""

KEYS = "keys without which what Keystone has encrypted cannot be read"
HOLDS: Mapping[str, str] = {
    "mysql": "all databases of the cloud",
    "keystone": KEYS,
    "fernet-keys": KEYS,
    "credential-keys": KEYS,
    "glance": "the images of all users",
    "images": "the images of all users",
    "staging": "images that are being taken in",
    "tasks": "images that are being taken in",
    "cinder-nfs": "all volumes",
    "nova-instances": "the disks of all servers",
    "nova": "the identity of a compute service, by which Nova knows its servers",
    "rabbitmq": "messages that are under way",
    "ovn": "OVN's record of all networks",
    "nb": "OVN's record of all networks",
    "sb": "OVN's record of all networks",
    # Locks, sockets, texts of ours, the identity of a compute service without real servers.
    "neutron": "",
    "cinder": "",
    ".config": "",
    "systemd": "",
    "user": "",
    "libvirt": "the definitions of servers",
    "nova-fake": "",
}
"""What is in a directory of the cloud's data, by its last name. Of others nobody knows."""
_UNKNOWN = "all that is in it"
_KEY_DIRECTORIES = ("/fernet-keys/", "/credential-keys/")


@dataclass(frozen=True)
class Losses:
    """The rule for one cloud.

    Attributes:
        roles: directories whose last name does not tell what they hold → what that is.
        former: the state in which a thing was when the cloud was last as wanted; None where it was not there.
        built: images that `up` builds itself, whose bytes follow this program.
    """

    roles: Mapping[str, str] = field(default_factory=dict)
    former: Callable[[Ref], State | None] = lambda _: None
    built: frozenset[str] = frozenset()

    @property
    def rule(self) -> Loss:
        """As the core asks for it."""
        return self._of

    def _of(self, action: Action, ledger: Ledger) -> str:
        kind = action.ref.kind
        if action.verb in ("restore", "forget") or kind in MADE_ANEW:
            return ""
        if kind in _RULES:
            return _RULES[kind](self, action, ledger)
        return f"all that {action.ref} holds, which this version does not know" if action.verb == "remove" else ""

    def directory(self, action: Action, ledger: Ledger) -> str:
        path = action.ref.name
        if action.verb == "remove":
            return self._within(action.ref, ledger)
        if action.verb == "create" and self._was_there(action, ledger) and (held := self._held(path)):
            return (
                f"the way back to {held}: the directory is missing (is a disk not mounted?), and an empty one would "
                "take its place"
            )
        if self._emptied(action) and self._was_there(action, ledger) and (held := self._held(path)):
            return (
                f"the way back to {held}: the directory is empty (is a disk not mounted?), and it would be begun anew"
            )
        return ""

    def _emptied(self, action: Action) -> bool:
        contents = (action.found or {}).get(files.CONTENTS)
        return action.verb == "update" and contents == files.MISSING

    def database(self, action: Action, ledger: Ledger) -> str:
        if action.verb == "remove":
            return f"all that is in the database {action.ref.name}"
        if action.verb == "create" and self._was_there(action, ledger):
            return f"the way back to all that was in the database {action.ref.name}: it is missing"
        return ""

    def _was_there(self, action: Action, ledger: Ledger) -> bool:
        """Whether it was made whole once: what is in the ledger may only have been begun."""
        return action.ref in ledger and self.former(action.ref) is not None

    def _within(self, ref: Ref, ledger: Ledger) -> str:
        """What a directory and all that is ours below it holds."""
        below = sorted(
            each.name
            for each in ledger
            if (each.kind, each.node) == (ref.kind, ref.node) and each.name.startswith(f"{ref.name}/")
        )
        held = [self._held(ref.name, "" if below else _UNKNOWN), *map(self._held, below)]
        return ", ".join(dict.fromkeys(each for each in held if each))

    def _held(self, path: str, otherwise: str = _UNKNOWN) -> str:
        if path in self.roles:
            return self.roles[path]
        if any(path == each or path.startswith(f"{each}/") for each in CONFIGURATION):
            return ""
        return HOLDS.get(path.rpartition("/")[2], otherwise)

    def file(self, action: Action, ledger: Ledger) -> str:
        """Texts are all made by `up`; keys are made once."""
        if not any(each in action.ref.name for each in _KEY_DIRECTORIES):
            return ""
        if action.verb == "remove":
            return KEYS
        return KEYS if self.another(action, ledger, "text") else ""

    def another(self, action: Action, ledger: Ledger, key: str) -> bool:
        """Whether a part of it was there and is to be another; where nobody can see it, as it was last known."""
        before, wanted = action.found, action.resource.state
        if before is None and action.ref in ledger:
            before = self.former(action.ref)
        if before is None or key not in before or key not in wanted:
            return False
        if action.found is None and action.verb == "update" and isinstance(wanted[key], Hidden | Fingerprint):
            return False  # fingerprints of before say nothing where secrets were read back: told when it can be seen
        return not same(wanted[key], before[key])


def _removed(words: str) -> Callable[[Losses, Action, Ledger], str]:
    """A kind of which something is lost when it is removed, and in no other way."""

    def rule(_losses: Losses, action: Action, _ledger: Ledger) -> str:
        return words.format(action.ref.name.rpartition("/")[2]) if action.verb == "remove" else ""

    return rule


def _identity(_losses: Losses, action: Action, _ledger: Ledger) -> str:
    if action.verb != "remove":
        return ""
    kind, _, name = action.ref.name.partition("/")
    if kind == "user" and name in _own_accounts():
        return ""
    return {
        "domain": f"the domain {name} with its users and projects",
        "project": f"the project {name}: whatever people have in it belongs to nobody then",
        "user": f"the user {name} with its credentials and key pairs",
        "role": f"the role {name}, and that anybody has it",
        "service": "",
        "endpoint": "",
    }.get(kind, _UNKNOWN)


def _own_accounts() -> frozenset[str]:
    """Users that services log in as; nothing is theirs."""
    found = {ACCOUNT}
    for component in registry.components():
        found |= {account.name for account in component.accounts}
        found |= {f"{domain.administrator}@{domain.name}" for domain in component.domains}
    return frozenset(found)


def _network(losses: Losses, action: Action, ledger: Ledger) -> str:
    kind, _, name = action.ref.name.partition("/")
    if kind == "rule":
        return ""
    if action.verb == "remove":
        return {
            "network": f"the network {name} with the ports in it",
            "subnet": f"the subnet {name} with the addresses that are given out in it",
            "router": f"the router {name} with its floating IPs and routes",
        }.get(kind, _UNKNOWN)
    moved = any(losses.another(action, ledger, key) for key in ("cidr", "network"))
    return f"the subnet {name} with the addresses that are given out in it" if kind == "subnet" and moved else ""


def _image(losses: Losses, action: Action, ledger: Ledger) -> str:
    """Other bytes are another image, and so are the same ones again: the former goes when that is there."""
    name = action.ref.name
    if action.verb == "remove":
        return f"the image {name}: servers that were made from it cannot be made anew"
    if name in losses.built:
        return ""
    found = action.found or {}
    used = found.get("status", "active") in ("active", "deactivated") and found.get("sha256") != images.UNKNOWN
    bytes_go = any(losses.another(action, ledger, key) for key in ("sha256", "format", "status")) and used
    if bytes_go or losses.another(action, ledger, "copies"):
        return f"the former image {name}: servers that were made from it cannot be made anew"
    return ""


def _credential(losses: Losses, action: Action, ledger: Ledger) -> str:
    another = action.verb == "update" and losses.another(action, ledger, "secret")
    if action.verb == "remove" or another:
        return f"the application credential {action.ref.name}: whoever logs in with it is locked out"
    return ""


def _box(_: Losses, action: Action, ledger: Ledger) -> str:
    if action.verb == "remove":
        return "the whole cloud"
    if action.verb == "create" and any(ref.kind != boxes.BOX for ref in ledger):
        return "the way back to all that was in the cloud: its box is missing, and an empty one would take its place"
    return ""


_RULES: Mapping[str, Callable[[Losses, Action, Ledger], str]] = {
    files.DIRECTORY: Losses.directory,
    files.FILE: Losses.file,
    users.USER: _removed("the home of the user {}: definitions and firmware variables of servers"),
    databases.DATABASE: Losses.database,
    cells.CELL: _removed("Nova's way to the servers of the cell {}"),
    identity.IDENTITY: _identity,
    networks.KIND: _network,
    images.KIND: _image,
    credential.KIND: _credential,
    members.KIND: _removed("the node {} with its box and all that is on it"),
    boxes.BOX: _box,
}
KNOWN = frozenset(_RULES) | MADE_ANEW
"""Every kind that this rule has an opinion about."""
