"""In what order a cloud gets other images and schemas, whatever fails or is killed on the way."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

import pytest

from hotstack_os.catalogue import registry
from hotstack_os.core.diff import diff
from hotstack_os.core.model import Ledger, Owned, Present, Ref, Resource
from hotstack_os.core.plan import Plan
from hotstack_os.deploy.desired import desired
from hotstack_os.deploy.node import Node
from hotstack_os.runtime import quadlets
from hotstack_os.settings.loading import load
from unit.deploy.test_desired import node_of

_URL = re.compile(r"mysql\+pymysql://[^/\s]+/(\w+)")
CLOUD = load(None, {}, registry.takes())


def of_release(release: str) -> Node:
    """A node of a release whose images and schemas are all its own."""
    return replace(node_of(CLOUD, images=release), heads=lambda _, project: (f"{project}-{release}",))


OLD, NEW = of_release("1"), of_release("2")
WANTED = desired(NEW)


def upgrade(ledger: Ledger | None = None) -> Plan:
    """The plan that brings the old release to the new one."""
    before = desired(OLD)
    observed = {ref: Present(each.state) for ref, each in before.items()}
    ours = {ref: Owned(ref, each.needs, each.within) for ref, each in before.items()}
    former = {ref: quadlets.FormerHandler().observe([Resource(ref)])[ref] for ref in ledger or {}}
    return diff(WANTED, observed | former, {**ours, **(ledger or {})})


def databases_of(service: str) -> set[str]:
    """The databases that a service's configuration has it log in to."""
    container = NEW.containers[service]
    texts = [*container.files.values(), *(each.reveal() for each in container.secrets.values())]
    return {name for text in texts for name in _URL.findall(text)}


@dataclass
class Run:
    """A plan that is carried out in an order that chance chooses among those that it allows."""

    chance: random.Random
    failing: frozenset[Ref]

    def done(self, plan: Plan, steps: int) -> set[Ref]:
        """What is done when it is killed after so many steps, or can do no more."""
        waiting, done = dict(plan.by_ref), set[Ref]()
        for _ in range(steps):
            ready = sorted(ref for ref, action in waiting.items() if not action.after & waiting.keys())
            possible = [ref for ref in ready if ref not in self.failing]
            if not possible:
                break
            ref = self.chance.choice(possible)
            del waiting[ref]
            done.add(ref)
        return done


def test_services_are_known_to_use_the_databases_that_they_log_in_to() -> None:
    used = {name: databases_of(name) for name in NEW.services}
    assert {name for names in used.values() for name in names} == NEW.databases.keys()
    for name, databases in used.items():
        needed = {ref.name for ref in WANTED[NEW.service(name)].needs if ref.kind == "schema"}
        assert databases <= needed, f"{name} logs in to {databases - needed}, which may be anywhere when it starts"


@pytest.mark.parametrize("number", range(30))
def test_a_unit_is_never_of_a_release_whose_schemas_are_not_there(number: int) -> None:
    """Killed at any step, with any two schemas that fail: what a boot would start then fits its databases."""
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")  # noqa: T201 (said where it fails)
    chance, plan = random.Random(seed), upgrade()  # noqa: S311 (no secret)
    failing = frozenset(chance.sample([ref for ref in plan.by_ref if ref.kind == "schema"], number % 3))
    done = Run(chance, failing).done(plan, chance.randint(0, len(plan.actions)))
    moved = {ref.name for ref in done if ref.kind == "schema"}
    for ref in (ref for ref in done if ref.kind == "service"):
        assert databases_of(ref.name) <= moved, f"{ref} before its schema"
    assert not {ref.name for ref in failing} & moved


def test_a_schema_that_fails_keeps_those_who_need_it_and_no_others_from_changing() -> None:
    plan, glance = upgrade(), NEW.ref("schema", "glance")
    done = Run(random.Random(1), frozenset({glance})).done(plan, len(plan.actions))  # noqa: S311 (no secret)
    old = {ref.name for ref in plan.by_ref if ref.kind == "service" and ref not in done}
    users: Mapping[str, tuple[str, ...]] = {name: each.after for name, each in NEW.services.items()}
    expected = {"glance"}
    while more := {name for name, after in users.items() if expected & set(after)} - expected:
        expected |= more
    assert old == expected
    assert {"keystone", "placement", "mariadb"} <= {ref.name for ref in done}


def test_units_of_former_ledgers_are_forgotten_and_nothing_else_follows() -> None:
    """They stood for the files of all services, which are still there and belong to the services now."""
    files = Ref(quadlets.KIND, "units", NEW.name)
    ours = {files: Owned(files, frozenset({NEW.ref("directory", "/etc/containers/systemd")}))}
    extra = [action for action in upgrade(ours).actions if action.ref not in upgrade().by_ref]
    assert [(action.verb, action.ref) for action in extra] == [("forget", files)]
    assert not [action for action in upgrade(ours).actions if action.verb == "remove"]
