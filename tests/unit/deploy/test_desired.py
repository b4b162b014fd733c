"""The desired state of the default cloud: whole, ordered, handled, and of one mind with the catalogue."""

from __future__ import annotations

import base64
import json
from collections import Counter
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from hotstack_os.bootstrap.identity import ADMIN, NEVER_LOCKED
from hotstack_os.box import DATA
from hotstack_os.catalogue import registry, resolve
from hotstack_os.catalogue.context import Choice, Facts
from hotstack_os.catalogue.images import IMAGES
from hotstack_os.core.diff import check, diff
from hotstack_os.core.encoding import to_json
from hotstack_os.core.model import Absent, Owned, Present, Ref, Resource
from hotstack_os.deploy import members
from hotstack_os.deploy.desired import desired
from hotstack_os.deploy.members import device
from hotstack_os.deploy.node import Node, make_node
from hotstack_os.deploy.world import handlers
from hotstack_os.exec.agent import AgentHost
from hotstack_os.hidden import Hidden
from hotstack_os.host import files
from hotstack_os.network import addresses, firewall
from hotstack_os.runtime import boot, quadlet
from hotstack_os.settings import rules
from hotstack_os.settings.cloud import Cloud, ServiceSettings
from hotstack_os.settings.loading import load

GOLDEN = Path(__file__).parents[2] / "golden" / "directories.txt"
FACTS = Facts("node1", 2, Choice("netdev", "a test"), Choice("qemu", "a test"), ("192.0.2.1",))


def node_of(cloud: Cloud, facts: Facts = FACTS, images: str = "1", first: str = "") -> Node:
    def secret(name: str) -> Hidden:
        return Hidden(f"canary-{name}", b"key")

    def fernet(name: str) -> Hidden:
        return Hidden(base64.urlsafe_b64encode(f"canary-{name}".ljust(32)[:32].encode()).decode(), b"key")

    chosen = registry.components(cloud)
    here = registry.FURTHER if first else chosen
    context = resolve.make_context(cloud, facts, chosen, secret, fernet, here)
    references = {image.name: f"localhost/{image.name}:{images}" for image in IMAGES}
    return make_node(context, here, references, lambda *_: ("head",), b"key", first=first)


@pytest.fixture(scope="module")
def cloud() -> Cloud:
    return load(None, {}, registry.takes())


@pytest.fixture(scope="module")
def wanted(cloud: Cloud) -> dict[Ref, Resource]:
    return desired(node_of(cloud))


def test_needs_are_all_part_of_it_and_go_in_no_circle(wanted: dict[Ref, Resource]) -> None:
    check(wanted)


def test_what_lies_within_something_lies_within_something_wanted(wanted: dict[Ref, Resource]) -> None:
    assert {each.within for each in wanted.values() if each.within} <= wanted.keys()


def test_every_thing_has_a_handler(cloud: Cloud, wanted: dict[Ref, Resource]) -> None:
    found = handlers(node_of(cloud), AgentHost("nobody", ("false",)), lambda argv: argv)
    assert {(ref.node, ref.kind) for ref in wanted} <= found.keys()


def test_everything_is_on_the_node(wanted: dict[Ref, Resource]) -> None:
    assert {ref.node for ref in wanted} == {"node1"}


def test_no_secret_is_in_its_text(wanted: dict[Ref, Resource]) -> None:
    plan = diff(wanted, dict.fromkeys(wanted, Absent()), {})
    recorded = json.dumps([to_json(each.state) for each in wanted.values()])
    said = "\n".join(plan.lines()) + json.dumps(plan.as_json()) + recorded + repr(plan) + repr(wanted)
    assert "canary" not in said
    assert len(plan.actions) == len(wanted)


def test_the_same_settings_give_the_same_state(cloud: Cloud, wanted: dict[Ref, Resource]) -> None:
    assert diff(desired(node_of(cloud)), {ref: Present(each.state) for ref, each in wanted.items()}, {}).actions == ()


def changed(before: dict[Ref, Resource], after: dict[Ref, Resource]) -> set[str]:
    """kind/name of what must change."""
    observed = {ref: Present(before[ref].state) if ref in before else Absent() for ref in after}
    plan = diff({ref: replace(each, foreign="adopt") for ref, each in after.items()}, observed, {})
    return {f"{action.ref.kind}/{action.ref.name}" for action in plan.actions}


def test_an_option_of_one_service_changes_that_service_alone(cloud: Cloud, wanted: dict[Ref, Resource]) -> None:
    settings = ServiceSettings(config={"token": {"expiration": 7200}})
    other = replace(cloud, services={"keystone": settings})
    assert changed(wanted, desired(node_of(other))) == {"service/keystone"}


