"""Any sound settings come back as they were written, and any planted mistakes are all told."""

from __future__ import annotations

import copy
import json
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hotstack_os.settings.content_rules import PROJECTS, USERS
from hotstack_os.settings.loading import load
from hotstack_os.settings.problems import SettingsError
from hotstack_os.settings.rules import TAKEN
from hotstack_os.settings.source import plain
from hotstack_os.settings.text import as_settings, as_yaml
from unit.settings.world import RELEASES, SERVICES

PORTS = (
    "keystone",
    "glance",
    "placement",
    "nova",
    "neutron",
    "cinder",
    "heat",
    "heat-cfn",
    "nova-metadata",
    "novnc",
    "stats",
)

label = st.from_regex(r"[a-z]([a-z0-9-]{0,8}[a-z0-9])?", fullmatch=True)
option_text = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Zl", "Zp")), max_size=30).filter(
    str.isprintable
)
decimal = st.builds(lambda whole, part: float(f"{whole}.{part}"), st.integers(-999, 999), st.integers(1, 99))
option = st.one_of(option_text, st.booleans(), st.integers(-(10**17), 10**17), decimal)
section = st.from_regex(r"[A-Za-z][A-Za-z0-9_:. -]{0,12}[A-Za-z0-9]", fullmatch=True)
config = st.dictionaries(
    section, st.dictionaries(st.from_regex(r"[a-z][a-z0-9_.-]{0,12}", fullmatch=True), option, max_size=3), max_size=3
)


properties = st.dictionaries(st.from_regex(r"[a-z][a-z0-9_:.-]{0,12}", fullmatch=True), option_text, max_size=2)
flavor = st.fixed_dictionaries(
    {"vcpus": st.integers(1, 1024), "ram": st.integers(1, 2**24), "disk": st.integers(0, 2**20)},
    optional={"properties": properties},
)
sha256 = st.from_regex(r"[0-9a-f]{64}", fullmatch=True)
described = {
    "disk-format": st.sampled_from(("raw", "qcow2", "iso")),
    "visibility": st.sampled_from(("public", "private")),
    "properties": properties,
}
image = st.one_of(
    st.fixed_dictionaries({"file": st.just("/srv/an image")}, optional={**described, "sha256": sha256}),
    st.fixed_dictionaries({"url": st.just("https://example.org/x?y=z"), "sha256": sha256}, optional=described),
)
content = st.fixed_dictionaries(
    {},
    optional={
        "enabled": st.booleans(),
        "project": label.filter(lambda name: name not in PROJECTS),
        "user": label.filter(lambda name: name not in USERS),
        "roles": st.lists(label, max_size=3, unique=True),
        "quotas": st.dictionaries(st.sampled_from(("cores", "ram", "floating-ips")), st.integers(-1, 2**31 - 1)),
        "flavors": st.dictionaries(label, flavor, max_size=3),
        "networks": st.fixed_dictionaries({"router": label, "private": st.just({"cidr": "192.0.2.0/24"})}),
        "ingress": st.lists(st.sampled_from(("icmp", "tcp/1", "udp/5-65535")), unique=True),
        "images": st.dictionaries(label, image, max_size=3),
        "test-image": st.fixed_dictionaries({"enabled": st.just(False)}),  # it has no name then
        "key": st.fixed_dictionaries({"name": label}, optional={"file": st.just("/root/key.pub")}),
        "credential": label,
    },
)


@st.composite
def sections(draw: st.DrawFn) -> dict[str, Any]:
    """Sound settings with every kind of value; each key is there or not."""
    containers = IPv4Network((0x0A000000 + draw(st.integers(0, 2**16 - 1)) * 256, draw(st.integers(24, 26))))
    provider = IPv4Network((0xAC100000 + draw(st.integers(0, 2**12 - 1)) * 256, draw(st.integers(24, 28))))
    last = provider.network_address + draw(st.integers(6, provider.num_addresses - 2))
    low = draw(st.integers(1, 4094))
    top = "/" + draw(label)
    ports = draw(
        st.lists(st.integers(1, 65535).filter(lambda port: port not in TAKEN), min_size=11, max_size=11, unique=True)
    )
    full = {
        "name": draw(label),
        "target": draw(st.sampled_from(("box", "local"))),
        "release": draw(st.sampled_from(RELEASES)),
        "region": draw(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,20}", fullmatch=True)),
        "domain": ".".join(draw(st.lists(label, min_size=1, max_size=4))),
        "networks": {
            "containers": str(containers),
            "provider": str(provider),
            "floating": {"first": str(provider.network_address + 2), "last": str(last)},
            "mtu": draw(st.integers(1280, 9216)),
            "vlans": [low, draw(st.integers(low, 4094))],
        },
        "paths": {name: f"/x{top}/{place}" for place, name in enumerate(("data", "instances", "volumes", "mounts"))},
        "ports": dict(zip(PORTS, ports, strict=True)),
        "services": draw(
            st.dictionaries(
                st.sampled_from(sorted(SERVICES)),
                st.fixed_dictionaries(
                    {"config": config}, optional={"workers": st.integers(1, 64), "threads": st.integers(1, 64)}
                ),
                min_size=1,
            )
        ),
        "dns_servers": [
            str(address) for address in draw(st.lists(st.ip_addresses(v=4, network="198.51.100.0/24"), max_size=3))
        ],
        "patience": draw(st.floats(0.1, 100)),
        "mirrors": {"debian": f"https://{draw(label)}.example.org/debian"},
        "content": draw(content),
    }
    kept = draw(st.sets(st.sampled_from(sorted(full))))
    return {key: value for key, value in full.items() if key in kept}


