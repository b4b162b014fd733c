"""Tempest against a cloud: what it needs is made, it runs in the clients' door, and what it needed goes again."""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Any

from hotstack_os import interrupt
from hotstack_os.catalogue.context import Context
from hotstack_os.content import flavors, images
from hotstack_os.content.api import Api
from hotstack_os.content.credential import write_secret
from hotstack_os.core.model import Ref, Resource
from hotstack_os.core.plan import Action, Verb
from hotstack_os.deploy.machine import LocalMachine, Machine, machine_of, node_of
from hotstack_os.deploy.places import administrator, known_context
from hotstack_os.errors import HotstackError
from hotstack_os.exec import Command, Host, run_here, wait
from hotstack_os.exec.stream import lines
from hotstack_os.images import lock
from hotstack_os.images.guest import guest_path
from hotstack_os.images.store import Store
from hotstack_os.settings.cloud import Cloud
from hotstack_os.settings.content import Flavor, ImageSource
from hotstack_os.tempest import environment
from hotstack_os.tempest.conf import Microversions, Places, Seen, tempest_conf
from hotstack_os.tempest.outcomes import Outcome, outcome

ALTERNATE = "alternate-for-tempest"
"""The name of the second flavor and of the second image, which are there while Tempest runs."""
PREFIX = "tempest-"
"""How Tempest calls everything that it makes (resource_name_prefix)."""
CLEANING_SECONDS, DELETING_SECONDS = 3600.0, 300.0
MORE_MEMORY = 64
"""MiB that the second flavor has more than the first."""
STESTR = "[DEFAULT]\ntest_path={}\ntop_dir={}\ngroup_regex=([^\\.]*\\.)*\n"
"""As `tempest init` writes it: tests of one class run in one process, one after the other."""
_NOWHERE = Ref("", "")


def directory(cloud: Cloud) -> Path:
    """Where tempest.conf, its log and the reports of the last run are."""
    return cloud.state / "tempest"


@dataclass(frozen=True)
class Bench:
    """Tempest, ready to run: its Python, its directory, the way into the cloud's network, and the cloud's APIs."""

    python: Path
    work: Path
    machine: Machine | LocalMachine
    api: Api

    def tests(self, patterns: Sequence[str]) -> tuple[str, ...]:
        """The full ids of the tests that there are; patterns as stestr takes them."""
        return tuple(said["test"] for said in self._say("list", *patterns) if "test" in said)

    def run(self, tests: Sequence[str], workers: int) -> Iterator[Outcome]:
        """What comes of each of these tests, as it ends; HotstackError when stestr itself fails."""
        load_list = self.work / "load-list"
        load_list.write_text("".join(f"{test}\n" for test in tests))
        yield from (outcome(said) for said in self._say("run", str(load_list), str(workers)) if "test" in said)

    def clean(self) -> None:
        """Remove what runs that were interrupted left in the cloud: everything whose name begins with `PREFIX`.

        Servers and volumes go first: `tempest cleanup` sees those of its own project only.
        """
        for kind in ("servers", "volumes"):
            for each in self._left(kind):
                self.api.send("DELETE", *self._path(kind, f"/{each}"))
            wait.until(partial(self._gone, kind), f"{kind} of tests to go", seconds=DELETING_SECONDS, step=1.0)
        argv = (str(self.python.with_name("tempest")), "cleanup", "--prefix", PREFIX)
        command = Command(
            self.machine.client_argv(argv),
            "remove what Tempest left",
            env=self._environment(),
            cwd=str(self.work),
            timeout=CLEANING_SECONDS,
        )
        run_here(command)

    def _gone(self, kind: str) -> bool:
        return not self._left(kind)

    def _left(self, kind: str) -> list[str]:
        api, path = self._path(kind, "/detail?all_tenants=1")
        return [each["id"] for each in self.api.get(api, path)[kind] if each["name"].startswith(PREFIX)]

    def _path(self, kind: str, rest: str) -> tuple[str, str]:
        if kind == "servers":
            return "compute", f"/servers{rest}"
        return "volume", f"/{self.api.keystone.project_id}/volumes{rest}"

    def _environment(self) -> dict[str, str]:
        return {"TEMPEST_CONFIG_DIR": str(self.work), "TEMPEST_CONFIG": "tempest.conf"}

    def _say(self, *words: str) -> Iterator[Mapping[str, Any]]:
        program = self.work / "stream.py"
        argv = self.machine.client_argv((str(self.python), str(program), *words))
        command = Command(argv, "run Tempest", env=self._environment(), cwd=str(self.work))
        with lines(command, follows=True) as said:  # it tells of each test itself
            for line in said:
                yield json.loads(line)