def test_another_image_changes_services_alone(cloud: Cloud, wanted: dict[Ref, Resource]) -> None:
    found = changed(wanted, desired(node_of(cloud, images="2")))
    assert found == {f"service/{name}" for name in registry.services(cloud)}


def test_paths_and_region_follow_from_settings(cloud: Cloud) -> None:
    environ = {"HOTSTACK_DATA_DIR": "/srv/elsewhere", "REGION_NAME": "nowhere"}
    other = desired(node_of(load(None, environ, registry.takes())))
    said = json.dumps([[str(ref), to_json(each.state)] for ref, each in other.items()])
    assert str(cloud.paths.data) not in said
    assert "/srv/elsewhere/mysql" in said
    assert cloud.region not in said


def test_a_service_that_is_off_by_default_comes_alone_when_it_is_named(
    cloud: Cloud, wanted: dict[Ref, Resource], tmp_path: Path
) -> None:
    settings = tmp_path / "settings.yaml"
    settings.write_text("services: {nova-compute-fake: {}}\n")
    asked = load(settings, {}, registry.takes())
    assert registry.services(asked).keys() - registry.services(cloud).keys() == {"nova-compute-fake"}
    after = desired(node_of(asked))
    directory = f"directory/{cloud.paths.data}/nova-fake"
    # And what watches all services, and waits for them.
    all_of_them = {"file//etc/hotstack-os/health.json", f"unit/{boot.WATCH}", f"unit/{boot.READY}"}
    assert changed(wanted, after) == {"service/nova-compute-fake", directory, *all_of_them}
    check(after)


@pytest.fixture(scope="module")
def with_another(tmp_path_factory: pytest.TempPathFactory) -> Cloud:
    settings = tmp_path_factory.mktemp("settings") / "settings.yaml"
    settings.write_text("nodes: {compute-1: }\n")
    return load(settings, {}, registry.takes())


def further_of(cloud: Cloud) -> Node:
    return node_of(cloud, replace(FACTS, name="compute-1"), first="node1")


def test_the_first_further_node_changes_what_moves_servers_and_the_next_nothing(
    wanted: dict[Ref, Resource], with_another: Cloud
) -> None:
    after = desired(node_of(with_another))
    cable = {"node/compute-1", "bridge-port/hot-ex/" + device("compute-1"), "firewall/hotstack_os"}
    libvirt = {"user-unit/hotstack/hotstack-os-libvirtd-session.service",
               "file//var/lib/hotstack/.config/libvirt/libvirtd.conf",
               "file//var/lib/hotstack/.config/libvirt/qemu.conf"}  # fmt: skip
    services = {"service/nova-ssh", "service/nova-compute"}
    health = {"file//etc/hotstack-os/health.json", f"unit/{boot.WATCH}", f"unit/{boot.READY}"}
    assert changed(wanted, after) == cable | libvirt | services | health
    more = replace(with_another, nodes={**with_another.nodes, "compute-2": IPv4Address("172.31.0.253")})
    another = {"node/compute-2", "bridge-port/hot-ex/" + device("compute-2"), "firewall/hotstack_os"}
    assert changed(after, desired(node_of(more))) == another


def test_a_further_node_needs_the_first_and_goes_as_a_whole(wanted: dict[Ref, Resource], with_another: Cloud) -> None:
    first, own = desired(node_of(with_another)), desired(further_of(with_another))
    check(first | own)
    assert {ref.node for ref in own} == {"compute-1"}
    member = Ref("node", "compute-1", "node1")
    ledger = {ref: Owned(ref, each.needs, each.within) for ref, each in (first | own).items()}
    observed = {ref: Present(each.state) for ref, each in (first | own).items()}
    verbs = {action.ref: action.verb for action in diff(wanted, observed, ledger).actions}
    assert {ref: verb for ref, verb in verbs.items() if verb == "remove"}.keys() == {
        member,
        Ref("bridge-port", "hot-ex/" + device("compute-1"), "node1"),
        Ref("service", "nova-ssh", "node1"),
    }
    assert {ref for ref, verb in verbs.items() if verb == "forget"} == own.keys()


def test_a_further_node_runs_servers_and_nothing_else(with_another: Cloud) -> None:
    own = desired(further_of(with_another))
    services = {ref.name for ref in own if ref.kind == "service"}
    assert services == {"nova-compute", "nova-ssh", "ovn-controller", "neutron-ovn-agent"}
    assert own[Ref("service", "nova-compute", "compute-1")].needs >= {
        Ref("service", "rabbitmq", "node1"),
        Ref("service", "nova-conductor", "node1"),
    }
    found = handlers(further_of(with_another), AgentHost("nobody", ("false",)), lambda argv: argv)
    assert {(ref.node, ref.kind) for ref in own} <= found.keys()
    text = json.dumps([to_json(each.state) for each in own.values()])
    assert "172.31.0.254" in text
    assert "/var/lib/hotstack-os/mysql" not in text


