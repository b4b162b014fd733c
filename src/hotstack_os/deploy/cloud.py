"""Bring a cloud up, look at what would change, take it away. Each top-level function reads like a table of contents."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hotstack_os import __version__
from hotstack_os.catalogue import registry
from hotstack_os.catalogue.context import Choice, Facts
from hotstack_os.catalogue.images import IMAGES
from hotstack_os.catalogue.resolve import make_context
from hotstack_os.catalogue.spec import Image
from hotstack_os.core.apply import Step, converge, make_plan
from hotstack_os.core.generations import Generations
from hotstack_os.core.handler import World
from hotstack_os.core.journal import Journal
from hotstack_os.core.model import Absent, Observation, Ref, Resource
from hotstack_os.core.plan import Action, Plan
from hotstack_os.deploy import credentials, local, provisions, removal
from hotstack_os.deploy.desired import desired
from hotstack_os.deploy.inventory import facts_of, name_of, survey
from hotstack_os.deploy.lock import held
from hotstack_os.deploy.machine import LocalMachine, Machine, machine_of
from hotstack_os.deploy.node import Node, hosts_text, make_node
from hotstack_os.deploy.stages import Stages
from hotstack_os.deploy.world import make_world
from hotstack_os.images import builder, lock, sources
from hotstack_os.images.bases import BOX, SUITE
from hotstack_os.images.rootfs import build_rootfs, rootfs_path
from hotstack_os.images.store import Store
from hotstack_os.runtime.services import end_leftovers
from hotstack_os.settings.cloud import Cloud
from hotstack_os.settings.secrets import Vault
from hotstack_os.settings.text import as_yaml

BOOT_SECONDS = 600.0
"""A box counts as up when systemd has started everything: with a cloud in it that is all of its services."""
_UNSEEN = "no node to look at yet"
NOT_YET = Facts("node", 1, Choice("netdev", _UNSEEN), Choice("qemu", _UNSEEN), ())


@dataclass(frozen=True)
class Outcome:
    """What `up` did: the plan that it carried out, and how long the stages took."""

    plan: Plan
    seconds: dict[str, float]


def plan(cloud: Cloud) -> tuple[tuple[builder.ImageState, ...], Plan]:
    """What `up` would do: images to be built, and changes of the node. Reads only."""
    vault = Vault.open(cloud.state)
    machine = machine_of(cloud)
    images = image_states(cloud)
    journal = Journal(cloud.state / "journal.jsonl")
    if not machine.running:
        node = _node(cloud, NOT_YET, vault)
        return images, make_plan(desired(node), _nothing(node), journal)
    with machine.host() as host:
        if not local.prepared(host):
            node = _node(cloud, replace(NOT_YET, name=name_of(host)), vault)
            return images, make_plan(desired(node), _nothing(node), journal)
        node = _node(cloud, survey(host, facts_of(cloud).load()), vault)
        return images, make_plan(desired(node), make_world(node, host, machine.client_argv), journal)


def up(cloud: Cloud, stages: Stages) -> Outcome:
    """From nothing, or from whatever is there, to a cloud that answers."""
    with held(cloud):
        vault = _prepare_state(cloud)
        with stages.stage("images"):
            build(cloud, stages)
        with stages.stage("box"):
            machine = _machine_up(cloud, stages)
        with stages.stage("services"), machine.host() as host:
            end_leftovers(host)
            facts = survey(host, facts_of(cloud).load())
            facts_of(cloud).keep(facts)
            node = _node(cloud, facts, vault)
            wanted = desired(node)
            vault.save()  # before anything is done with them: secrets that were used and lost could not be undone
            _client_files(cloud, node)
            credentials.write(cloud, node)
            done = _converge(cloud, wanted, make_world(node, host, machine.client_argv), stages)
        return Outcome(done, stages.seconds)


def down(cloud: Cloud, stages: Stages) -> None:
    """Remove the cloud with all its data, its box and its state."""
    with held(cloud):
        with stages.stage("remove"):
            machine = machine_of(cloud)
            if isinstance(machine, Machine):
                machine.box.remove()
            else:
                _undo_local(cloud, machine)
        _remove_state(cloud)


def uninstall(cloud: Cloud, stages: Stages) -> Plan:
    """Remove services, units and configuration; what `removal.stays` says stays ours, and a later `up` finds it."""
    machine = machine_of(cloud)
    with held(cloud), stages.stage("uninstall"), machine.host() as host:
        journal = Journal(cloud.state / "journal.jsonl")
        node = _node(cloud, survey(host, facts_of(cloud).load()), Vault.open(cloud.state))
        world = make_world(node, host, machine.client_argv)
        keep = {ref for ref in journal.ledger if removal.stays(ref, cloud.paths)}
        todo = make_plan({}, world, journal, keep)
        converge({}, todo, world, journal, _shown(stages), keep)
        return todo


def build(cloud: Cloud, stages: Stages) -> None:
    """Build the images that are missing, and the root file system of boxes."""
    store = Store(cloud.cache)

    def show(event: builder.Event) -> None:
        because = f": {'; '.join(event.reasons)}" if event.reasons else ""
        took = f" in {event.seconds:.1f} s" if event.seconds else ""
        stages.reporter.say(f"image {event.image} {event.kind}{took}{because}")

    store.prepare()
    if cloud.target == "box" and not rootfs_path(store, BOX).is_dir():
        with stages.stage("root file system"), store.locked():
            build_rootfs(store, BOX, sources.debian_sources(SUITE, cloud.debian_mirror))
    builder.build_images(wanted_images(), _lock(cloud), store, mirror=cloud.debian_mirror, progress=show)
    provisions.build(cloud, store, show)


def image_states(cloud: Cloud) -> tuple[builder.ImageState, ...]:
    """The images of the cloud, and why those that are missing are missing."""
    return builder.plan_images(wanted_images(), _lock(cloud), Store(cloud.cache))


def wanted_images() -> tuple[Image, ...]:
    """The images that services of the catalogue run from, with all that they stand on."""
    by_name = {image.name: image for image in IMAGES}
    todo = [service.image for service in registry.services().values()]
    found: dict[str, Image] = {}
    while todo:
        image = by_name[todo.pop()]
        found[image.name] = image
        todo += [image.parent] if image.parent else []
        # Wheels that PyPI has no binary of are made by images of ours; which of them are needed, the lock knows.
        todo += [each.name for each in IMAGES if each.builds and image.pip and each.name not in found]
    return tuple(image for image in IMAGES if image.name in found)


def _lock(cloud: Cloud) -> lock.Lock:
    return lock.load(cloud.release)


def _node(cloud: Cloud, facts: Facts, vault: Vault) -> Node:
    store = Store(cloud.cache)
    states = image_states(cloud)
    references = {state.recipe.image.name: state.recipe.reference for state in states}

    def heads(reference: str, project: str) -> tuple[str, ...]:
        record = store.record(reference)
        return record.schema[project] if record else ("known when the image is built",)

    chosen = registry.components(cloud)
    context = make_context(cloud, facts, chosen, vault.secret, vault.fernet)
    return make_node(context, chosen, references, heads, vault.key, provisions.look(cloud))


def _prepare_state(cloud: Cloud) -> Vault:
    """The state directory with what the plan is made from."""
    cloud.state.mkdir(mode=0o700, parents=True, exist_ok=True)
    vault = Vault.open(cloud.state)
    vault.save()
    provisions.prepare(cloud)
    return vault


def _machine_up(cloud: Cloud, stages: Stages) -> Machine | LocalMachine:
    machine = machine_of(cloud)
    if isinstance(machine, Machine):
        machine.box.create()
        machine.box.boot(BOOT_SECONDS)
        stages.reporter.say(f"box {cloud.name} runs")
        return machine
    known = facts_of(cloud).load()
    with machine.host() as host:
        name = known.name if known else name_of(host)
        local.install(host, name, Journal(cloud.state / "journal.jsonl"), _shown(stages))
    return machine


def _converge(cloud: Cloud, wanted: Mapping[Ref, Resource], world: World, stages: Stages) -> Plan:
    journal = Journal(cloud.state / "journal.jsonl")
    todo = make_plan(wanted, world, journal)
    if not todo.conflicts:  # later commands need no settings file: they find what was last carried out
        _write(cloud.state / "settings.yaml", as_yaml(cloud))
    if todo:
        converge(wanted, todo, world, journal, _shown(stages))
    Generations(cloud.state / "generations").record(wanted.values(), __version__)
    return todo


def _shown(stages: Stages) -> Callable[[Step], None]:
    def show(step: Step) -> None:
        if step.event == "done":
            stages.reporter.say(f"{step.action.verb} {step.action.ref} ({step.seconds:.1f} s)")

    return show


def _client_files(cloud: Cloud, node: Node) -> None:
    """What clients see as /etc/hosts and /etc/resolv.conf."""
    directory = cloud.state / "client"
    directory.mkdir(exist_ok=True)
    _write(directory / "hosts", f"127.0.0.1 localhost\n{hosts_text(node.context)}")
    _write(directory / "resolv.conf", f"nameserver {node.context.gateway}\n")


def _undo_local(cloud: Cloud, machine: LocalMachine) -> None:
    journal = Journal(cloud.state / "journal.jsonl")
    with machine.host() as host:
        node = _node(cloud, survey(host, facts_of(cloud).load()), Vault.open(cloud.state))
        world = make_world(node, host, machine.client_argv)
        converge({}, make_plan({}, world, journal), world, journal)


def _remove_state(cloud: Cloud) -> None:
    if cloud.state.exists():
        shutil.rmtree(cloud.state)
    if cloud.state.parent.is_dir() and not any(cloud.state.parent.iterdir()):
        cloud.state.parent.rmdir()


class _Nothing:
    """Handles every kind of thing on a node that does not exist: nothing is there."""

    def observe(self, resources: Sequence[Resource]) -> Mapping[Ref, Observation]:
        return {each.ref: Absent() for each in resources}

    def apply(self, action: Action) -> None:
        raise AssertionError(f"{action.ref} on a node that does not exist")


def _nothing(node: Node) -> World:
    return World({(node.name, ref.kind): _Nothing() for ref in desired(node)})


def _write(path: Path, text: str) -> None:
    beside = path.with_name(path.name + ".new")
    beside.write_text(text)
    beside.rename(path)
