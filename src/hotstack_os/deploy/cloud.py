"""Bring a cloud up, look at what would change, take it away. Each top-level function reads like a table of contents."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace

from hotstack_os import __version__
from hotstack_os.content.api import DOWN, why
from hotstack_os.core.apply import PlanInConflict, Step, converge, make_plan, recall
from hotstack_os.core.generations import Generations
from hotstack_os.core.loss import EVERYTHING, UnnamedLoss, require_named
from hotstack_os.core.model import Ref, Resource
from hotstack_os.core.plan import Named, Plan
from hotstack_os.deploy import (
    boxes,
    credentials,
    failures,
    local,
    members,
    places,
    provisions,
    release,
    removal,
    standing,
)
from hotstack_os.deploy.caller import caller
from hotstack_os.deploy.desired import desired, with_needs
from hotstack_os.deploy.examine_state import require_whole
from hotstack_os.deploy.image_set import image_states, lock_of, note, wanted_images
from hotstack_os.deploy.inventory import facts_of, name_of
from hotstack_os.deploy.ledgers import FILE, GENERATIONS, journal_of
from hotstack_os.deploy.lock import held, remove_state
from hotstack_os.deploy.machine import BOOT_SECONDS, Machine, machine_of
from hotstack_os.deploy.node import Node, hosts_text
from hotstack_os.deploy.stages import Stages
from hotstack_os.deploy.standing import Asked
from hotstack_os.errors import HotstackError
from hotstack_os.host import packages
from hotstack_os.images import builder, sources
from hotstack_os.images.bases import BOX, SUITE
from hotstack_os.images.rootfs import build_rootfs, rootfs_path
from hotstack_os.images.store import Store
from hotstack_os.settings.cloud import Cloud
from hotstack_os.settings.secrets import Vault
from hotstack_os.settings.text import as_settings
from hotstack_os.whole import put


@dataclass(frozen=True)
class Outcome:
    """What `up` did: the plan that it carried out, and how long the stages took."""

    plan: Plan
    seconds: dict[str, float]


def plan(cloud: Cloud, asked: Asked = Asked()) -> tuple[tuple[builder.ImageState, ...], Plan]:  # noqa: B008
    """What `up` would do: images to be built, and changes of machine and nodes. Reads only.

    Refuses as `up` does what does not fit the cloud that is there; whether losses were named is for the caller to see.
    """
    standing.check(cloud, asked)
    release.require_possible(cloud)
    return image_states(cloud), _planned(cloud)


def unbuilt(cloud: Cloud) -> tuple[str, ...]:
    """What `up` would build beside the images of containers: the root file system of boxes, the test image."""
    store = Store(cloud.cache)
    root = cloud.target == "box" and not rootfs_path(store, BOX).is_dir()
    return (
        *(["root file system of boxes"] if root else []),
        *(["test image"] if provisions.lacking(cloud, store) else []),
    )


def up(cloud: Cloud, stages: Stages, asked: Asked = Asked()) -> Outcome:  # noqa: B008 (a value that cannot change)
    """From nothing, or from whatever is there, to a cloud that answers."""
    standing.check(cloud, asked)
    with held(cloud, "up", make=True):
        release.require_possible(cloud)
        _look_ahead(cloud, asked)
        vault = _prepare_state(cloud)
        with stages.stage("images"):
            build(cloud, stages)
        with stages.stage("box"):
            ground = _machine_up(cloud, stages, asked)
        with stages.stage("services"), ExitStack() as opened:
            first = places.first(cloud, vault, opened)
            _require_empty(cloud, first)
            joined = _members_up(cloud, first, stages, asked)
            nodes = (first, *places.further(cloud, vault, opened, first))
            for each in nodes:
                facts_of(cloud, each.node.name if each.node.first else "").keep(each.node.context.facts)
            wanted = places.desired_of(cloud, nodes)
            _require_secrets(cloud, vault)
            vault.save()  # before anything is done with them: secrets that were used and lost could not be undone
            _client_files(cloud, first.node)
            credentials.write(cloud, first.node)
            done = _converge(cloud, nodes, wanted, stages, asked)
        return Outcome(Plan((*ground.actions, *joined.actions, *done.actions)), stages.seconds)


def down(cloud: Cloud, stages: Stages) -> tuple[str, ...]:
    """Remove the cloud with all its data, its box and its state. What stays for others, in words."""
    standing.require_target(cloud)
    stays: tuple[str, ...] = ()
    with held(cloud, "down"):
        with stages.stage("remove"):
            machine = machine_of(cloud)
            if isinstance(machine, Machine):
                for name in members.known(cloud):
                    members.box_as_made(cloud, name).remove()
                machine.box.remove()
            else:
                stays = _undo_local(cloud, stages)
        remove_state(cloud)
    return stays


def remove_box(cloud: Cloud) -> None:
    """Remove the first node's box with all that is in it. Settings and secrets stay, for an `up` that begins anew."""
    with held(cloud, "box remove"):
        Machine(cloud).box.remove()
        _begin_journal(cloud, "box remove")


