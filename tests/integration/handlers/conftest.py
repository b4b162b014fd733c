"""A bare box with what all cases stand on: Open vSwitch, the health program, the containers' network, MariaDB."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources as package_files

import pytest

from hotstack_os.box import Box
from hotstack_os.catalogue import keystone
from hotstack_os.catalogue.context import Choice, Context, Facts
from hotstack_os.catalogue.images import IMAGES
from hotstack_os.catalogue.infrastructure import CACHE, MARIADB
from hotstack_os.catalogue.resolve import directories, make_context, render
from hotstack_os.core.plan import Action
from hotstack_os.deploy.machine import box_spec
from hotstack_os.exec import Command, Host
from hotstack_os.health.probes import probe_file
from hotstack_os.images import builder, lock, sources
from hotstack_os.images.bases import BOX, SUITE
from hotstack_os.images.rootfs import build_rootfs
from hotstack_os.images.store import Store
from hotstack_os.runtime import quadlet, services
from hotstack_os.runtime.quadlet import Container
from hotstack_os.settings.cloud import Cloud
from hotstack_os.settings.loading import load
from hotstack_os.settings.secrets import Vault
from integration.handlers.cases import KEY, NODE, NOTHING, Case, make_cases


@dataclass(frozen=True)
class Place:
    """A node with everything that the cases need."""

    host: Host
    cases: dict[str, Case]

    def sh(self, line: str) -> str:
        """What others do on the node."""
        return self.host.run(Command(("sh", "-c", line), line)).stdout


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Cloud:
    if os.geteuid() != 0:
        pytest.skip("a box needs root")
    caches = {name: os.environ[name] for name in ("HOTSTACK_CACHE_DIR",) if name in os.environ}
    state = {"HOTSTACK_STATE_DIR": str(tmp_path_factory.mktemp("clouds")), "HOTSTACK_NAME": "contract"}
    cloud = load(None, {**caches, **state}, {})
    cloud.state.mkdir()
    return cloud


@pytest.fixture(scope="session")
def images(cloud: Cloud) -> dict[str, str]:
    """References of the images that the cases run; what is missing in the machine's cache is built."""
    store = Store(cloud.cache)
    store.prepare()
    with store.locked():
        build_rootfs(store, BOX, sources.debian_sources(SUITE))
    by_name = {image.name: image for image in IMAGES}
    wanted, todo = {}, ["memcached", "mariadb"]
    while todo:
        image = by_name[todo.pop()]
        wanted[image.name] = image
        todo += [image.parent] if image.parent else []
    chosen = [image for image in IMAGES if image.name in wanted]
    return dict(builder.build_images(chosen, lock.load(cloud.release), store))


@pytest.fixture(scope="session")
def context(cloud: Cloud) -> Context:
    vault = Vault.open(cloud.state)
    facts = Facts(NODE, 1, Choice("netdev", "a test"), Choice("qemu", "a test"), ())
    # The health program is told where it gets a token, whether or not it needs one here.
    return make_context(cloud, facts, (MARIADB, CACHE, keystone.COMPONENT), vault.secret, vault.fernet)


@pytest.fixture(scope="session")
def place(cloud: Cloud, images: dict[str, str], context: Context) -> Iterator[Place]:
    box = Box(box_spec(cloud))
    box.create()
    box.boot()
    host = box.host()
    place = Place(host, make_cases(context, images))
    place.sh("systemctl start openvswitch-switch")
    _furnish(host, context)
    _start_mariadb(host, context, images["mariadb"])
    yield place
    host.close()
    box.remove()


def _furnish(host: Host, context: Context) -> None:
    every = {each.name: each for component in (MARIADB, CACHE) for each in component.services}
    health = package_files.files("hotstack_os.node").joinpath("health.py").read_text()
    for directory in ("/etc/hotstack-os", "/usr/lib/hotstack-os", quadlet.NETWORKS, quadlet.QUADLETS):
        host.make_directory(directory, mode=0o755)
    for each in directories(CACHE, context):
        host.make_directory(each.path, mode=each.mode, owner=each.owner, group=each.group)
    host.write(quadlet.HEALTH, health, mode=0o755)
    host.write("/etc/hotstack-os/health.json", probe_file(every, context), mode=0o600)
    host.write(f"{quadlet.NETWORKS}/{quadlet.NETWORK}.json", quadlet.network_text(context), mode=0o644)


def _start_mariadb(host: Host, context: Context, image: str) -> None:
    service = MARIADB.services[0]
    for each in directories(MARIADB, context):
        host.make_directory(each.path, mode=each.mode, owner=each.owner, group=each.group)
    host.make_directory("/run/hotstack-os/mariadb", mode=0o755, owner=str(service.uid), group=str(service.uid))
    rendered = render(service, context)
    wanted = {"mariadb": Container(service, image, rendered.public, rendered.secret, "", context)}
    started = services.resource(wanted["mariadb"], NODE, NOTHING)
    services.ServiceHandler(host, wanted, KEY).apply(Action("create", started, None, ()))
