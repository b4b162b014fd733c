"""What servers and the outside may reach on a node: one nftables table of ours, written and replaced as a whole."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from hotstack_os.core.model import Absent, Observation, Present, Ref, Resource, Value
from hotstack_os.core.plan import Action
from hotstack_os.exec import Command, Host
from hotstack_os.settings.cloud import Networks

TABLE = "firewall"
NAME = "hotstack_os"
FILE = "/etc/hotstack-os/firewall.nft"
LOAD = f"/usr/sbin/nft -f {FILE}"
"""What loads it at a boot."""


def rules(
    networks: Networks,
    bridge: str,
    ports: Iterable[int],
    peers: Sequence[str] = (),
    behind: Iterable[int] = (),
    between: Iterable[int] = (),
) -> str:
    """The table as nft(8) reads it.

    From the provider network (servers' floating and router addresses) come only: API ports, DNS and ICMP to the node;
    what podman forwards from published ports to the container behind them; replies. Nothing else is forwarded for them:
    not to the containers, not to whatever networks the node has besides, not by translations of other programs. Servers
    are told by the interface they come from, so a forged source address helps nobody. Where there are further nodes
    (`peers`) their addresses tell them apart from servers: they may reach this one, and the TCP ports `behind` it, of
    containers. `between` are for them alone, wherever others come from. OVN lets no server use another address than its
    own, unless port security is off.
    """
    tcp, inner, own = (", ".join(str(port) for port in sorted(set(each))) for each in (ports, behind, between))
    others = ", ".join(peers)
    return "\n".join(
        [
            f"table inet {NAME} {{",
            "  chain input {",
            "    type filter hook input priority filter; policy accept;",
            *([f'    iif != "lo" ip saddr != {{ {others} }} tcp dport {{ {own} }} reject'] if peers and own else []),
            f'    iifname != "{bridge}" accept',
            "    ct state established,related accept",
            "    ip protocol icmp accept",
            *([f"    ip saddr {{ {others} }} accept"] if peers else []),
            f"    ip daddr {{ {networks.gateway}, {networks.dns} }} udp dport 53 accept",
            f"    ip daddr {{ {networks.gateway}, {networks.dns} }} tcp dport 53 accept",
            *([f"    ip daddr {networks.gateway} tcp dport {{ {tcp} }} accept"] if tcp else []),
            "    reject",
            "  }",
            "  chain forward {",
            "    type filter hook forward priority filter; policy accept;",
            f'    iifname != "{bridge}" accept',
            "    ct state established,related accept",
            f"    ct status dnat ip daddr {networks.containers} accept",
            *(
                [f"    ip saddr {{ {others} }} ip daddr {networks.containers} tcp dport {{ {inner} }} accept"]
                if peers and inner
                else []
            ),
            "    reject",
            "  }",
            "}",
            "",
        ]
    )


def firewall(node: str, text: str, needs: frozenset[Ref]) -> Resource:
    """The table of ours, loaded, and in its file for the next boot."""
    return Resource(Ref(TABLE, NAME, node), {"text": text, "loaded": True}, needs)


class FirewallHandler:
    """Compares the file with what is wanted and the loaded table with what the file made of it."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def observe(self, resources: Sequence[Resource]) -> Mapping[Ref, Observation]:
        data = self._host.read([FILE])[FILE]
        loaded = self._listed()
        if data is None and loaded is None:
            return {each.ref: Absent() for each in resources}
        mark = self._host.read([f"{FILE}.loaded"])[f"{FILE}.loaded"]
        state: dict[str, Value] = {
            "text": (data or b"").decode(),
            "loaded": loaded is not None and mark == loaded.encode(),
        }
        return {each.ref: Present(state) for each in resources}

    def _listed(self) -> str | None:
        argv = ("nft", "--stateless", "list", "table", "inet", NAME)
        result = self._host.run(Command(argv, "see the firewall", accept=frozenset({0, 1})))
        return result.stdout if result.status == 0 else None

    def apply(self, action: Action) -> None:
        if action.verb == "remove":
            if self._listed() is not None:
                self._host.run(Command(("nft", "delete", "table", "inet", NAME), "remove the firewall"))
            for path in (FILE, f"{FILE}.loaded"):
                self._host.remove(path)
            return
        text = str(action.resource.state["text"])
        self._host.make_directory("/etc/hotstack-os", mode=0o755)
        self._host.write(FILE, text, mode=0o644)
        self._host.run(Command(("nft", "-f", FILE), "load the firewall"))
        self._host.write(f"{FILE}.loaded", self._listed() or "", mode=0o644)


def load_script(text: str) -> str:
    """Replaces the table in one transaction: there is no moment without rules."""
    return f"table inet {NAME}\ndelete table inet {NAME}\n{text}"
