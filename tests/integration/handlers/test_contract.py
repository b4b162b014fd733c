"""What every handler promises, tried for each kind of thing on a bare box."""

from __future__ import annotations

import pytest

from hotstack_os.core.diff import decide, decide_unwanted
from hotstack_os.core.model import Absent, Observation, Owned, Present, Resource, same
from hotstack_os.core.plan import Action, Conflict
from hotstack_os.core.reasons import differences
from hotstack_os.errors import HotstackError
from hotstack_os.host import files
from hotstack_os.runtime import quadlets
from integration.handlers.cases import CANARY, NAMES, NODE, Case, Side
from integration.handlers.conftest import Place


def see(place: Place, side: Side) -> Observation:
    """What the handler sees of the wanted thing."""
    return side.handler(place.host).observe([side.resource])[side.resource.ref]


def is_so(side: Side, seen: Observation) -> bool:
    return isinstance(seen, Present) and same(side.resource.state, seen.state)


def ours(side: Side, before: Observation) -> Owned:
    """What the ledger holds after we made, or changed, this thing."""
    return Owned(side.resource.ref, before=before.state if isinstance(before, Present) else None)


def bring(place: Place, side: Side, before: Observation, seen: Observation) -> Action:
    """Do what a plan would do about what is seen; see that it helped."""
    todo = decide(side.resource, seen, {side.resource.ref: ours(side, before)})
    assert isinstance(todo, Action), todo
    side.handler(place.host).apply(todo)
    assert is_so(side, see(place, side)), differences_seen(place, side)
    return todo


def differences_seen(place: Place, side: Side) -> object:
    seen = see(place, side)
    return differences(seen.state, side.resource.state) if isinstance(seen, Present) else seen


@pytest.mark.parametrize("name", NAMES)
def test_a_handler_keeps_the_contract(place: Place, name: str) -> None:
    case = place.cases[name]
    place.sh(case.prepare)
    before = see(place, case.first)

    create(place, case, before)
    stay_when_applied_again(place, case)
    see_and_mend_drift(place, case, before)
    change(place, case, before)
    give_back(place, case, before)
    place.sh(case.after)


def create(place: Place, case: Case, before: Observation) -> None:
    todo = bring(place, case.first, before, before)
    assert todo.verb == ("update" if isinstance(before, Present) else "create")
    place.sh(case.works)


def stay_when_applied_again(place: Place, case: Case) -> None:
    case.first.handler(place.host).apply(Action("update", case.first.resource, None, ()))
    seen = see(place, case.first)
    assert is_so(case.first, seen)
    assert not case.secret or CANARY not in repr(seen)


def see_and_mend_drift(place: Place, case: Case, before: Observation) -> None:
    for line in case.drifts:
        place.sh(line)
        seen = see(place, case.first)
        assert not is_so(case.first, seen), f"not seen: {line}"
        todo = bring(place, case.first, before, seen)
        assert todo.reasons, f"no reason given after {line}"
        assert not case.secret or CANARY not in repr(todo)
    place.sh(case.works)


def change(place: Place, case: Case, before: Observation) -> None:
    if case.then is None:
        return
    seen = see(place, case.then)
    foreign = decide(case.then.resource, seen, {})
    assert isinstance(foreign, Action if case.first.resource.foreign == "adopt" else Conflict)
    todo = bring(place, case.then, before, seen)
    assert todo.reasons
    assert not case.secret or CANARY not in repr(todo)
    assert not is_so(case.first, see(place, case.first))


def give_back(place: Place, case: Case, before: Observation) -> None:
    """As before: gone, or in the state in which it was found. It is observed as what is only owned: by its name."""
    last = case.then or case.first
    former = before.state if isinstance(before, Present) else {}
    bare = Side(Resource(last.resource.ref, former), last.handler)
    seen = see(place, bare)
    assert not case.secret or CANARY not in repr(seen)
    todo = decide_unwanted(ours(last, before), seen)
    assert todo.verb == ("restore" if isinstance(before, Present) else "remove")
    last.handler(place.host).apply(todo)
    after = see(place, bare)
    assert isinstance(after, Absent) if isinstance(before, Absent) else is_so(bare, after)


