"""What counts as lost, kind by kind, for everything that a cloud of one node and of two consists of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from hotstack_os.catalogue import registry
from hotstack_os.core.loss import UnnamedLoss, mark, require_named
from hotstack_os.core.model import Owned, Ref, Resource, State
from hotstack_os.core.plan import Action, Plan, Verb
from hotstack_os.deploy import boxes, local
from hotstack_os.deploy.desired import desired
from hotstack_os.deploy.losses import KEYS, KNOWN, Losses
from hotstack_os.hidden import Hidden
from hotstack_os.settings.cloud import Cloud
from hotstack_os.settings.loading import load
from unit.deploy.test_desired import FACTS, node_of

SETTINGS = "nodes: {compute-1: }\nservices: {nova-compute-fake: {}}\n"
DATA = "/var/lib/hotstack-os"


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Cloud:
    settings = tmp_path_factory.mktemp("settings") / "settings.yaml"
    settings.write_text(SETTINGS)
    return load(settings, {}, registry.takes())


@pytest.fixture(scope="module")
def wanted(cloud: Cloud) -> dict[Ref, Resource]:
    first = desired(node_of(cloud))
    further = desired(node_of(cloud, replace(FACTS, name="compute-1"), first="node1"))
    return boxes.resources(cloud) | local.on_this_machine(first, cloud, "node1") | further


@pytest.fixture(scope="module")
def ledger(wanted: dict[Ref, Resource]) -> dict[Ref, Owned]:
    """As an older version left it: refs, and nothing of what they hold."""
    return {ref: Owned(ref) for ref in wanted}


def lost(verb: Verb, ref: Ref, ledger: Mapping[Ref, Owned], rule: Losses = Losses(), **state: object) -> str:  # noqa: B008
    found: State | None = state.get("found")  # type: ignore[assignment]
    wanted: State = state.get("wanted", {})  # type: ignore[assignment]
    return rule.rule(Action(verb, Resource(ref, wanted), found, ()), ledger)


def test_the_rule_has_an_opinion_about_every_kind(wanted: dict[Ref, Resource]) -> None:
    assert {ref.kind for ref in wanted} - KNOWN == set()


def test_what_is_lost_when_each_thing_goes(wanted: dict[Ref, Resource], ledger: dict[Ref, Owned]) -> None:
    found = {f"{ref.kind}/{ref.name}" for ref in wanted if ref.node != "compute-1" and lost("remove", ref, ledger)}
    directories = ("", "/mysql", "/keystone", "/keystone/fernet-keys", "/keystone/credential-keys", "/glance",
                   "/glance/images", "/glance/staging", "/glance/tasks", "/cinder-nfs", "/nova-instances", "/nova",
                   "/rabbitmq", "/ovn", "/ovn/nb", "/ovn/sb")  # fmt: skip
    keys = (f"file/{DATA}/keystone/{kind}-keys/{index}" for kind in ("fernet", "credential") for index in "01")
    databases = ("keystone", "glance", "placement", "neutron", "nova_api", "nova", "nova_cell0", "cinder", "heat")
    roles = {f"identity/{ref.name}" for ref in wanted if ref.kind == "identity" and ref.name.startswith("role/")}
    assert found == {
        *(f"directory/{DATA}{each}" for each in directories),
        "directory//var/lib/hotstack/.config",
        "directory//var/lib/hotstack/.config/libvirt",
        *keys,
        *(f"database/{each}" for each in databases),
        "cell/cell0",
        "cell/cell1",
        "user/hotstack",
        *roles,
        "identity/domain/heat",
        "identity/project/service",
        "identity/project/hotstack",
        "identity/user/hotstack",
        "neutron/network/public",
        "neutron/network/private",
        "neutron/subnet/public-subnet",
        "neutron/subnet/private-subnet",
        "neutron/router/router1",
        "image/hotstack-guest",
        "application-credential/hotstack",
        "node/compute-1",
        "box/hotstack-os",
    }


def test_a_directory_says_what_is_in_it_and_below(ledger: dict[Ref, Owned]) -> None:
    assert lost("remove", Ref("directory", f"{DATA}/mysql", "node1"), ledger) == "all databases of the cloud"
    whole = lost("remove", Ref("directory", DATA, "node1"), ledger)
    for each in ("all databases", "all volumes", "the disks of all servers", "the images of all users", KEYS):
        assert each in whole
    assert lost("decide", Ref("directory", "/srv/what", "node1"), ledger) == ""
    assert lost("remove", Ref("directory", "/srv/what", "node1"), ledger) == "all that is in it"
    named = Losses({"/srv/what": "all volumes"})
    assert lost("remove", Ref("directory", "/srv/what", "node1"), ledger, named) == "all volumes"


def test_nothing_is_lost_by_what_up_makes_anew(wanted: dict[Ref, Resource], ledger: dict[Ref, Owned]) -> None:
    for verb in ("create", "restore", "forget"):
        assert {ref for ref in wanted if lost(verb, ref, ledger)} <= {Ref("box", "hotstack-os")}
    same = {ref for ref, each in wanted.items() if lost("update", ref, ledger, found=each.state, wanted=each.state)}
    assert same == set()


def test_a_kind_of_another_version_counts_as_one_that_holds_something(ledger: dict[Ref, Owned]) -> None:
    assert "does not know" in lost("remove", Ref("share", "x", "node1"), ledger)


@pytest.mark.parametrize("directory", ["fernet-keys", "credential-keys"])
def test_other_keys_are_the_loss_of_those_that_were_there(directory: str, ledger: dict[Ref, Owned]) -> None:
    ref = Ref("file", f"{DATA}/keystone/{directory}/0", "node1")
    old, new = Hidden("old", b"k"), Hidden("new", b"k")
    assert lost("update", ref, ledger, found={"text": old.fingerprint}, wanted={"text": new}) == KEYS
    assert lost("update", ref, ledger, found={"text": old.fingerprint, "mode": "0644"}, wanted={"text": old}) == ""
    former = Losses(former=lambda _: {"text": old.fingerprint})
    assert lost("create", ref, ledger, former, wanted={"text": new}) == KEYS
    assert lost("create", ref, ledger, former, wanted={"text": old}) == ""


def test_keys_that_nobody_can_see_are_not_compared_with_prints_of_before(ledger: dict[Ref, Owned]) -> None:
    """Secrets that were read back are under another key, and with a box that is down nothing else is known."""
    ref = Ref("file", f"{DATA}/keystone/fernet-keys/0", "node1")
    former = Losses(former=lambda _: {"text": Hidden("same", b"before").fingerprint})
    unseen = Action("decide", Resource(ref, {"text": Hidden("same", b"now")}), None, ("its node is down",))
    assert mark(unseen, former.rule, ledger).destroys == ""
    credential = Ref("application-credential", "hotstack", "node1")
    former = Losses(former=lambda _: {"secret": Hidden("same", b"before").fingerprint})
    unseen = Action("decide", Resource(credential, {"secret": Hidden("same", b"now")}), None, ("its node is down",))
    assert mark(unseen, former.rule, ledger).destroys == ""
    seen = replace(unseen, verb="update", found={"secret": Hidden("other", b"now").fingerprint})
    assert "locked out" in mark(seen, former.rule, ledger).destroys


IMAGE: dict[str, str | int] = {
    "sha256": "old",
    "format": "raw",
    "status": "active",
    "copies": 1,
    "visibility": "public",
}


@pytest.mark.parametrize(
    ("seen", "asked", "goes"),
    [
        ({}, {"sha256": "new"}, True),
        ({}, {"format": "qcow2"}, True),
        ({"copies": 2}, {}, True),
        ({"status": "deactivated"}, {}, True),
        ({"status": "queued"}, {"sha256": "new"}, False),
        ({"sha256": "unknown"}, {"sha256": "new"}, False),
        ({"visibility": "private"}, {}, False),
        ({}, {}, False),
    ],
)
def test_other_bytes_are_the_end_of_the_image_that_was_there(
    seen: dict[str, str | int], asked: dict[str, str | int], goes: bool, ledger: dict[Ref, Owned]
) -> None:
    ref = Ref("image", "of-people", "node1")
    said = lost("update", ref, ledger, found={**IMAGE, **seen}, wanted={**IMAGE, **asked})
    assert ("the former image of-people" in said) == goes
    assert (
        lost("update", ref, ledger, Losses(built=frozenset({"of-people"})), found=IMAGE, wanted={"sha256": "n"}) == ""
    )


def test_bytes_that_nobody_can_see_count_as_they_were_last_known(ledger: dict[Ref, Owned]) -> None:
    ref = Ref("image", "of-people", "node1")
    former = Losses(former=lambda _: IMAGE)
    decide = Action("decide", Resource(ref, {**IMAGE, "sha256": "new"}), None, ("down",))
    owned = {**ledger, ref: Owned(ref)}
    assert "the former image of-people" in mark(decide, former.rule, owned).destroys
    assert mark(replace(decide, resource=Resource(ref, IMAGE)), former.rule, owned).destroys == ""


def test_a_missing_directory_of_data_is_not_begun_anew_without_a_word(ledger: dict[Ref, Owned]) -> None:
    mysql, working = (Ref("directory", f"{DATA}/{name}", "node1") for name in ("mysql", "neutron"))
    there = Losses(former=lambda _: {})
    assert "a disk not mounted" in lost("create", mysql, ledger, there)
    assert lost("create", working, ledger, there) == ""
    assert lost("create", mysql, {}, there) == ""  # a cloud that is made
    assert lost("create", mysql, ledger) == ""  # one whose making was broken off


@pytest.mark.parametrize("name", ["mysql", "ovn/nb", "ovn/sb"])
def test_a_directory_of_data_that_is_empty_is_not_filled_anew_without_a_word(
    name: str, wanted: dict[Ref, Resource], ledger: dict[Ref, Owned]
) -> None:
    """The place of a disk that is not mounted is there."""
    ref = Ref("directory", f"{DATA}/{name}", "node1")
    shall = wanted[ref].state
    there, empty = Losses(former=lambda _: {}), {**shall, "contents": "missing"}
    assert "a disk not mounted" in lost("update", ref, ledger, there, found=empty, wanted=shall)
    assert lost("update", ref, ledger, there, found={**shall, "mode": "0700"}, wanted=shall) == ""
    assert lost("update", ref, ledger, found=empty, wanted=shall) == ""  # of a cloud whose making was broken off


def test_a_database_that_is_missing_is_not_begun_anew_without_a_word(ledger: dict[Ref, Owned]) -> None:
    ref, there = Ref("database", "nova", "node1"), Losses(former=lambda _: {})
    assert "all that was in the database nova" in lost("create", ref, ledger, there)
    assert lost("create", ref, {}, there) == ""
    assert lost("create", ref, ledger) == ""


def test_whoever_names_the_directory_names_the_databases_in_it(
    wanted: dict[Ref, Resource], ledger: dict[Ref, Owned]
) -> None:
    database = wanted[Ref("database", "nova", "node1")]
    action = mark(Action("create", database, None, ()), Losses(former=lambda _: {}).rule, ledger)
    with pytest.raises(UnnamedLoss, match="database nova"):
        require_named([action], frozenset({Ref("directory", f"{DATA}/glance", "node1")}))
    require_named([action], frozenset({Ref("directory", f"{DATA}/mysql", "node1")}))
    assert Plan((action,)).unnamed(frozenset({Ref("directory", f"{DATA}/mysql", "node1")})) == ()


def test_a_subnet_of_other_addresses_is_another_subnet(ledger: dict[Ref, Owned]) -> None:
    ref = Ref("neutron", "subnet/public-subnet", "node1")
    found = {"cidr": "172.31.0.128/25", "network": "public", "dns": ()}
    assert "addresses" in lost("update", ref, ledger, found=found, wanted={**found, "cidr": "10.0.0.0/24"})
    assert lost("update", ref, ledger, found=found, wanted={**found, "dns": ("10.0.0.1",)}) == ""


def test_what_nobody_can_see_counts_as_it_was_last_known(ledger: dict[Ref, Owned]) -> None:
    """Other networks leave Neutron unreachable: what becomes of its subnet is known all the same."""
    ref = Ref("neutron", "subnet/public-subnet", "node1")
    former = Losses(former=lambda _: {"cidr": "172.31.0.128/25", "network": "public"})
    decide = Action("decide", Resource(ref, {"cidr": "10.0.0.0/24", "network": "public"}), None, ("down",))
    assert "addresses" in mark(decide, former.rule, ledger).destroys
    assert mark(decide, former.rule, {}).destroys == ""
    same = replace(decide, resource=Resource(ref, {"cidr": "172.31.0.128/25", "network": "public"}))
    assert mark(same, former.rule, ledger).destroys == ""


def test_people_of_services_own_nothing(ledger: dict[Ref, Owned]) -> None:
    assert lost("remove", Ref("identity", "user/nova", "node1"), ledger) == ""
    assert "somebody" in lost("remove", Ref("identity", "user/somebody", "node1"), ledger)


def test_a_box_that_is_missing_took_all_with_it(ledger: dict[Ref, Owned]) -> None:
    ref = Ref("box", "hotstack-os")
    assert "box is missing" in lost("create", ref, ledger)
    assert lost("create", ref, {}) == ""
    assert lost("create", ref, {ref: Owned(ref)}) == ""


def test_the_data_of_an_old_ledger_is_known_by_its_refs_alone() -> None:
    refs = [Ref.parse(f"lab:directory/{DATA}/cinder-nfs"), Ref.parse("lab:database/nova")]
    assert all(lost("remove", ref, {ref: Owned(ref)}) for ref in refs)
