"""The text of docs/SECURITY.md: what holds by design, and the rights of each container as the catalogue gives them."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from hotstack_os.catalogue import registry
from hotstack_os.catalogue.context import Choice, Context, Facts
from hotstack_os.catalogue.resolve import make_context
from hotstack_os.deploy.rights import CONSOLES, LOOPBACK, Door, Rights, node_doors, rights
from hotstack_os.hidden import Hidden
from hotstack_os.settings.cloud import Cloud
from hotstack_os.settings.loading import assemble
from hotstack_os.settings.schema import Settings

_SETTINGS: dict[str, Any] = {"nodes": {"compute-1": {}}, "services": {"nova-compute-fake": {}}}
"""A cloud in which there is everything that there can be."""

_INTRODUCTION = """\
# Security

The prose is written, the tables are generated from the catalogue; a test compares both tables with what `/proc` and
`ss` say of a cloud that runs.

## Whom one has to trust

*The operator's machine.* Whoever is root there, or reads the cloud's state directory (0700, files 0600), has the cloud:
`secrets.json` holds every password and key. `hotstack-os` itself runs as root.

*The box* keeps the cloud's processes, files and networks apart from the machine's, so that nothing of it stays when it
goes. It is no wall against a root inside of it: that is the machine's, with all capabilities but those for modules,
clock, I/O ports and kernel log. With `--target local` there is not even that.

*The node's root* is held by four containers with all rights (*all* below), because they make network devices, name
spaces and mounts: nova-compute, neutron-ovn-agent, ovn-controller, cinder-volume. What breaks into one of these has the
node. They act on messages and on rows of OVN's databases. Servers speak to one thing of theirs: the proxy of metadata
in each network's name space, a haproxy that neutron-ovn-agent starts as root, since only root reaches its socket.

*All other containers* have the capabilities of their row, most of them none, and run as a user of their own but for
dnsmasq and nova-ssh, which are root with those few. They cannot gain one (`no_new_privs`), have a read-only root and a
filter of system calls, and see of the node only what is mounted into them.

*Servers* are QEMU processes of the ordinary user `hotstack`, without capabilities. What they send is what anybody may
have made up.

*Users* of the cloud are kept apart by Keystone's projects and roles, and by OVN's networks; that is OpenStack's own
work, with its new default policies and with scopes enforced.

## What a server can reach

By the firewall of ours (nftables, by the interface that traffic comes from): the API ports and name server of the
gateway address, ICMP, and nothing else of the node or the containers. Its metadata come from Neutron's agent, on a link
of its own. Servers whose port security is off may forge addresses, and could pass for a further node; keep them off the
provider network where there is one.

## What a container that fell into wrong hands can do

* *Everything that is in its row*: read the secrets named there, write what it may write, and speak to what listens in
  the containers' network. A database user sees its own databases, and nobody sees another service's password.
* *memcached* listens in no network: its socket is mounted where it is used. What Keystone and Nova put there is sealed
  with a key of theirs (AES-GCM, bound to its place), and validated tokens are encrypted and signed with a key of the
  service: others can delete or repeat what is there, for the ten minutes that a value counts, but neither read nor make
  it. Nothing that was found there is unpickled unopened.
* *Keystone* holds the keys that make tokens, *MariaDB* all that services believe, and *HAProxy* sees all requests in
  clear, since the APIs are spoken in HTTP, without TLS: each of these three is the cloud. By default the way between a
  client and the gateway address lies within one machine.
* *The accounts* of Nova, Neutron and Cinder have the role `admin` in the project of the services, which those projects
  need of each other: whoever has the secrets of one of these can act as the cloud's administrator. That is not so of
  Glance, Placement and Heat.
* *The queue* has one virtual host, in which each project's user may do all: who has one such password can send messages
  to the others' services, nova-compute among them.
* *OVN's databases* take every connection from the containers' network and from further nodes: whoever reaches them can
  rebuild the networks. *Servers' consoles* (VNC) have no password there either. Servers do not reach any of these.

## Failed logins

After six wrong passwords in a row a user has to wait for five minutes (`services.keystone.config.security_compliance`).
The cloud's own users (`admin`, `hotstack`, those of the services) are exempt: else whoever reaches Keystone could lock
out the operator. Their passwords are 32 random letters and digits, which nobody finds by trying. A password that you
give one of them yourself should be as long; and `up` puts back the one in `secrets.json`.

## Secrets

They are made at random, kept in `secrets.json`, and given to a service in files (0400, its own user). They are never in
argv, environment, unit files, logs or what is recorded of containers; tests look there. What stands in the settings
file is no secret.

## Reporting a problem

Tell the maintainers in private, not in an issue that all can read: what you did, what you got, and the revision
(`hotstack-os --version`). `hotstack-os diagnose` makes an archive without secrets; look through it before you send it.
"""

_CONTAINERS = """\
## Containers

*rights*: the capabilities that it can have; *all* also means all devices and no filter of system calls. Configuration
files, which each may read and none may write, are left out, and so is what is gone when it stops (tmpfs). A door is
where it listens, in the containers' network or in the node's.

| service | user | rights | network | doors | writes | reads | secrets |
|---|---|---|---|---|---|---|---|
"""

_NODE = f"""
## Doors of the first node

These sockets are in the network of the node itself: what containers publish on the gateway address, and what lives
there. Besides, QEMU shows the screen of each server that runs at a TCP port from {CONSOLES.start} on, and in the name
space of each network with metadata a process of Neutron's listens at 169.254.169.254:80.

| door | whose |
|---|---|
"""


def markdown() -> str:
    """The text of docs/SECURITY.md."""
    cloud = assemble(Settings.model_validate(_SETTINGS), Path("/state"), Path("/cache"))
    context = context_of(cloud)
    services = registry.services(cloud)
    rows = [_row(rights(each, context)) for each in services.values()]
    doors = [f"| `{door}` | {whose} |" for door, whose in sorted(node_doors(services.values(), context).items())]
    return "\n".join([_INTRODUCTION, _CONTAINERS + "\n".join(rows), _NODE + "\n".join(doors), ""])


def context_of(cloud: Cloud, facts: Facts | None = None) -> Context:
    """The context of a cloud's first node, with secrets that nobody uses."""

    def secret(name: str) -> Hidden:
        return Hidden(base64.urlsafe_b64encode(name.encode().ljust(32)[:32]).decode())

    known = facts or Facts("node", 2, Choice("netdev", ""), Choice("qemu", ""), ())
    return make_context(cloud, known, registry.components(cloud), secret, secret)


def _row(one: Rights) -> str:
    doors = dict.fromkeys(_said(each) for each in sorted(one.doors, key=lambda door: (door.port, door.protocol)))
    cells = (
        f"`{one.service}`",
        f"{one.user} ({one.uid})",
        "**all**" if one.powers is None else _list(sorted(one.powers)),
        "containers'" if one.own_network else "node's",
        _list(f"`{each}`" for each in doors),
        _list(f"`{each}`" for each in one.writes),
        _list(f"`{each}`" for each in one.reads),
        _list(one.secrets),
    )
    return f"| {' | '.join(cells)} |"


def _list(words: Iterable[str]) -> str:
    return ", ".join(words) or "–"


def _said(door: Door) -> str:
    return f"{door.protocol} {door.port}" + (" for itself" if door.address == LOOPBACK else "")
