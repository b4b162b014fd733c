"""Keys and files by which servers move between nodes."""

from __future__ import annotations

import base64
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_ssh_public_key,
)

from hotstack_os.catalogue import migration, nova, resolve
from hotstack_os.catalogue.context import Context
from hotstack_os.hidden import Hidden
from unit.catalogue import world


@pytest.fixture
def context() -> Context:
    seed = base64.urlsafe_b64encode(bytes(range(32))).decode()
    several = world.context(nodes={"compute-1": {}})
    return replace(several, fernet=lambda name: Hidden(seed if name.endswith("host") else seed.swapcase(), b"key"))


def test_both_halves_of_a_key_belong_together_and_are_the_same_each_time(context: Context) -> None:
    private = migration.private_key(context, "x-host")
    assert private == migration.private_key(context, "x-host")
    loaded = load_pem_private_key(private.reveal().encode(), None)
    public = load_ssh_public_key(migration.public_key(context, "x-host").encode())
    raw = (Encoding.Raw, PublicFormat.Raw)
    assert loaded.public_key().public_bytes(*raw) == public.public_bytes(*raw)
    assert private != migration.private_key(context, "x")


def test_each_side_knows_the_other_by_its_key(context: Context) -> None:
    (service,) = migration.COMPONENT.services
    there = resolve.render(service, context)
    compute = next(each for each in nova.COMPUTE_SERVICES if each.name == "nova-compute")
    here = resolve.render(compute, context)
    assert there.public["/etc/hotstack/migration/authorized_keys"].split()[0] == "ssh-ed25519"
    assert here.public["/etc/hotstack/migration/known_hosts"].startswith("* ssh-ed25519 ")
    assert set(there.secret) == {migration.HOST_KEY}
    assert migration.IDENTITY in here.secret
    assert there.secret[migration.HOST_KEY] != here.secret[migration.IDENTITY]
    assert "live_migration_inbound_addr = 172.31.0.129" in here.public["/etc/nova/nova.conf"]


def test_a_cloud_with_one_node_has_none_of_it() -> None:
    compute = next(each for each in nova.COMPUTE_SERVICES if each.name == "nova-compute")
    alone = resolve.render(compute, world.context())
    assert not any("migration" in path or "ssh" in path for path in {**alone.public, **alone.secret})
    assert "live_migration" not in alone.public["/etc/nova/nova.conf"]
