"""tempest.conf as it was last looked at by a human; UPDATE_GOLDEN=1 writes what is rendered now."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from hotstack_os.tempest.conf import Microversions, Places, Seen, sections, tempest_conf
from unit.catalogue import world

GOLDEN = Path(__file__).parents[2] / "golden/tempest/tempest.conf"
SEEN = Seen(
    images=("image-1", "image-2"),
    flavors=("flavor-1", "flavor-2"),
    public_network=("network-1", "public"),
    extensions=("port-security", "router"),
    volume_extensions=("os-types-manage",),
    compute=Microversions("2.1", "2.100"),
    volume=Microversions("3.0", "3.71"),
    placement=Microversions("1.0", "1.39"),
    hypervisor="QEMU",
)
PLACES = Places(Path("/state/tempest"), Path("/cache/guest.qcow2"))


def test_it_is_as_last_looked_at() -> None:
    text = tempest_conf(world.context(), SEEN, PLACES).reveal()
    if os.environ.get("UPDATE_GOLDEN"):
        GOLDEN.write_text(text)
    assert text == GOLDEN.read_text()


def test_it_is_as_secret_as_the_password_in_it() -> None:
    assert "<keystone-admin>" not in str(tempest_conf(world.context(), SEEN, PLACES))


def test_what_the_cloud_has_not_is_not_tested() -> None:
    without = replace(SEEN, extensions=("router",))
    assert sections(world.context(), without, PLACES)["network-feature-enabled"]["port_security"] is False


def test_it_follows_the_settings() -> None:
    made = sections(world.context(domain="lab.example", region="RegionTwo"), SEEN, PLACES)
    assert made["identity"]["uri_v3"] == "http://keystone.lab.example:5000/v3"
    assert made["identity"]["region"] == "RegionTwo"
