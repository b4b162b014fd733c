"""Addresses that follow from others."""

from __future__ import annotations

from hotstack_os.network.addresses import mac_of


def test_a_mac_address_of_ours_is_its_own_and_always_the_same() -> None:
    assert mac_of("172.31.0.11") == "02:68:ac:1f:00:0b"
    first = int(mac_of("10.0.0.1").split(":")[0], 16)
    assert (first & 1, first & 2) == (0, 2)  # one station's, and locally administered (IEEE 802)
    assert len({mac_of(f"10.0.{a}.{b}") for a in range(4) for b in range(256)}) == 1024