def test_a_unit_that_lies_wrong_is_put_right_without_a_restart(place: Place) -> None:
    side = place.cases["service"].first
    handler, unit = side.handler(place.host), quadlets.path_of("memcached")
    handler.apply(Action("create", side.resource, None, ()))
    started = "podman container inspect --format '{{.State.StartedAt}}' hotstack-os-memcached"
    since = place.sh(started)
    for drift, found in ((f"echo >> {unit}", "another"), (f"rm {unit}; systemctl daemon-reload", "missing")):
        place.sh(drift)
        todo = decide(side.resource, see(place, side), {side.resource.ref: ours(side, Absent())})
        assert isinstance(todo, Action)
        assert todo.reasons == (f"unit file: {found} → in place",)
        side.handler(place.host).apply(todo)
        assert is_so(side, see(place, side))
    assert place.sh(started) == since
    handler.apply(Action("remove", side.resource, None, ()))


@pytest.mark.parametrize(
    ("name", "takes", "gives"),
    [
        ("service", "podman create --name hotstack-os-memcached {image}", "podman rm hotstack-os-memcached"),
        (
            "service",
            "printf '[Container]\\nImage={image}\\n' > /etc/containers/systemd/hotstack-os-memcached.container",
            "rm /etc/containers/systemd/hotstack-os-memcached.container",
        ),
        (
            "service",
            (
                "printf '[Service]\\nExecStart=sleep 1\\n' > /etc/systemd/system/hotstack-os-memcached.service;"
                " systemctl daemon-reload"
            ),
            "rm /etc/systemd/system/hotstack-os-memcached.service; systemctl daemon-reload",
        ),
        ("user", "useradd --system --uid 64999 --no-create-home other", "userdel other"),
        ("user", "groupadd hottest", "groupdel hottest"),
        ("user", "mkdir /var/lib/hottest && touch /var/lib/hottest/precious", "rm -r /var/lib/hottest"),
        ("bridge", "ip link add hot-t type veth peer name hot-u", "ip link delete hot-t"),
    ],
)
def test_what_others_have_under_a_name_of_ours_is_a_conflict(place: Place, name: str, takes: str, gives: str) -> None:
    side = place.cases[name].first
    place.sh(takes.format(image=side.resource.state.get("image", "")))
    try:
        seen = see(place, side)
        for ledger in ({}, {side.resource.ref: ours(side, Absent())}):
            assert isinstance(decide(side.resource, seen, ledger), Conflict)
    finally:
        place.sh(gives)
    assert isinstance(see(place, side), Absent)


def test_directories_that_others_use_stay_for_them(place: Place) -> None:
    handler = files.DirectoryHandler(place.host, ("/srv/s",))
    shared = files.directory("/srv/s", NODE)
    for line, left in (("touch /srv/s/theirs", "theirs"), ("rm /srv/s/theirs", "")):
        handler.apply(Action("create", shared, None, ()))
        place.sh(line)
        handler.apply(Action("remove", shared, None, ()))
        assert place.sh("ls /srv/s 2> /dev/null || true").strip() == left
    assert isinstance(handler.observe([shared])[shared.ref], Absent)


def test_a_unit_that_quadlet_refuses_does_not_replace_the_one_that_is_there(place: Place) -> None:
    units, path = quadlets.Units(place.host), quadlets.path_of("tried")
    good = "[Container]\nContainerName=hotstack-os-tried\nImage=localhost/x:1\n"
    units.put("tried", good)
    with pytest.raises(HotstackError, match="unsupported key 'Wrong'"):
        units.put("tried", f"{good}Wrong=yes\n")
    assert place.sh(f"cat {path}") == good
    place.sh("systemctl cat hotstack-os-tried.service")
    units.remove("tried")
    place.sh(f"! ls {path} && ! systemctl cat hotstack-os-tried.service")