def uninstall(cloud: Cloud, stages: Stages) -> Plan:
    """Remove services, units and configuration; what `removal.stays` says stays ours, and a later `up` finds it."""
    standing.require_target(cloud)
    standing.require_secrets(cloud)
    with held(cloud, "uninstall"), stages.stage("uninstall"), ExitStack() as opened:
        journal = journal_of(cloud.state)
        nodes = places.seen(cloud, Vault.open(cloud.state), opened, provisions.Provisions())
        if down := [each.node.name for each in nodes if each.host is None]:
            raise HotstackError("all nodes to run", f"{', '.join(down)} down", "Start them: hotstack-os box start.")
        world = places.world_of(cloud, nodes, journal)
        recall(places.desired_of(cloud, nodes), journal)
        keep = {ref for ref in journal.ledger if removal.stays(ref, cloud.paths)}
        todo = make_plan({}, world, journal, keep)
        converge({}, todo, world, journal, _shown(cloud, stages), keep, EVERYTHING)
        _record(cloud, (), "uninstall", todo, journal.last)
        return todo


def build(cloud: Cloud, stages: Stages) -> None:
    """Build the images that are missing, and the root file system of boxes."""
    store = Store(cloud.cache)

    def show(event: builder.Event) -> None:
        if event.error:
            failures.tell(stages.reporter, cloud.state, f"image {event.image}", event.error)
            return
        because = f": {'; '.join(event.reasons)}" if event.reasons else ""
        took = f" in {event.seconds:.1f} s" if event.seconds else ""
        stages.reporter.say(f"image {event.image} {event.kind}{took}{because}")

    store.prepare()
    note(cloud)
    if cloud.target == "box" and not rootfs_path(store, BOX).is_dir():
        with stages.stage("root file system"), store.locked(lambda: show(builder.Event("waiting", "store"))):
            build_rootfs(store, BOX, sources.debian_sources(SUITE, cloud.debian_mirror))
    builder.build_images(wanted_images(), lock_of(cloud), store, mirror=cloud.debian_mirror, progress=show)
    provisions.build(cloud, store, show)


def _planned(cloud: Cloud) -> Plan:
    """All that can be seen to be done. What is to come on nodes that cannot be seen yet is one sentence."""
    journal = journal_of(cloud.state)
    with ExitStack() as opened:
        vault = Vault.open(cloud.state)
        nodes = places.seen(cloud, vault, opened)
        wanted = places.desired_of(cloud, nodes)
        standing.require_known_secrets(cloud, vault, journal.ledger)
        todo = make_plan(wanted, places.world_of(cloud, nodes, journal), journal)
        standing.require_apart(todo, wanted)
    return folded(todo, {each.node.name for each in nodes if each.host is None})


