"""What a node is and can do, found out by looking; choices carry their reason."""

from __future__ import annotations

from hotstack_os.catalogue.context import Facts
from hotstack_os.exec import Command, Host

PROBE_DATAPATH = "hot-probe"


def survey(host: Host) -> Facts:
    """The facts of a node. Reads only, but for a datapath that is made and removed to see whether the kernel can."""
    name = host.run(Command(("uname", "--nodename"), "see the node's name")).stdout.strip()
    cores = int(host.run(Command(("nproc",), "count processors")).stdout)
    datapath, reason = probe_datapath(host)
    return Facts(name, cores, datapath, reason, resolvers(host))


def probe_datapath(host: Host) -> tuple[str, str]:
    """ "system" where the kernel has Open vSwitch, else "netdev" (userspace), with the reason.

    Decided by doing: a kernel that has the module but refuses it to this machine counts as one without.
    """
    host.run(Command(("modprobe", "--quiet", "openvswitch"), "load the module", accept=frozenset({0, 1})))
    any_status = frozenset(range(256))
    made = host.run(Command(("ovs-dpctl", "add-dp", PROBE_DATAPATH), "try a kernel datapath", accept=any_status))
    if made.status == 0:
        host.run(Command(("ovs-dpctl", "del-dp", PROBE_DATAPATH), "remove the tried datapath"))
        return "system", "the kernel made a datapath"
    lines = made.stderr.strip().splitlines()
    return "netdev", f"the kernel made none: {lines[-1] if lines else 'no reason given'}"


def resolvers(host: Host) -> tuple[str, ...]:
    """The name servers of the node's own resolv.conf that others can be pointed to."""
    data = host.read(["/etc/resolv.conf"])["/etc/resolv.conf"] or b""
    words = [line.split() for line in data.decode().splitlines()]
    found = [word[1] for word in words if len(word) > 1 and word[0] == "nameserver" and ":" not in word[1]]
    return tuple(address for address in found if not address.startswith("127."))
