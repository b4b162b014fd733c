"""The rules as text; that nft takes them is tried in tests/integration/handlers."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

from hotstack_os.network import firewall
from hotstack_os.settings.cloud import Networks

NETWORKS = Networks(
    containers=IPv4Network("10.1.0.0/25"),
    provider=IPv4Network("10.1.0.128/25"),
    gateway=IPv4Address("10.1.0.129"),
    dns=IPv4Address("10.1.0.10"),
    floating_first=IPv4Address("10.1.0.130"),
    floating_last=IPv4Address("10.1.0.200"),
    mtu=1500,
    vlans=(100, 200),
)
TEXT = firewall.rules(NETWORKS, "hot-ex", [9292, 5000, 5000])


def test_addresses_ports_and_bridge_are_those_of_the_cloud() -> None:
    assert "ip daddr 10.1.0.129 tcp dport { 5000, 9292 } accept" in TEXT
    assert "ip daddr { 10.1.0.129, 10.1.0.10 } udp dport 53 accept" in TEXT
    assert "ct status dnat ip daddr 10.1.0.0/25 accept" in TEXT
    assert TEXT.count('iifname != "hot-ex" accept') == 2


def test_what_comes_from_servers_is_refused_at_the_end() -> None:
    """Each chain accepts what is told apart first, and ends with a refusal."""
    chains = [
        [line.strip() for line in chunk.split("}\n  chain")[0].splitlines()] for chunk in TEXT.split("chain ")[1:]
    ]
    for lines in chains:
        rules = [line for line in lines if line not in {"}", ""}]
        assert rules[2].startswith("iifname != ")
        assert rules[-1] == "reject"


def test_loading_replaces_the_table_in_one_transaction() -> None:
    assert firewall.load_script(TEXT).splitlines()[:3] == [
        "table inet hotstack_os", "delete table inet hotstack_os", "table inet hotstack_os {",
    ]  # fmt: skip


PEERS = ["10.1.0.254", "10.1.0.253"]
SEVERAL = firewall.rules(NETWORKS, "hot-ex", [9292], PEERS, [6642, 5672], [8022])


def test_other_nodes_reach_this_one_and_what_is_behind_it() -> None:
    with_input, with_forward = SEVERAL.split("chain forward")
    assert "ip saddr { 10.1.0.254, 10.1.0.253 } accept" in with_input
    allowed = "ip saddr { 10.1.0.254, 10.1.0.253 } ip daddr 10.1.0.0/25 tcp dport { 5672, 6642 } accept"
    assert with_forward.index(allowed) < with_forward.index("\n    reject")


def test_what_is_between_nodes_is_refused_to_everybody_else_first() -> None:
    lines = [line.strip() for line in SEVERAL.splitlines()]
    alone = 'iif != "lo" ip saddr != { 10.1.0.254, 10.1.0.253 } tcp dport { 8022 } reject'
    assert lines.index(alone) < lines.index('iifname != "hot-ex" accept')
    assert "8022" not in TEXT


def test_a_further_node_has_no_ports_of_apis() -> None:
    assert "tcp dport {  }" not in firewall.rules(NETWORKS, "hot-ex", [], PEERS, [], [8022])
