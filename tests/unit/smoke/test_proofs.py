from __future__ import annotations

import pytest

from hotstack_os.exec.agent import AgentHost
from hotstack_os.smoke import proofs
from hotstack_os.smoke.guest import Guest

VOLUME = "3f2b8c1e-9a77-4d05-b6b1-0123456789ab"


def test_the_address_of_a_name_is_not_that_of_the_name_server() -> None:
    said = """Server:\t\t172.31.0.10
Address:\t172.31.0.10:53

Name:\tkeystone.hotstack-os.local
Address: 172.31.0.129

"""
    assert proofs.resolved(said) == {"172.31.0.129"}
    older = "Server:    172.31.0.10\nAddress 1: 172.31.0.10\n\nName:      keystone\nAddress 1: 172.31.0.129 keystone\n"
    assert proofs.resolved(older) == {"172.31.0.129"}


@pytest.mark.parametrize(
    "said",
    [
        "",
        "nslookup: write to '172.31.0.10': Connection refused\n;; connection timed out; no servers could be reached\n",
        "Server:\t\t172.31.0.10\nAddress:\t172.31.0.10:53\n\n** server can't find keystone.x: NXDOMAIN\n",
    ],
)
def test_no_answer_is_no_address(said: str) -> None:
    assert proofs.resolved(said) == set()


def test_a_disk_is_known_by_its_volume() -> None:
    listed = f"/sys/block/vda/serial:\n/sys/block/vdb/serial:{VOLUME[:20]}\n"
    assert proofs.disk_with(listed, VOLUME) == "vdb"
    assert proofs.disk_with(listed, VOLUME.replace("3", "4")) == ""
    assert proofs.disk_with("", VOLUME) == ""


@pytest.mark.parametrize(
    ("document", "seen"),
    [
        (f'{{"uuid": "{VOLUME}", "name": "a"}}', VOLUME),
        ("", "no answer"),
        ("<html>503</html>", "<html>503</html>"),
        ('{"name": "a"}', '{"name": "a"}'),
        ("[]", "[]"),
    ],
)
def test_what_metadata_is_about(document: str, seen: str) -> None:
    assert proofs.metadata_identity(document) == seen


def test_a_vlan_has_the_subports_addresses() -> None:
    guest = Guest(AgentHost("nowhere"), "a", "id", "172.31.0.140", 101, "fa:16:3e:00:00:01", "192.168.1.5")
    first, second = proofs.vlan_script(guest, 24).splitlines()
    assert first == "[ -e /sys/class/net/vlan101 ] || ip link add link eth0 name vlan101 type vlan id 101"
    assert second.split(" && ") == [
        "ip link set vlan101 address fa:16:3e:00:00:01",
        "ip link set vlan101 up",
        "ip address replace 192.168.1.5/24 dev vlan101",
    ]


def test_the_last_lines_are_those_with_words() -> None:
    assert proofs.last_lines("1\n\n2\n3\n\n", 2) == "2\n3"
    assert proofs.last_lines("") == ""
