"""What the settings are, told from the models: the reference page, the JSON schema, and one key at a time."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hotstack_os.settings.environment import BY_KEY, HOMES, STATE, Home
from hotstack_os.settings.keys import KEYS, Key, find, nearest
from hotstack_os.settings.loading import assemble
from hotstack_os.settings.problems import UnknownKey, dotted
from hotstack_os.settings.schema import Settings
from hotstack_os.settings.takes import Takes
from hotstack_os.settings.text import as_yaml

_EXAMPLE: dict[str, Any] = {
    "services": {
        "nova-compute": {"config": {"libvirt": {"virt_type": "qemu"}, "DEFAULT": {"cpu_allocation_ratio": 4.0}}},
        "neutron-server": {"workers": 2, "threads": 4},
        "keystone": {"config": {"token": {"expiration": 7200}, "uwsgi": {"harakiri": 120}}},
    },
    "nodes": {"compute-1": {"address": "172.31.0.254"}},
    "dns_servers": ["192.0.2.53"],
    "mirrors": {"debian": "https://mirror.example.org/debian"},
    "content": {
        "roles": ["member", "heat_stack_owner"],
        "images": {
            "debian-13": {
                "url": "https://images.example.org/debian-13-generic-amd64.qcow2",
                "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
                "properties": {"hw_machine_type": "q35"},
            },
            "appliance": {"file": "/srv/images/appliance.raw", "disk-format": "raw", "visibility": "shared"},
        },
        "key": {"file": "/root/.ssh/id_ed25519.pub"},
    },
}

_INTRODUCTION = """\
# Configuration

This page is generated from the program; `hotstack-os settings explain KEY` tells the same of one key.

A cloud is described by one YAML file. Every key may be left out; an empty file is a complete cloud. Environment
variables stand above the file, and one that is set to nothing counts as not set. Everything is checked before anything
is touched, and all mistakes are told at once, each with its file, line and key.

Values are read as YAML 1.2 reads them: `true` and `false` are truth values, while `yes`, `no`, `on`, `off`, `0777` and
`1:30` are texts. A number that is not in its shortest form (`1.10`) stays the text that it is. Anchors, aliases and
tags are refused, and so is a key that comes twice. A key without a value counts as left out.
"""

_RULES = """\
## What must fit together

* The two networks do not overlap, have no host bits, and stay clear of the private network of the cloud's content
  (`content.networks.private.cidr`); `containers` is a /26 or larger, `provider` a /28 or larger.
* The gateway lies in the provider network and outside the pool of floating IPs, which has at least 4 addresses.
* The DNS address lies in one of the two networks and is nobody else's. It is on the bridge hot-ex in either case.
* Ports are different from each other and from what else listens on the gateway (22, 53, 5672, 6641, 6642; with
  further nodes 8022 and 16509 too).
* Paths are absolute, made of letters, digits and `. _ + - /`, and are not directories of the system. The directories
  for instances, volumes and mounts do not hold each other nor the data directory.
* Further nodes need the target box, volumes below `/var/lib/hotstack-os`, names other than the cloud's, and addresses
  of the provider network that are nobody else's. A node keeps its address when others come and go if it is written.
* Options in `services` are laid over what this program would write, and win, also over `workers` and `threads` of
  another name; both at once are refused where they are the same option. What the rest of the cloud relies on is the
  program's own. They are shown and recorded in clear: no place for passwords.
* An image has either a file or a URL; a URL needs its checksum. Names of networks, subnets, images, users and projects
  are different from each other and from those that the cloud itself has.
* Flavors that are given take the place of all default ones; what is taken out of the settings is removed by `up`.
"""


_SERVICES = """\
## What services take