@given(data=sections())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_sound_settings_come_back_as_written(tmp_path: Path, data: dict[str, Any]) -> None:
    cloud = _load(tmp_path, yaml.safe_dump(data, allow_unicode=True))
    _contains(as_settings(cloud), data)
    assert _load(tmp_path, as_yaml(cloud)) == cloud
    assert _load(tmp_path, json.dumps(as_settings(cloud), ensure_ascii=False)) == cloud


MISTAKES: tuple[tuple[tuple[str, ...], Any], ...] = (
    (("name",), "Not A Name"),
    (("target",), ["box"]),
    (("release",), "1999.1"),
    (("region",), "a b"),
    (("domain",), "a..b"),
    (("domian",), "x"),
    (("networks", "containers"), "10.0.0.0/30"),
    (("networks", "mtu"), 12),
    (("networks", "vlans"), [3]),
    (("networks", "vlan"), [1, 3]),
    (("networks", "floating", "first"), "nowhere"),
    (("networks", "floating", "last"), 17),
    (("paths", "data"), "/usr"),
    (("paths", "instances"), "a/b"),
    (("paths", "mounts"), "/a/../b"),
    (("paths", "extra"), None),
    *(
        (("ports", name), bad)
        for name, bad in zip(PORTS, (0, -1, 65536, "x", True, 1.5, [], {}, 53, 6641, ""), strict=True)
    ),
    (("services", "nova-apy"), {}),
    (("services", "nova-compute", "workers"), 65),
    (("services", "nova-compute", "config", "DEFAULT", "x y"), 1),
    (("services", "nova-compute", "config", "DEFAULT", "z"), [1]),
    (("services", "nova-compute", "config", "a]"), {}),
    (("dns_servers",), {}),
    (("patience",), 0),
    (("patience",), True),
    (("patience",), "much"),
    (("mirrors", "debian"), "gopher://x"),
    (("content", "enabled"), "on"),
    (("content", "user"), "admin"),
    (("content", "quotas", "cores"), "many"),
    (("content", "flavors", "x", "ram"), -5),
    (("content", "images", "x", "url"), "https://example.org/x"),
    (("content", "images", "y", "sha256"), "0" * 63),
    (("content", "ingress"), "icmp"),
    (("content", "key", "file"), "key.pub"),
)


@given(data=sections(), planted=st.sets(st.sampled_from(range(len(MISTAKES))), min_size=1))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_all_planted_mistakes_are_told(tmp_path: Path, data: dict[str, Any], planted: set[int]) -> None:
    for place in planted:
        _plant(data, *MISTAKES[place])
    with pytest.raises(SettingsError) as caught:
        _load(tmp_path, yaml.safe_dump(data, sort_keys=False, allow_unicode=True))
    keys = {problem.key for problem in caught.value.problems}
    assert keys >= {".".join(MISTAKES[place][0]) for place in planted}
    assert all(problem.line for problem in caught.value.problems)


@given(text=st.text())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_gives_a_cloud_or_a_list_of_problems(tmp_path: Path, text: str) -> None:
    told: list[SettingsError] = []
    try:
        cloud = _load(tmp_path, text)
    except SettingsError as error:
        told.append(error)
    else:
        assert _load(tmp_path, as_yaml(cloud)) == cloud
    assert all(error.problems and str(error).encode() for error in told)  # encode: it can be printed


@given(value=st.one_of(st.integers(), st.floats(), st.text()))
def test_a_plain_number_is_one_only_if_nothing_is_lost(value: object) -> None:
    found = plain(str(value))
    if isinstance(found, int | float) and not isinstance(found, bool):
        assert str(found) == str(value)


def _plant(data: dict[str, Any], route: tuple[str, ...], value: Any) -> None:
    for part in route[:-1]:
        data = data.setdefault(part, {})
    data[route[-1]] = copy.deepcopy(value)


def _contains(whole: Any, part: Any) -> None:
    if isinstance(part, dict):
        for key, value in part.items():
            _contains(whole[key], value)
    else:
        assert (whole, type(whole)) == (part, type(part))


def _load(directory: Path, text: str) -> Any:
    path = directory / "settings.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    return load(path, {}, SERVICES, RELEASES)
