"""Every file of every service as it was last looked at by a human; UPDATE_GOLDEN=1 writes what is rendered now."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from hotstack_os.runtime import quadlet
from unit.catalogue import world

GOLDEN = Path(__file__).parents[2] / "golden" / "services"
CONTAINERS = dict(world.compute_node().containers)
OURS = [service.name for component in world.COMPONENTS for service in component.services]
OURS += [service.name for service in world.COMPUTE]


def rendered(name: str) -> Mapping[str, str]:
    """File name below the golden directory of a service → text; digests in names are left out."""
    container = CONTAINERS[name]
    files = {quadlet.flat(path): text for path, text in container.files.items()}
    files |= {quadlet.flat(path): hidden.reveal() for path, hidden in container.secrets.items()}
    unit = quadlet.text(container)
    for root in (container.config_root, container.secrets_root):
        unit = unit.replace(root, f"{root.rpartition('/')[0]}/DIGEST")
    return {**files, f"hotstack-os-{name}.container": unit}


@pytest.mark.parametrize("name", OURS)
def test_files_of_a_service(name: str) -> None:
    directory = GOLDEN / name
    files = rendered(name)
    if os.environ.get("UPDATE_GOLDEN"):
        directory.mkdir(parents=True, exist_ok=True)
        for old in directory.iterdir():
            old.unlink()
        for file, text in files.items():
            (directory / file).write_text(text)
    assert files == {path.name: path.read_text() for path in directory.iterdir()}


def test_no_other_service_has_golden_files() -> None:
    assert {path.name for path in GOLDEN.iterdir()} == set(OURS)


@pytest.mark.parametrize("name", OURS)
def test_secrets_are_in_secret_files_only(name: str) -> None:
    container = CONTAINERS[name]
    shown = "\n".join([*container.files.values(), quadlet.labelled(container)])
    kinds = ("database", "rabbitmq", "keystone", "nova", "heat", "cache", "token-cache")
    assert not [kind for kind in kinds if f"<{kind}-" in shown]


def test_secrets_of_an_api_are_where_its_project_reads_them() -> None:
    secrets = CONTAINERS["nova-api"].secrets
    assert list(secrets) == ["/etc/nova/nova.conf.d/secrets.conf", "/etc/hotstack/cache.key"]
    assert "<database-nova>" in secrets["/etc/nova/nova.conf.d/secrets.conf"].reveal()