@contextmanager
def bench(cloud: Cloud, say: Callable[[str], None]) -> Iterator[Bench]:
    """Tempest for a cloud that runs; while the block lasts, the cloud has the things that tests need beside content."""
    if not (cloud.content.enabled and cloud.content.test_image):
        hint = "Set content.enabled and content.test-image.enabled."
        raise HotstackError("a cloud with a test image", "that its settings want none", hint)
    if not guest_path(Store(cloud.cache)).is_file():
        raise HotstackError("the test image of this version", "that it was not built", "Run hotstack-os up.")
    say("environment")
    python = environment.python(lock.directory() / "tempest.lock", cloud.cache)
    machine = machine_of(cloud)
    with node_of(cloud) as host, _alone(cloud), _asked(cloud, host, machine) as (context, seen, api):
        yield Bench(python, _prepare(cloud, context, seen, python), machine, api)


@contextmanager
def _alone(cloud: Cloud) -> Iterator[None]:
    """One run at a time: they share a directory, and the things that are made for them."""
    work = directory(cloud)
    work.mkdir(mode=0o700, exist_ok=True)
    with (work / "lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise HotstackError("to run Tempest", "that it runs already", "Wait until it is done.") from None
        yield


@contextmanager
def _asked(cloud: Cloud, host: Host, machine: Machine | LocalMachine) -> Iterator[tuple[Context, Seen, Api]]:
    context = known_context(cloud)
    api = administrator(context, host)
    things = _alternates(cloud, api, machine)
    for each in things:
        each("create")
    try:
        yield context, look(cloud, api), api
    finally:
        with interrupt.cleaning("removing what was made for the tests"):
            for each in things:
                each("remove")


def _alternates(cloud: Cloud, api: Api, machine: Machine | LocalMachine) -> list[Callable[[Verb], None]]:
    """The second flavor and the second image: what makes them and takes them away."""
    path = guest_path(Store(cloud.cache))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    size = cloud.content.flavors[_smallest(cloud)]
    flavor = flavors.flavor(ALTERNATE, replace(size, ram=size.ram + MORE_MEMORY), "", frozenset(), _NOWHERE)
    image = images.image(ALTERNATE, ImageSource(None, None, None), digest, "", frozenset(), _NOWHERE)
    sizes = flavors.FlavorHandler(api)
    bytes_of = {ALTERNATE: images.Bytes(digest, path)}
    copies = images.ImageHandler(api, bytes_of, machine.client_argv, cloud.cache)

    def doing(apply: Callable[[Action], None], thing: Resource) -> Callable[[Verb], None]:
        return lambda verb: apply(Action(verb, thing, None, ()))

    return [doing(sizes.apply, flavor), doing(copies.apply, image)]


def _smallest(cloud: Cloud) -> str:
    def size(name: str) -> tuple[int, int, int]:
        flavor: Flavor = cloud.content.flavors[name]
        return flavor.ram, flavor.vcpus, flavor.disk

    return min(cloud.content.flavors, key=size)


def look(cloud: Cloud, api: Api) -> Seen:
    """What the cloud has, by asking its APIs."""
    wanted = cloud.content
    flavor = {each["name"]: each["id"] for each in api.get("compute", "/flavors")["flavors"]}
    public = wanted.networks.public.network
    (network,) = api.get("network", f"/networks?router:external=True&name={public}")["networks"]
    hypervisors = api.get("compute", "/os-hypervisors/detail")["hypervisors"]
    volume = f"/{api.keystone.project_id}/extensions"
    return Seen(
        images=(_image(api, str(wanted.test_image)), _image(api, ALTERNATE)),
        flavors=(_there(flavor, _smallest(cloud)), flavor[ALTERNATE]),
        public_network=(network["id"], public),
        extensions=_aliases(api.get("network", "/extensions")),
        volume_extensions=_aliases(api.get("volume", volume)),
        compute=_spoken(api.get("compute", "/")["version"]),
        volume=_spoken(api.get("volume", "/")["versions"][0]),
        placement=_spoken(api.get("placement", "/")["versions"][0]),
        hypervisor=hypervisors[0]["hypervisor_type"],
    )


def _there(flavor: Mapping[str, str], name: str) -> str:
    if name not in flavor:
        raise HotstackError(f"the flavor {name} of the settings", "no such flavor", "Run hotstack-os up.")
    return flavor[name]


def _image(api: Api, name: str) -> str:
    return str(api.get("image", f"/images?name={name}&sort=created_at:desc")["images"][0]["id"])


def _aliases(answer: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(sorted(each["alias"] for each in answer["extensions"]))


def _spoken(said: Mapping[str, str]) -> Microversions:
    return Microversions(said["min_version"], said.get("max_version") or said["version"])


def _prepare(cloud: Cloud, context: Context, seen: Seen, python: Path) -> Path:
    """The directory of the run, made anew but for stestr's records of earlier ones."""
    work = directory(cloud)
    shutil.rmtree(work / "locks", ignore_errors=True)
    (work / "tempest.log").unlink(missing_ok=True)
    (work / "stream.py").write_text(resources.files("hotstack_os.tempest").joinpath("files/stream.py").read_text())
    (package,) = python.parents[1].glob("lib/python*/site-packages")
    (work / ".stestr.conf").write_text(STESTR.format(package / "tempest/test_discover", package / "tempest"))
    places = Places(work, guest_path(Store(cloud.cache)))
    write_secret(work / "tempest.conf", tempest_conf(context, seen, places))
    return work
