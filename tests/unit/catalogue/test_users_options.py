"""What users say of services either reaches the program or is refused by its name: each service, each form."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hotstack_os.catalogue import registry
from hotstack_os.catalogue.context import Context
from hotstack_os.catalogue.images import IMAGES
from hotstack_os.catalogue.resolve import make_context
from hotstack_os.deploy.node import make_node
from hotstack_os.hidden import Hidden
from hotstack_os.runtime import quadlet
from hotstack_os.runtime.quadlet import Container
from hotstack_os.settings.loading import load
from hotstack_os.settings.problems import Problem, SettingsError
from hotstack_os.settings.takes import Takes
from unit.catalogue import world

TAKES = registry.takes()
FREE = "any_section_of_oslo"
FORMS = [
    (name, section) for name, takes in TAKES.items() for section in (*takes.sections, *([FREE] * takes.any_section))
]
NUMBERS = [(name, which) for name in TAKES for which in ("workers", "threads")]


def fernet(name: str) -> Hidden:
    """A key of 32 bytes that follows from its name."""
    return Hidden(base64.urlsafe_b64encode(name.encode().ljust(32, b".")[:32]).decode(), world.KEY)


def context(**services: Any) -> Context:
    """Of a cloud with all services that there can be."""
    cloud = world.cloud(nodes={"compute-1": {}}, services={"nova-compute-fake": {}, **services})
    return make_context(cloud, world.context().facts, registry.components(cloud), world.secret, fernet)


def containers(**services: Any) -> dict[str, Container]:
    """Of that cloud's first node."""
    images = {image.name: image.name for image in IMAGES}
    here = context(**services)
    return dict(make_node(here, registry.components(here.cloud), images, lambda *_: (), world.KEY).containers)


PLAIN = containers()


def started_from(container: Container) -> str:
    """All that a service reads, and how it is started."""
    return "\n".join([*container.files.values(), quadlet.text(container)])


def changed(**services: Any) -> set[str]:
    """The services that would be restarted for these settings."""
    after = containers(**services)
    return {name for name in PLAIN if quadlet.restart_digest(PLAIN[name]) != quadlet.restart_digest(after[name])}


def refused(tmp_path: Path, service: str, text: str) -> Problem:
    """The one problem with what is said of a service."""
    file = tmp_path / "lab.yaml"
    file.write_text(f"services:\n  {service}: {text}\n")
    with pytest.raises(SettingsError) as caught:
        load(file, {}, TAKES)
    (problem,) = caught.value.problems
    assert problem.where == f"{file}:2"
    return problem


def test_every_service_takes_options_of_some_kind() -> None:
    assert PLAIN.keys() == TAKES.keys()
    assert not [name for name, takes in TAKES.items() if not (takes.sections or takes.any_section)]


@pytest.mark.parametrize(("service", "section"), FORMS)
def test_an_option_reaches_what_the_service_is_started_from(service: str, section: str, tmp_path: Path) -> None:
    said = {service: {"config": {section: {"planted-option": 7341}}}}
    (tmp_path / "lab.yaml").write_text(f"services: {{{service}: {{config: {{{section}: {{planted-option: 7341}}}}}}}}")
    assert load(tmp_path / "lab.yaml", {}, TAKES).services[service].config == said[service]["config"]
    lines = [line for line in started_from(containers(**said)[service]).splitlines() if "planted-option" in line]
    assert len(lines) == 1
    assert "7341" in lines[0]
    assert changed(**said) == {service}


@pytest.mark.parametrize(("service", "section"), [form for form in FORMS if form[1] != FREE])
def test_an_option_of_the_programs_file_is_replaced(service: str, section: str) -> None:
    """The user's word is the only one: no program is left to choose between two."""
    before = started_from(PLAIN[service])
    file = {"global": "maxconn 4000", "defaults": "timeout client 300s", "mariadbd": "max_connections = 500",
            "rabbitmq": "collect_statistics_interval = 60000", "dnsmasq": "local=/hotstack-os.local/",
            "uwsgi": "socket-timeout = 120", "sshd": "X11Forwarding no"}.get(section)  # fmt: skip
    if file is None:  # a command line, on which the last word counts
        assert TAKES[service].sections == (section,)
        assert registry.services()[service].arguments
        return
    option, value = file.replace(" = ", "\0").replace("=", "\0").rpartition("\0" if "=" in file else " ")[::2]
    assert file in before
    told = containers(**{service: {"config": {section: {option.upper().replace("_", "-"): "planted"}}}})[service]
    text = "\n".join(told.files.values())
    assert f"{file.removesuffix(value)}planted" in [line.strip() for line in text.splitlines()]
    assert file not in text


@pytest.mark.parametrize(("service", "which"), NUMBERS)
def test_a_number_works_or_is_refused(service: str, which: str, tmp_path: Path) -> None:
    becomes = getattr(TAKES[service], which)
    if not becomes:
        problem = refused(tmp_path, service, f"{{{which}: 7}}")
        assert problem.key == f"services.{service}.{which}"
        assert service in problem.wanted
        return
    option = becomes.partition(".")[2]
    text = started_from(containers(**{service: {which: 7}})[service])
    assert any(f"{option}{separator}7" in text for separator in (" = ", "=", " "))
    assert service in changed(**{service: {which: 7}})
    both = f"{{{which}: 7, config: {{{becomes.partition('.')[0]}: {{{option}: 7}}}}}}"
    problem = refused(tmp_path, service, both)
    assert problem.found in ("both", repr(option))


