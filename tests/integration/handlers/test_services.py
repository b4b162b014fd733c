"""What a service made outside of its container goes as it was made, whatever the catalogue says by then."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hotstack_os.catalogue.context import Context
from hotstack_os.catalogue.infrastructure import CACHE
from hotstack_os.catalogue.resolve import render
from hotstack_os.core.model import Ref, Resource
from hotstack_os.core.plan import Action
from hotstack_os.runtime import quadlet, services
from hotstack_os.runtime.quadlet import Container
from integration.handlers.cases import KEY, NODE, NOTHING
from integration.handlers.conftest import Place

WRITTEN, TODAY = "/srv/as-it-was-started", "/srv/as-of-today"
REMOVE = Action("remove", Resource(Ref(services.KIND, "memcached", NODE)), None, ("no longer wanted",))


def container(context: Context, images: dict[str, str], removal: tuple[str, ...]) -> Container:
    service = replace(CACHE.services[0], removal=removal)
    rendered = render(service, context)
    return Container(service, images["memcached"], rendered.public, rendered.secret, "", context)


def start(place: Place, wanted: Container) -> None:
    resource = services.resource(wanted, NODE, NOTHING)
    services.ServiceHandler(place.host, {"memcached": wanted}, KEY).apply(Action("create", resource, None, ()))


@pytest.mark.parametrize("known", [True, False], ids=["in the catalogue, with another removal", "not in the catalogue"])
def test_a_service_is_removed_by_what_it_was_started_with(
    place: Place, context: Context, images: dict[str, str], known: bool
) -> None:
    start(place, container(context, images, ("touch", WRITTEN)))
    left = {"memcached": container(context, images, ("touch", TODAY))} if known else {}
    services.ServiceHandler(place.host, left, KEY).apply(REMOVE)
    found = place.host.stat([WRITTEN, TODAY, f"{quadlet.REMOVALS}/memcached.json"])
    assert [path for path, stat in found.items() if stat] == [WRITTEN]
    place.sh(f"rm {WRITTEN}")


def test_one_of_an_earlier_revision_is_removed_by_the_catalogue(
    place: Place, context: Context, images: dict[str, str]
) -> None:
    wanted = container(context, images, ("touch", TODAY))
    start(place, wanted)
    place.sh(f"rm {quadlet.REMOVALS}/memcached.json")
    services.ServiceHandler(place.host, {"memcached": wanted}, KEY).apply(REMOVE)
    place.sh(f"rm {TODAY}")


def test_a_stray_file_among_the_configurations_goes_with_them(
    place: Place, context: Context, images: dict[str, str]
) -> None:
    wanted = container(context, images, ())
    place.sh(f"mkdir -p {quadlet.CONFIG}/memcached; echo stray > {quadlet.CONFIG}/memcached/stray")
    start(place, wanted)
    assert not place.host.stat([f"{quadlet.CONFIG}/memcached/stray"])[f"{quadlet.CONFIG}/memcached/stray"]
    services.ServiceHandler(place.host, {"memcached": wanted}, KEY).apply(REMOVE)