def folded(plan: Plan, unseen: Collection[str]) -> Plan:
    """A plan without what can only be guessed on nodes that cannot be seen.

    What would be destroyed there stays in it, and so does what makes a machine ready to be looked at.
    """
    guessed = {
        each.ref
        for each in plan.actions
        if each.ref.node in unseen and not each.destroys and each.ref.kind != packages.PACKAGE
    }
    if not guessed:
        return plan
    kept = tuple(replace(each, after=each.after - guessed) for each in plan.actions if each.ref not in guessed)
    return Plan(kept, plan.conflicts, f"decided on {', '.join(sorted({ref.node for ref in guessed}))}")


def _look_ahead(cloud: Cloud, asked: Asked) -> None:
    """Refuse, before anything is done, what can be seen to destroy something that was not named."""
    if not journal_of(cloud.state).ledger:
        return
    if not asked.named and _as_before(cloud) and all(each.present for each in image_states(cloud)):
        return  # nothing is done before the plan of the services is made, which refuses as well
    todo = _planned(cloud)
    begins_anew = any(each.ref.kind == boxes.BOX and each.destroys for each in todo.actions)
    if begins_anew:
        _require_alone(cloud)
    _require_named(cloud, asked, todo)
    if begins_anew:
        _begin_journal(cloud, "up")


def _require_alone(cloud: Cloud) -> None:
    """Boxes of further nodes would live on beside a cloud that knows nothing of them."""
    if left := members.known(cloud):
        hint = "They belong to the cloud that was in it, and go with it: hotstack-os down, and then hotstack-os up."
        found = f"the boxes of further nodes: {', '.join(left)}"
        raise HotstackError(f"nothing left of a cloud whose box {cloud.name} is missing", found, hint)


def _as_before(cloud: Cloud) -> bool:
    """Whether the settings are those that were last carried out, on a machine that runs."""
    return standing.last(cloud.state) == standing.flat(as_settings(cloud)) and machine_of(cloud).running


def _require_named(cloud: Cloud, asked: Asked, todo: Plan) -> None:
    if todo.conflicts:
        raise PlanInConflict(todo.conflicts)
    try:
        require_named(todo.actions, asked.named)
    except UnnamedLoss as error:
        raise standing.explained(cloud, error) from None
    standing.require_destroyed(asked, todo, standing.agreed(cloud.state))
    _agree(cloud, asked.named, todo)


def _agree(cloud: Cloud, named: Named, todo: Plan) -> None:
    possible = {each.ref for each in todo.actions if each.destroys or each.verb == "decide"}
    standing.agree(cloud.state, {ref for ref in possible if ref in named})


def _prepare_state(cloud: Cloud) -> Vault:
    """What the plan is made from, in the state directory."""
    require_whole(cloud)
    vault = Vault.open(cloud.state)
    vault.save()
    provisions.prepare(cloud)
    return vault


def _machine_up(cloud: Cloud, stages: Stages, asked: Asked) -> Plan:
    """What the first node stands on: its box, which runs in the end, or the packages of this machine."""
    machine, journal = machine_of(cloud), journal_of(cloud.state)
    if isinstance(machine, Machine):
        wanted = boxes.resources(cloud)
        todo = _small(cloud, [], wanted, stages, asked.named)
        machine.box.create()  # takes over what changed of a box that is there, for its next boot
        machine.box.boot(BOOT_SECONDS)  # it may be on its way up, or reboot
        stages.reporter.say(f"box {cloud.name} runs")
        return todo
    known = facts_of(cloud).load()
    with machine.host() as host:
        return local.install(host, known.name if known else name_of(host), journal, _shown(cloud, stages))


def _require_empty(cloud: Cloud, first: places.Place) -> None:
    """Refuse to remove a node with servers, or of which nobody can say whether it has some, before anything is done."""
    ledger = journal_of(cloud.state).ledger
    gone = [ref.name for ref in ledger if ref.kind == members.KIND and ref.name not in cloud.nodes]
    api = places.administrator(first.node.context, first.there())
    for name in gone:
        try:
            members.require_empty(api, name)
        except DOWN as error:
            hint = f"Start the cloud (hotstack-os start), or run `up` with {name} in the settings, and then without it."
            raise HotstackError(f"Nova to say that the node {name} has no servers", why(error), hint) from None


