from __future__ import annotations

from collections.abc import Callable
from importlib import resources
from ipaddress import IPv4Network
from pathlib import Path

import pytest
import yaml

from hotstack_os.errors import HotstackError
from hotstack_os.settings.cloud import Cloud
from hotstack_os.settings.content import FLAVORS, Flavor
from hotstack_os.settings.loading import load
from hotstack_os.smoke.guest import Guest
from hotstack_os.smoke.orphans import ours
from hotstack_os.smoke.wanted import free_networks, smallest, wanted

Load = Callable[[str], Cloud]


@pytest.fixture
def load_text(tmp_path: Path) -> Load:
    """The cloud of a settings file with this text."""

    def run(text: str) -> Cloud:
        path = tmp_path / "settings.yaml"
        path.write_text(text)
        return load(path, {}, {})

    return run


@pytest.fixture
def template() -> dict[str, dict[str, dict[str, object]]]:
    loaded: dict[str, dict[str, dict[str, object]]] = yaml.safe_load(
        resources.files("hotstack_os.smoke").joinpath("template.yaml").read_text()
    )
    return loaded


def test_the_smallest_flavor_is_taken() -> None:
    assert smallest(FLAVORS) == "hotstack.tiny"
    assert smallest({"big": Flavor(1, 2048, 20), "many": Flavor(4, 512, 1), "few": Flavor(2, 512, 1)}) == "few"
    with pytest.raises(HotstackError, match=r"content\.flavors"):
        smallest({})


@pytest.mark.parametrize("taken", [["192.168.0.0/24"], ["192.168.0.128/25", "192.168.1.0/25"], ["172.31.0.0/25"], []])
def test_networks_overlap_nothing_of_the_clouds(taken: list[str]) -> None:
    used = [IPv4Network(each) for each in taken]
    one, other, *_ = free_networks(used)
    assert not one.overlaps(other)
    assert not any(each.overlaps(mine) for each in used for mine in (one, other))


def test_everything_follows_from_the_settings(load_text: Load) -> None:
    text = """
name: lab
domain: lab.example
networks: {containers: 192.168.0.0/25, provider: 192.168.1.0/24}
content: {test-image: {name: probe}, flavors: {nano: {vcpus: 1, ram: 128, disk: 1}}, networks: {public: {name: out}}}
"""
    found = wanted(load_text(text))
    assert found.parameters == {
        "image": "probe",
        "flavor": "nano",
        "public": "out",
        "dns": str(load_text(text).networks.dns),
        "access_cidr": "192.168.2.0/24",
        "vlan_cidr": "192.168.3.0/24",
    }
    assert found.api == "keystone.lab.example:5000"
    assert str(found.api_address) == str(load_text(text).networks.gateway)


@pytest.mark.parametrize("key", ["enabled: false", "test-image: {enabled: false}"])
def test_a_cloud_without_test_image_cannot_be_proved(load_text: Load, key: str) -> None:
    with pytest.raises(HotstackError, match="test image"):
        wanted(load_text(f"content: {{{key}}}"))


def test_the_template_takes_what_it_is_given(
    template: dict[str, dict[str, dict[str, object]]], load_text: Load
) -> None:
    given = {*wanted(load_text("")).parameters, "run", "public_key"}
    needed = {name for name, parameter in template["parameters"].items() if "default" not in parameter}
    assert needed == given


def test_the_template_tells_all_of_a_guest(template: dict[str, dict[str, dict[str, object]]]) -> None:
    for name in "ab":
        value = template["outputs"][name]["value"]
        assert isinstance(value, dict)
        assert {*value, "host", "name"} == {*Guest.__dataclass_fields__}


def test_only_trunks_lead_to_the_vlan(template: dict[str, dict[str, dict[str, object]]]) -> None:
    """Else an answer to ping would prove nothing about trunks."""
    users = {name for name, resource in template["resources"].items()
             if "{'get_resource': 'vlan'}" in str(resource) or "'vlan_subnet'" in str(resource)}  # fmt: skip
    assert users == {"vlan_subnet", "subport_a", "subport_b"}


def test_only_things_of_the_scenarios_stack_are_its_orphans() -> None:
    mine = {"name": "hotstack-os-smoke-vlan-abc", "id": "1"}
    others = [{"name": name, "id": "2"} for name in ("", "hotstack-os-smokers", "hotstack-os-smoke", "lab")]
    assert ours([mine, *others]) == [mine]
