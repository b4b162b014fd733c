"""A service's unit: what changes it, and what it says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from hotstack_os.catalogue.context import Context
from hotstack_os.catalogue.spec import Probe, Service
from hotstack_os.core.model import same
from hotstack_os.core.reasons import differences
from hotstack_os.hidden import Hidden
from hotstack_os.runtime import quadlet, services
from hotstack_os.runtime.quadlet import Container
from unit.runtime.clouds import make_context

SERVICE = Service("memcached", "memcached", ("memcached", "-m", "64"), 11211, Probe("memcached"), offset=5, uid=64212)


@pytest.fixture(scope="module")
def context() -> Context:
    return make_context(SERVICE)


@pytest.fixture
def container(context: Context) -> Container:
    files, secrets = {"/etc/a.conf": "[a]\nb = 1\n"}, {"/etc/a.secret": Hidden("canary", b"key")}
    return Container(SERVICE, "localhost/x:1", files, secrets, "10.0.0.1 one\n", context)


def lines(container: Container, key: str) -> list[str]:
    return [line.split("=", 1)[1] for line in quadlet.text(container).splitlines() if line.startswith(f"{key}=")]


CHANGES: Mapping[str, dict[str, object]] = {
    "image": {"image": "localhost/x:2"},
    "config": {"files": {"/etc/a.conf": "[a]\nb = 2\n"}},
    "config path": {"files": {"/etc/b.conf": "[a]\nb = 1\n"}},
    "secrets": {"secrets": {"/etc/a.secret": Hidden("other", b"key")}},
    "hosts": {"hosts": "10.0.0.2 one\n"},
    "unit": {"service": replace(SERVICE, command=("memcached", "-m", "65"))},
    "uid": {"service": replace(SERVICE, uid=7)},
    "rights": {"service": replace(SERVICE, capabilities=("NET_ADMIN",))},
    "environment": {"service": replace(SERVICE, environment={"A": "1"})},
}


@pytest.mark.parametrize("what", CHANGES)
def test_each_change_restarts_and_says_why(what: str, container: Container) -> None:
    changed = replace(container, **CHANGES[what])  # type: ignore[arg-type]
    assert quadlet.restart_digest(changed) != quadlet.restart_digest(container)
    before, after = (services.resource(each, "n", frozenset()).state for each in (container, changed))
    assert not same(after, before)
    reasons = differences(before, after)
    assert reasons
    assert "canary" not in "".join(reasons)
    assert not [reason for reason in reasons if "sha256" in reason or container.config_root in reason]


def test_only_what_changed_is_a_reason(container: Container) -> None:
    changed = replace(container, files={"/etc/a.conf": "[a]\nb = 2\n"})
    before, after = (services.resource(each, "n", frozenset()).state for each in (container, changed))
    assert differences(before, after) == ("config /etc/a.conf [a] b: 1 → 2",)


def test_the_same_is_the_same(container: Container, context: Context) -> None:
    again = Container(
        SERVICE, container.image, dict(container.files), dict(container.secrets), container.hosts, context
    )
    assert quadlet.restart_digest(again) == quadlet.restart_digest(container)
    assert quadlet.labelled(again) == quadlet.labelled(container)


def test_no_secret_stands_in_unit_arguments_or_digests(container: Container) -> None:
    said = quadlet.labelled(container) + " ".join(quadlet.container_args(container)) + repr(container)
    assert "canary" not in said
    other_key = replace(container, secrets={"/etc/a.secret": Hidden("canary", b"key of another cloud")})
    assert other_key.secrets_root != container.secrets_root


def test_rights_are_dropped_and_given_one_by_one(container: Container) -> None:
    assert lines(container, "DropCapability") == ["all"]
    assert lines(container, "NoNewPrivileges") == ["true"]
    assert lines(container, "ReadOnly") == ["true"]
    assert lines(container, "AddCapability") == []
    args = quadlet.container_args(container)
    assert {"--cap-drop=all", "--security-opt=no-new-privileges", "--read-only", "--user=64212:64212"} <= set(args)
    some = replace(container, service=replace(SERVICE, capabilities=("NET_ADMIN", "NET_RAW")))
    assert lines(some, "AddCapability") == ["NET_ADMIN NET_RAW"]


def test_only_a_privileged_service_is_privileged(container: Container) -> None:
    assert "--privileged" not in quadlet.text(container)
    powerful = replace(container, service=replace(SERVICE, privileged=True))
    assert "PodmanArgs=--privileged" in quadlet.text(powerful)
    assert "--privileged" in quadlet.container_args(powerful)


def test_an_address_of_its_own_or_the_nodes(container: Container) -> None:
    assert (lines(container, "Network"), lines(container, "IP")) == (["hotstack-os"], ["172.31.0.5"])
    here = replace(container, service=replace(SERVICE, offset=None))
    assert (lines(here, "Network"), lines(here, "IP"), lines(here, "PublishPort")) == (["host"], [], [])


def test_services_wait_for_each_other_but_never_fall_together(container: Container) -> None:
    later = replace(container, service=replace(SERVICE, after=("mariadb",)))
    assert lines(later, "After") == lines(later, "Wants") == [f"{quadlet.SETUP} hotstack-os-mariadb.service"]
    assert lines(later, "Requires") == lines(later, "BindsTo") == []
    assert lines(later, "StartLimitIntervalSec") == ["0"]


@pytest.mark.parametrize(
    ("word", "written"),
    [("-m", "-m"), ("a b", '"a b"'), ("50%", "50%%"), ("$HOME", "$$HOME"), ('"', '"\\""'), ("it's", '"it\'s"'),
     ("", '""'), ("a\\b", '"a\\\\b"'), (";", '";"')],
)  # fmt: skip
def test_words_of_the_command_are_taken_literally(word: str, written: str, container: Container) -> None:
    each = replace(container, service=replace(SERVICE, command=("run", word)))
    assert lines(each, "Exec") == [f"run {written}"]


def test_labels_change_nothing_else(container: Container) -> None:
    labels = [
        line for line in quadlet.labelled(container).splitlines() if line not in quadlet.text(container).splitlines()
    ]
    assert [line.split("=")[1] for line in labels] == ["hotstack-os.digest", "hotstack-os.hosts"]
