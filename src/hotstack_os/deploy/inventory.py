"""What a node is and can do, found out by looking; choices are made by trying, and kept with their reason.

A choice is tried again only when the kernel, QEMU or Open vSwitch are others: a probe that once gives another
answer must not restart services.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hotstack_os.catalogue.context import Choice, Facts
from hotstack_os.deploy import probes
from hotstack_os.exec import Command, Host
from hotstack_os.settings.cloud import Cloud
from hotstack_os.whole import Damaged, put, read_sealed, sealed

_LOOK = """
uname --nodename
nproc
uname --kernel-release
ovs-vswitchd --version | head -n 1
qemu-system-x86_64 --version | head -n 1
"""

RESOLV_CONFS = (
    "/etc/resolv.conf",
    "/run/systemd/resolve/resolv.conf",
    "/run/NetworkManager/no-stub-resolv.conf",
)
"""Where name servers are written down. Of a resolver on the machine itself the first names only its own address, at
which nobody else can ask; those it asks are in a file of its own (systemd-resolved.service(8), NetworkManager.conf(5)).
"""


_AGAIN = "Remove it (rm {}): the next `up` looks at the node again, and keeps what it finds."


@dataclass(frozen=True)
class Record:
    """What is remembered of a node between commands, in a file of the cloud's state directory."""

    path: Path

    def load(self) -> Facts | None:
        """The facts as they were last kept; None where none were, `Damaged` where they are not as they were."""
        said = read_sealed(self.path, _AGAIN.format(self.path))
        if said is None:
            return None
        try:
            return _facts(said)
        except (KeyError, TypeError, ValueError):
            raise Damaged(self.path, "JSON with other fields", _AGAIN.format(self.path)) from None

    def keep(self, facts: Facts) -> None:
        """Put the facts in place whole."""
        put(self.path, sealed(asdict(facts)))

    def forget(self) -> None:
        """The node is no more."""
        self.path.unlink(missing_ok=True)


def _facts(said: Mapping[str, Any]) -> Facts:
    name, cores, resolvers = said["name"], said["cores"], said["resolvers"]
    if not (isinstance(name, str) and name and isinstance(cores, int) and isinstance(resolvers, list)):
        raise TypeError
    datapath, virt_type = Choice(**said["datapath"]), Choice(**said["virt_type"])
    texts = (*resolvers, *vars(datapath).values(), *vars(virt_type).values())
    if not all(isinstance(text, str) for text in texts):
        raise TypeError
    return Facts(name, cores, datapath, virt_type, tuple(resolvers))


def facts_of(cloud: Cloud, further: str = "") -> Record:
    """What is remembered of the cloud's first node, or of a further one by name."""
    return Record(cloud.state / (f"node-{further}.json" if further else "node.json"))


def choices(facts: Facts) -> dict[str, Choice]:
    """What was decided by trying, by the name of the fact."""
    return {name: fact for name, fact in vars(facts).items() if isinstance(fact, Choice)}


def name_of(host: Host) -> str:
    """What the node calls itself."""
    return host.run(Command(("uname", "--nodename"), "ask for the node's name")).stdout.strip()


def survey(host: Host, known: Facts | None, guest: Path) -> Facts:
    """The facts of a node; its name is the one under which it came into the cloud. `guest` is the test image.

    Reads only, but for what is tried and removed again where that has not been decided yet.
    """
    name, cores, kernel, openvswitch, qemu = host.run(
        Command(("sh", "-ec", _LOOK), "see what the node is")
    ).stdout.splitlines()

    def virtualise() -> tuple[str, str]:
        return probes.virtualisation(host, guest)

    return Facts(
        known.name if known else name,
        int(cores),
        _settled(known.datapath if known else None, f"{kernel}; {openvswitch}", lambda: probes.datapath(host)),
        _settled(known.virt_type if known else None, f"{kernel}; {qemu}; {probes.TRIES}", virtualise),
        resolvers(host),
    )


def _settled(known: Choice | None, versions: str, probe: Callable[[], tuple[str, str]]) -> Choice:
    if known and known.versions == versions:
        return known
    return Choice(*probe(), versions)


def resolvers(host: Host) -> tuple[str, ...]:
    """The name servers of the node that others can be pointed to."""
    texts = host.read(RESOLV_CONFS)
    found = (_nameservers(texts[path] or b"") for path in RESOLV_CONFS)
    return next((addresses for addresses in found if addresses), ())


def _nameservers(data: bytes) -> tuple[str, ...]:
    words = [line.split() for line in data.decode(errors="replace").splitlines()]
    found = [word[1] for word in words if len(word) > 1 and word[0] == "nameserver" and ":" not in word[1]]
    return tuple(address for address in found if not address.startswith("127."))
