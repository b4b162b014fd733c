"""A node of a whole cloud, rendered without any machine: made-up facts, secrets that show their names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hotstack_os.catalogue import (
    cinder,
    glance,
    heat,
    infrastructure,
    keystone,
    neutron,
    nova,
    ovn,
    placement,
)
from hotstack_os.catalogue.context import Choice, Context, Facts
from hotstack_os.catalogue.images import IMAGES
from hotstack_os.catalogue.resolve import make_context
from hotstack_os.catalogue.spec import Component, Service
from hotstack_os.deploy.node import Node, make_node
from hotstack_os.hidden import Hidden
from hotstack_os.settings.cloud import Cloud
from hotstack_os.settings.loading import assemble
from hotstack_os.settings.schema import Settings

KEY = b"key of the tests"
COMPONENTS: tuple[Component, ...] = (
    *infrastructure.COMPONENTS,
    keystone.COMPONENT,
    glance.COMPONENT,
    placement.COMPONENT,
    nova.COMPONENT,
    ovn.COMPONENT,
    neutron.COMPONENT,
    cinder.COMPONENT,
    heat.COMPONENT,
)
COMPUTE: tuple[Service, ...] = (
    *nova.COMPUTE_SERVICES,
    *nova.FAKE_COMPUTE.services,
    *ovn.COMPUTE_SERVICES,
    *neutron.COMPUTE_SERVICES,
)


def secret(name: str) -> Hidden:
    """A secret whose text is its name in brackets."""
    return Hidden(f"<{name}>", KEY)


def cloud(**settings: Any) -> Cloud:
    """A cloud with these settings, as a settings file would give them: cloud(networks={"mtu": 9000})."""
    return assemble(Settings.model_validate(settings), Path("/state"), Path("/cache"))


def context(components: tuple[Component, ...] = COMPONENTS, **settings: Any) -> Context:
    """The context of a cloud with these settings."""
    facts = Facts("node1", 2, Choice("netdev", "made up"), Choice("qemu", "made up"), ("192.0.2.53",))
    return make_context(cloud(**settings), facts, components, secret, secret)


def node(**settings: Any) -> Node:
    """A node with everything but the compute services."""
    return _node(COMPONENTS, **settings)


def compute_node(**settings: Any) -> Node:
    """A node with the compute services too."""
    return _node((*COMPONENTS, Component("compute", COMPUTE, ovn.COMPUTE_DIRECTORIES)), **settings)


def _node(components: tuple[Component, ...], **settings: Any) -> Node:
    images = {image.name: f"localhost/hotstack-os/{image.name}:tag" for image in IMAGES}
    return make_node(context(components, **settings), components, images, lambda _, project: (f"{project} head",), KEY)
