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
    migration,
    neutron,
    nova,
    ovn,
    placement,
    resolve,
)
from hotstack_os.catalogue.spec import Api, Component, Directory, Service
from hotstack_os.settings.cloud import Cloud
from hotstack_os.settings.takes import Takes


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
    _with_compute(ovn.COMPONENT, ovn.COMPUTE_SERVICES, ovn.COMPUTE_DIRECTORIES),
    _with_compute(neutron.COMPONENT, neutron.COMPUTE_SERVICES, neutron.COMPUTE_DIRECTORIES),
    _with_compute(nova.COMPONENT, nova.COMPUTE_SERVICES, nova.COMPUTE_DIRECTORIES),
    cinder.COMPONENT,
    heat.COMPONENT,
)


FURTHER: tuple[Component, ...] = (
    migration.COMPONENT,
    Component("ovn", ovn.COMPUTE_SERVICES, ovn.COMPUTE_DIRECTORIES),
    Component("neutron", neutron.COMPUTE_SERVICES, neutron.COMPUTE_DIRECTORIES),
    Component("nova", nova.COMPUTE_SERVICES, nova.COMPUTE_DIRECTORIES),
)
"""What a further node has: what is needed to run servers."""

BETWEEN: tuple[Component, ...] = (migration.COMPONENT,)
"""On every node where there are several."""

OPTIONAL: tuple[Component, ...] = (nova.FAKE_COMPUTE,)
"""Off by default: part of a cloud whose settings name one of their services."""


def components(cloud: Cloud | None = None) -> tuple[Component, ...]:
    """What a cloud consists of; without one, all that there can be."""
    if cloud is None:
        return COMPONENTS + BETWEEN + OPTIONAL
    asked = cloud.services.keys()
    chosen = tuple(each for each in OPTIONAL if asked & {service.name for service in each.services})
    return COMPONENTS + (BETWEEN if cloud.nodes else ()) + chosen


def services(cloud: Cloud | None = None) -> dict[str, Service]:
    """Every service of a cloud by name, in the order of the catalogue; without a cloud, all that there can be."""
    return {service.name: service for component in components(cloud) for service in component.services}


def takes() -> dict[str, Takes]:
    """What the settings may say of each service that there can be."""
    return {name: resolve.takes(service) for name, service in services().items()}


def further_services() -> dict[str, Service]:
    """Every service of a further node by name."""
    return {service.name: service for component in FURTHER for service in component.services}


def apis() -> Iterator[tuple[Service, Api]]:
    """Every service that HAProxy stands in front of, with its frontend."""
    return ((service, service.api) for service in services().values() if service.api)
