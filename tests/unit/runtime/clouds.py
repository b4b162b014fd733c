"""A context for tests of units: the default cloud with a few services."""

from __future__ import annotations

from hotstack_os.catalogue import resolve
from hotstack_os.catalogue.context import Choice, Context, Facts
from hotstack_os.catalogue.spec import Component, Service
from hotstack_os.hidden import Hidden
from hotstack_os.settings.loading import load


def make_context(*services: Service) -> Context:
    cloud = load(None, {}, {})
    facts = Facts("node", 2, Choice("netdev", "a test"), Choice("qemu", "a test"), ())

    def secret(name: str) -> Hidden:
        return Hidden(f"canary-{name}", b"key")

    return resolve.make_context(cloud, facts, [Component("test", services)], secret, secret)