def _require_secrets(cloud: Cloud, vault: Vault) -> None:
    standing.require_known_secrets(cloud, vault, journal_of(cloud.state).ledger)


def _members_up(cloud: Cloud, first: places.Place, stages: Stages, asked: Asked) -> Plan:
    """The boxes of further nodes, with what they need of the first: nothing else is looked at."""
    wanted = desired(first.node)
    refs = [ref for ref in wanted if ref.kind == members.KIND]
    return _small(cloud, [first], with_needs(refs, wanted), stages, asked.named)


def _small(
    cloud: Cloud,
    nodes: Sequence[places.Place],
    wanted: Mapping[Ref, Resource],
    stages: Stages,
    named: Named = frozenset(),
) -> Plan:
    """A part of the whole, carried out before the rest can be seen: nothing else is looked at. What was done."""
    journal = journal_of(cloud.state)
    keep = journal.ledger.keys() - wanted.keys()
    world = places.world_of(cloud, nodes, journal)
    if todo := make_plan(wanted, world, journal, keep):
        _agree(cloud, named, todo)
        converge(wanted, todo, world, journal, _shown(cloud, stages), keep, named)
    return todo


def _converge(
    cloud: Cloud, nodes: Sequence[places.Place], wanted: Mapping[Ref, Resource], stages: Stages, asked: Asked
) -> Plan:
    journal = journal_of(cloud.state)
    world = places.world_of(cloud, nodes, journal)
    todo = make_plan(wanted, world, journal)
    standing.require_apart(todo, wanted)
    _require_named(cloud, asked, todo)
    standing.remember(cloud, asked)  # later commands need no settings file: they find what was last carried out
    if todo:
        converge(wanted, todo, world, journal, _shown(cloud, stages), named=asked.named)
    _record(cloud, wanted.values(), "up", todo, journal.last)
    note(cloud, reached=True)
    standing.settle(cloud.state)  # last: who was broken off before it names again what is gone by now
    return todo


def _shown(cloud: Cloud, stages: Stages) -> Callable[[Step], None]:
    def show(step: Step) -> None:
        said = f"{step.action.verb} {step.action.ref}"
        if step.event == "done":
            stages.reporter.say(f"{said} ({step.seconds:.1f} s)")
        elif step.error:
            failures.tell(stages.reporter, cloud.state, said, step.error)

    return show


def _record(cloud: Cloud, wanted: Iterable[Resource], verb: str, done: Plan, journal: float) -> None:
    Generations(cloud.state / GENERATIONS).record(wanted, __version__, verb, asdict(caller()), done, journal)


def _begin_journal(cloud: Cloud, verb: str) -> None:
    """With a box goes all that is in the ledger, and nobody has to give it up piece by piece. That is recorded first:
    a journal that goes by itself is damage."""
    _record(cloud, (), verb, Plan(), 0.0)
    (cloud.state / FILE).unlink(missing_ok=True)


def _client_files(cloud: Cloud, node: Node) -> None:
    """What clients see as /etc/hosts and /etc/resolv.conf."""
    directory = cloud.state / "client"
    directory.mkdir(exist_ok=True)
    put(directory / "hosts", f"127.0.0.1 localhost\n{hosts_text(node.context)}")
    put(directory / "resolv.conf", f"nameserver {node.context.gateway}\n")


def _undo_local(cloud: Cloud, stages: Stages) -> tuple[str, ...]:
    journal = journal_of(cloud.state)
    with ExitStack() as opened:
        nodes = [places.first(cloud, Vault.open(cloud.state), opened, provisions.Provisions())]
        world = places.world_of(cloud, nodes, journal)
        recall(places.desired_of(cloud, nodes), journal)
        stays = tuple(local.staying(nodes[0].there(), journal.ledger))
        converge({}, make_plan({}, world, journal), world, journal, _shown(cloud, stages), named=EVERYTHING)
        return stays
