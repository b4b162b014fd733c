"""The one list of what a cloud consists of, and the questions that are asked of all of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

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
from hotstack_os.catalogue.spec import Api, Component, Directory, Service


def _with_compute(
    component: Component, services: tuple[Service, ...], directories: tuple[Directory, ...] = ()
) -> Component:
    """A component on a node that also runs servers."""
    return replace(component, services=component.services + services, directories=component.directories + directories)


COMPONENTS: tuple[Component, ...] = (
    *infrastructure.COMPONENTS,
    keystone.COMPONENT,
    glance.COMPONENT,
    placement.COMPONENT,
    _with_compute(ovn.COMPONENT, ovn.COMPUTE_SERVICES),
    _with_compute(neutron.COMPONENT, neutron.COMPUTE_SERVICES, neutron.COMPUTE_DIRECTORIES),
    _with_compute(nova.COMPONENT, nova.COMPUTE_SERVICES, nova.COMPUTE_DIRECTORIES),
    cinder.COMPONENT,
    heat.COMPONENT,
)


def services() -> dict[str, Service]:
    """Every service by name, in the order of the catalogue."""
    return {service.name: service for component in COMPONENTS for service in component.services}


def apis() -> Iterator[tuple[Service, Api]]:
    """Every service that HAProxy stands in front of, with its frontend."""
    return ((service, service.api) for service in services().values() if service.api)
