from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from hotstack_os.catalogue import registry
from hotstack_os.settings import documentation
from hotstack_os.settings.environment import HOMES, VARIABLES
from hotstack_os.settings.keys import KEYS, find
from hotstack_os.settings.problems import UnknownKey, dotted
from hotstack_os.settings.text import as_settings
from unit.settings.world import Load

CHOSEN = {"SERVICE", "NODE", "FLAVOR", "IMAGE", "PLACE"}
"""Words that stand for what the user chooses."""

PAGE = Path(__file__).parents[3] / "docs" / "CONFIGURATION.md"


def test_the_page_in_the_repository_is_the_generated_one() -> None:
    regenerate = (
        "PYTHONPATH=src python -c 'from hotstack_os.catalogue import registry; "
        'from hotstack_os.settings.documentation import markdown; print(markdown(registry.takes()), end="")\''
    )
    assert PAGE.read_text() == documentation.markdown(registry.takes()), f"{regenerate} > docs/CONFIGURATION.md"


def test_every_key_and_variable_is_on_the_page() -> None:
    page = documentation.markdown(registry.takes())
    for key in KEYS:
        if not key.children and "PLACE" not in key.route:
            assert f"| `{dotted(key.route)}` |" in page
    for variable in VARIABLES:
        assert f"`{variable.name}`" in page
    for home in HOMES:
        assert f"`{home.variable}` | `{home.default}`" in page


def test_the_example_loads_and_has_every_key(load_text: Load) -> None:
    data = yaml.safe_load(documentation.example())
    assert as_settings(load_text(documentation.example())) == data
    for key in KEYS:
        if not key.children and not CHOSEN & set(key.route):
            inner = data
            for part in key.route:
                inner = inner[part]


def test_the_defaults_on_the_page_are_those_of_the_program(load_text: Load) -> None:
    plain = as_settings(load_text(""))
    for key in KEYS:
        value = plain
        for part in key.route:
            value = value.get(part, {}) if isinstance(value, dict) else {}
        if value and not isinstance(value, dict) and " " not in key.default and "DATA" not in key.default:
            assert (str(value).lower() if isinstance(value, bool) else str(value)) == key.default


def test_every_key_has_a_kind_and_a_description() -> None:
    assert [key for key in KEYS if not (key.kind and key.description and key.default)] == []


@pytest.mark.parametrize(
    ("key", "lines"),
    [
        ("networks.mtu", ["  value: a whole number from 1280 to 9216", "  default: 1500",
                          "  environment variable: GLOBAL_PHYSNET_MTU"]),
        ("GLOBAL_PHYSNET_MTU", ["  default: 1500"]),
        ("services.nova-api.workers", ["  value: a whole number from 1 to 64"]),
        ("services.nova-api.config.DEFAULT.debug", ["  value: a text, a number, true or false"]),
        ("services.memcached.config", ["  memcached takes options in memcached", "  workers: not taken",
                                       "  threads: the option memcached.threads"]),
        ("services.glance", ["  glance takes options in any section of its file and of uwsgi"]),
        ("paths", ["  value: a mapping with keys from data, instances, volumes, mounts"]),
        ("HOTSTACK_CACHE_DIR", ["  default: /var/cache/hotstack-os"]),
    ],
)  # fmt: skip
def test_a_key_is_explained(key: str, lines: list[str]) -> None:
    text = documentation.explain(key, registry.takes()).splitlines()
    assert [line for line in lines if line not in text] == []


@pytest.mark.parametrize(
    ("key", "hint"),
    [("networks.mtuu", "Did you mean mtu?"), ("mtu", "Did you mean networks.mtu?"), ("", "Known here: name, target")],
)
def test_an_unknown_key_is_refused_with_a_near_one(key: str, hint: str) -> None:
    with pytest.raises(UnknownKey) as caught:
        documentation.explain(key, registry.takes())
    assert caught.value.hint.startswith(hint)


def test_the_json_schema_has_every_key_with_its_description() -> None:
    schema = documentation.json_schema()
    assert schema["$schema"].startswith("https://json-schema.org/")
    for key in KEYS:
        if not CHOSEN & set(key.route):
            assert _at(schema, key.route)


def test_the_json_schema_refuses_unknown_keys_everywhere() -> None:
    schema = documentation.json_schema()
    objects = [schema, *schema["$defs"].values()]
    assert len(objects) == 17
    assert all(part["additionalProperties"] is False for part in objects)


def test_a_route_finds_its_key() -> None:
    assert find(("services", "x", "threads")) is not None
    assert find(("services", "x", "theads")) is None
    assert find(("networks",)) is not find(("networks", "mtu"))


def _at(schema: dict[str, Any], route: tuple[str, ...]) -> object:
    part: dict[str, Any] = schema
    for name in route:
        part = schema["$defs"][part["$ref"].rpartition("/")[2]] if "$ref" in part else part
        part = part["properties"][name]
    return part.get("description") or part.get("$ref")