def test_the_directory_of_boxes_is_the_one_that_nodes_share() -> None:
    assert str(rules.SHARED) == DATA


def test_the_registry_names_nothing_twice() -> None:
    components = registry.components()
    for names in (
        [component.name for component in components],
        [service.name for component in components for service in component.services],
        [database.name for component in components for database in component.databases],
        [endpoint.name for component in components for endpoint in component.endpoints],
        [account.name for component in components for account in component.accounts],
        [api.name for _, api in registry.apis()],
    ):
        assert [name for name, count in Counter(names).items() if count > 1] == []


def test_the_registry_names_only_what_there_is() -> None:
    services, images = registry.services(), {image.name for image in IMAGES}
    databases = {database.name: database for component in registry.components() for database in component.databases}
    apis = {api.name for _, api in registry.apis()}
    for service in services.values():
        assert service.image in images
        assert set(service.after) <= services.keys() - {service.name}
        assert set(service.databases) <= databases.keys()
    assert {database.service for database in databases.values()} <= services.keys()
    assert {each.api for component in registry.components() for each in component.endpoints} <= apis


def test_directories_of_the_data_are_in_the_golden_table(wanted: dict[Ref, Resource]) -> None:
    """The table is compared with a real node by a system test; this notices sooner that it is not what we want."""
    table = {line.split()[0]: line.split()[1:] for line in GOLDEN.read_text().splitlines()}
    ours = {
        ref.name: [each.state["owner"], each.state["group"], str(each.state["mode"]).removeprefix("0")]
        for ref, each in wanted.items()
        if ref.kind == files.DIRECTORY and ref.name.startswith("/var/lib/hotstack-os")
    }
    assert len(ours) > 10
    assert ours == {name: table.get(name) for name in ours}


def test_addresses_and_forwarding_come_after_the_rules(wanted: dict[Ref, Resource]) -> None:
    rules = Ref(firewall.TABLE, firewall.NAME, "node1")
    led = [each for each in wanted.values() if each.ref.kind in (addresses.ADDRESS, addresses.SYSCTL)]
    assert {each.ref.kind for each in led} == {addresses.ADDRESS, addresses.SYSCTL}
    assert all(rules in each.needs for each in led)


def test_what_nodes_share_is_not_reached_by_links_that_root_of_the_first_could_make(with_another: Cloud) -> None:
    (shared,) = members.box_of(with_another, "compute-1").spec.binds
    assert shared.within == str(with_another.state / "box/data")
    assert shared.outer.startswith(f"{shared.within}/")


@pytest.mark.parametrize("several", [False, True])
def test_what_is_mounted_lies_below_nothing_that_a_service_can_exchange(
    cloud: Cloud, with_another: Cloud, several: bool
) -> None:
    """Whoever mounts follows links: podman, and install(1) where it makes directories at a boot."""
    nodes = [node_of(with_another), further_of(with_another)] if several else [node_of(cloud)]
    for node in nodes:
        mounts = [each for one in node.services.values() for each in resolve.mounts(one, node.context)]
        theirs = {each.source for each in mounts if each.writable}
        below = {(each.source, other) for each in mounts for other in theirs if each.source.startswith(f"{other}/")}
        assert below == set()
        directories = {each.ref.name: each.state for each in desired(node).values() if each.ref.kind == "directory"}
        volatile = [path for path in directories if path.startswith("/run/")]
        assert volatile
        assert {directories[str(Path(each).parent)]["owner"] for each in volatile if each.count("/") > 2} == {"root"}


def test_nothing_lies_within_a_directory_that_others_use_as_well(wanted: dict[Ref, Resource]) -> None:
    """It may stay when all goes, and then what is ours in it has to be taken out piece by piece."""
    shared = {Ref(files.DIRECTORY, each, "node1") for each in quadlet.SHARED}
    assert shared <= wanted.keys()
    assert not [ref for ref, each in wanted.items() if each.within in shared]


def test_no_user_of_the_cloud_can_be_locked_out(wanted: dict[Ref, Resource]) -> None:
    """Their passwords cannot be guessed, and whoever reaches Keystone's port may try."""
    users = {
        each.ref.name: each.state for each in wanted.values() if "password" in each.state and "roles" in each.state
    }
    assert len(users) >= 9
    (admin,) = (each.state for each in wanted.values() if each.ref.kind == ADMIN)
    for name, state in {**users, "admin": admin}.items():
        assert state[NEVER_LOCKED] is True, name