@pytest.mark.parametrize("service", [name for name, takes in TAKES.items() if not takes.any_section])
def test_a_section_that_a_service_has_not_is_refused(service: str, tmp_path: Path) -> None:
    problem = refused(tmp_path, service, "{config: {DEFAULT: {debug: true}}}")
    assert problem.key == f"services.{service}.config.DEFAULT"
    assert all(section in problem.wanted for section in TAKES[service].sections)


@pytest.mark.parametrize("service", [name for name, takes in TAKES.items() if takes.own])
def test_what_the_cloud_relies_on_is_refused_with_the_reason(service: str, tmp_path: Path) -> None:
    own = TAKES[service].own
    planted = {section: dict.fromkeys(options, "planted-secret") for section, options in own.items()}
    (tmp_path / "lab.yaml").write_text(json.dumps({"services": {service: {"config": planted}}}))
    with pytest.raises(SettingsError) as caught:
        load(tmp_path / "lab.yaml", {}, TAKES)
    said = {problem.key: problem.hint for problem in caught.value.problems}
    above = f"services.{service}.config"
    assert said == {f"{above}.{name}.{option}": why for name, each in own.items() for option, why in each.items()}
    assert "planted-secret" not in str(caught.value)


@pytest.mark.parametrize("option", ["bind_address", "BIND-ADDRESS"])
def test_another_spelling_of_it_is_refused_too(option: str, tmp_path: Path) -> None:
    assert "relies on" in refused(tmp_path, "mariadb", f"{{config: {{mariadbd: {{{option}: x}}}}}}").hint


def test_a_name_of_several_words_is_haproxys_alone(tmp_path: Path) -> None:
    said = {"haproxy": {"config": {"defaults": {"timeout client": "10m"}}}}
    assert "  timeout client 10m\n" in containers(**said)["haproxy"].files["/etc/haproxy/haproxy.cfg"]
    problem = refused(tmp_path, "keystone", "{config: {token: {max life: 1}}}")
    assert problem.key == "services.keystone.config.token.max life"


def test_truth_is_a_flag_where_a_program_has_flags() -> None:
    said = {
        "memcached": {"config": {"memcached": {"disable-cas": True, "lock-memory": False, "v": True, "f": 1.5}}},
        "dnsmasq": {"config": {"dnsmasq": {"log-queries": True, "no-poll": False}}},
        "haproxy": {"config": {"defaults": {"option forwardfor": False, "option http-server-close": True}}},
        "rabbitmq": {"config": {"rabbitmq": {"log.console": False}}},
    }
    after = containers(**said)
    assert after["memcached"].service.command[-4:] == ("--disable-cas", "-v", "-f", "1.5")
    dnsmasq = after["dnsmasq"].files["/etc/dnsmasq.conf"].splitlines()
    assert "log-queries" in dnsmasq
    assert "no-poll" not in dnsmasq
    haproxy = after["haproxy"].files["/etc/haproxy/haproxy.cfg"]
    assert "  option http-server-close\n" in haproxy
    assert "forwardfor" not in haproxy
    assert "log.console = false" in after["rabbitmq"].files["/etc/rabbitmq/rabbitmq.conf"].splitlines()


def test_uwsgi_refuses_options_that_it_does_not_know_where_the_user_sets_any() -> None:
    """And what Neutron asks it for (uwsgi.opt["start-time"]) is set in the one way that is no unknown option then."""
    said = {"glance": {"config": {"uwsgi": {"harakiri": 120}}}}
    text = containers(**said)["glance"].files["/etc/uwsgi.ini"]
    assert text.endswith("harakiri = 120\nset-placeholder = start-time=%t\nstrict = true\n")
    assert "\nstart-time" not in text
    assert "\nhttp-chunked-input" not in text  # of a router that is not there, and refused then
    text = containers(glance={"workers": 2})["glance"].files["/etc/uwsgi.ini"]
    assert "strict" not in text
    assert "\nstart-time = %t\n" in text


def secrets() -> Iterator[tuple[str, str, str]]:
    """Every secret option of every ini file: service, section, option."""
    here = context()
    for service in registry.services(here.cloud).values():
        for file in service.config:
            content = file.render(here)
            if not isinstance(content, str | Hidden):
                for section, options in content.items():
                    for option, value in options.items():
                        if isinstance(value, Hidden):
                            yield service.name, section, option


def test_no_secret_of_the_cloud_can_be_set_in_the_settings() -> None:
    found = list(secrets())
    assert ("nova-api", "DEFAULT", "transport_url") in found
    assert [each for each in found if not TAKES[each[0]].owned(each[1], each[2])] == []


def test_what_nobody_says_a_thing_of_takes_everything() -> None:
    assert Takes().owned("DEFAULT", "transport_url") is None
