"""Which services a verb is about, and verbs that do one thing to them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence

from hotstack_os.cli.common import add_node_argument, existing_cloud
from hotstack_os.errors import UsageError
from hotstack_os.exec import Host
from hotstack_os.settings.cloud import Cloud

Act = Callable[[Host, Sequence[str]], None]
"""Does something to these services of a node."""


def add_services_argument(parser: argparse.ArgumentParser, why: str) -> None:
    """SERVICE…"""
    add_node_argument(parser)
    parser.add_argument("services", nargs="*", metavar="SERVICE", help=why)


def chosen(names: Sequence[str], known: Iterable[str]) -> tuple[str, ...]:
    """The services of these names, each once, in the order of the catalogue; all wrong names are told at once."""
    from hotstack_os.settings.problems import closest  # noqa: PLC0415

    catalogue = tuple(known)
    unknown = [name for name in dict.fromkeys(names) if name not in catalogue]
    if unknown:
        near = (closest(name, catalogue) for name in unknown)
        hint = " ".join(each for each in near if each) or f"Services: {', '.join(catalogue)}."
        raise UsageError("names of services", ", ".join(repr(name) for name in unknown), hint)
    return tuple(name for name in catalogue if name in names)


def known_services(cloud: Cloud | None = None) -> tuple[str, ...]:
    """Every service of a cloud in the order of the catalogue; without a cloud, all that there can be."""
    from hotstack_os.catalogue import registry  # noqa: PLC0415

    return tuple(registry.services(cloud))


def carry_out(arguments: argparse.Namespace, some: Act, everything: Act, done: str, *, first_last: bool) -> int:
    """Do `some` to the services of a node that were named, or `everything` to all of them on each node.

    Nobody else changes the cloud meanwhile. `first_last` is for what others need the first node for.
    """
    from hotstack_os.deploy import members  # noqa: PLC0415
    from hotstack_os.deploy.lock import held  # noqa: PLC0415
    from hotstack_os.deploy.machine import node_of  # noqa: PLC0415

    cloud = existing_cloud(arguments)
    every = members.nodes(cloud)
    node = members.named(every, arguments.node)
    services = chosen(arguments.services, members.services(cloud, node))
    meant = (node,) if services or arguments.node else every[::-1] if first_last else every
    with node_of(cloud), held(cloud, arguments.verb):
        for each in meant:
            if each != node and not members.runs(cloud, each):
                print(f"The node {each} does not run: left as it is.", file=sys.stderr)
                continue
            with members.way_to(cloud, each) as host:
                if services:
                    some(host, services)
                else:
                    everything(host, members.services(cloud, each))
    print(f"{', '.join(services) or 'All services'}: {done}.")
    return 0