`services.SERVICE.config` has a section for each group of options. OpenStack's services take any section of their file;
uWSGI, which serves their APIs, has one of its own, and so has each program that reads no sections or gets its options
on its command line: `{memcached: {config: {memcached: {memory-limit: 128}}}}`. Numbers become the option named here.
Anything else is refused. Whether an option exists, the program itself knows; OpenStack's pass over those that do not.
"""


def markdown(services: Mapping[str, Takes]) -> str:
    """The text of docs/CONFIGURATION.md; `services` is what each of them takes."""
    rows = [_row(key) for key in KEYS if not key.children and key.description and "PLACE" not in key.route]
    table = ["| key | value | default | environment variable | what it is for |", "|---|---|---|---|---|", *rows]
    homes = ["| environment variable | default | what it is for |", "|---|---|---|", *map(_home_row, HOMES)]
    return "\n".join(
        [
            _INTRODUCTION,
            "## Keys\n",
            *table,
            "\n## Directories of the program itself\n",
            "These are directories of the machine on which `hotstack-os` runs, and no part of a cloud's file.\n",
            *homes,
            "",
            _SERVICES,
            *_services(services),
            "",
            _RULES,
            "## A file with everything in it\n",
            "All keys with their defaults, and examples of those that have none.\n",
            f"```yaml\n{example()}```\n",
        ]
    )


def example() -> str:
    """A settings file with every key in it."""
    cloud = assemble(Settings.model_validate(_EXAMPLE), STATE.default / "hotstack-os", Path(os.devnull))
    return as_yaml(cloud)


def json_schema() -> dict[str, Any]:
    """The JSON schema (2020-12) of the settings file, for editors. Rules between keys are not in it."""
    schema = Settings.model_json_schema(by_alias=True, mode="validation")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def explain(key: str, services: Mapping[str, Takes]) -> str:
    """One key (`networks.mtu`, `services.nova-api.workers`) or environment variable, in a few lines."""
    for home in HOMES:
        if home.variable == key:
            return f"{key}\n  {home.description}\n  value: an absolute path\n  default: {home.default}"
    named = [dotted for dotted, variable in BY_KEY.items() if variable.name == key]
    route = tuple((named or [key])[0].split("."))
    found = find(route)
    if found is None or not found.route:
        raise UnknownKey("a key of the settings", repr(key), nearest(route))
    more = _taken(route[1], services[route[1]]) if route[0] == "services" and services.keys() & set(route[1:2]) else ()
    return "\n".join([_explained(found, dotted(route)), *more])


def _explained(key: Key, name: str) -> str:
    lines = [name, f"  {key.description}", f"  value: {key.kind}"]
    if not key.children:
        lines.append(f"  default: {key.default}")
    if key.variable:
        lines.append(f"  environment variable: {key.variable}")
    return "\n".join(lines)


def _taken(name: str, takes: Takes) -> Iterator[str]:
    """What a service takes, in lines."""
    yield f"  {name} takes options in {takes.options.replace('`', '')}"
    for which, becomes in (("workers", takes.workers), ("threads", takes.threads)):
        yield f"  {which}: {f'the option {becomes}' if becomes else 'not taken'}"
    if own := ", ".join(takes.reserved()):
        yield f"  the program's own: {own}"


def _services(services: Mapping[str, Takes]) -> Iterator[str]:
    yield "| service | options in | `workers` | `threads` |"
    yield "|---|---|---|---|"
    for name, takes in services.items():
        numbers = (f"`{each}`" if each else "no" for each in (takes.workers, takes.threads))
        yield f"| `{name}` | {' | '.join([takes.options, *numbers])} |"
    yield "\nThe program's own, which the rest of the cloud relies on:\n"
    found: dict[tuple[str, tuple[str, ...]], None] = {}
    for takes in services.values():
        found |= dict.fromkeys((section, tuple(options)) for section, options in takes.own.items())
    for own in dict.fromkeys(options for _, options in found):
        sections = [section for section, options in found if options == own]
        yield f"* in {', '.join(f'`{each}`' for each in sections)}: {', '.join(own)}"


def _row(key: Key) -> str:
    variable = f"`{key.variable}`" if key.variable else ""
    default = key.default if " " in key.default and key.default[0] != "[" else f"`{key.default}`"
    default = "" if key.default == "nothing" else default
    cells = (f"`{dotted(key.route)}`", key.kind, default, variable, key.description)
    return f"| {' | '.join(cells)} |".replace("  ", " ")


def _home_row(home: Home) -> str:
    return f"| `{home.variable}` | `{home.default}` | {home.description} |"
