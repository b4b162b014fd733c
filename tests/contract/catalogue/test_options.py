"""Every rendered oslo.config file against the options that the locked projects really have.

oslo-config-validator runs in an environment made of the release's lock, the very versions that the images hold.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import uv

from hotstack_os.exec import Command, run_here
from unit.catalogue import world

LOCK = Path(__file__).parents[3] / "locks" / "2025.2" / "requirements.lock"

COMMON = (
    "keystonemiddleware.auth_token",
    "oslo.cache",
    "oslo.concurrency",
    "oslo.db",
    "oslo.log",
    "oslo.messaging",
    "oslo.middleware",
    "oslo.middleware.http_proxy_to_wsgi",
    "oslo.policy",
    "oslo.service.service",
    "oslo.service.wsgi",
)
NAMESPACES = {
    "keystone": ("keystone",),
    "glance": ("glance.api", "glance.multi_store"),
    "placement": ("placement.conf",),
    "nova": ("nova.conf", "os_vif"),
    "neutron": (
        "neutron",
        "neutron.agent",
        "neutron.db",
        "neutron.extensions",
        "neutron.ml2",
        "neutron.ml2.ovn",
        "neutron.ml2.ovn.agent",
        "neutron.ovn.metadata.agent",
    ),
    "cinder": ("cinder",),
    "heat": ("heat.common.config", "heat.common.crypt", "heat.common.wsgi", "heat.api.aws.ec2token"),
}

# What the validator cannot know. Options that an authentication plugin brings along, wherever a plugin is configured:
PLUGIN = ("auth_type", "auth_url", "username", "password", "user_domain_name", "project_name", "project_domain_name")
PLUGIN_GROUPS = {
    "nova": ("service_user", "placement", "neutron", "cinder"),
    "neutron": ("nova", "placement"),
    "cinder": ("service_user", "nova"),
    "heat": ("trustee", "ec2authtoken"),
}
# Groups that are named by other options, and sections of privsep's contexts, which are registered when first used.
DYNAMIC = {
    "glance": ("os_glance_staging_store", "os_glance_tasks_store"),
    "nova": ("nova_sys_admin", "vif_plug_ovs_privileged", "privsep_osbrick"),
    "cinder": ("nfs", "cinder_sys_admin", "privsep_osbrick"),
}
# The list of a driver's options, registered by the agent alone (neutron/conf/agent/agent_extensions_manager.py).
UNLISTED = {"neutron": ("agent/extensions",)}


def _texts() -> dict[str, tuple[str, str]]:
    """service → its project and all its options in one text; services with the same text count once."""
    found: dict[str, tuple[str, str]] = {}
    for name, container in world.compute_node().containers.items():
        files = {**container.files, **{path: hidden.reveal() for path, hidden in container.secrets.items()}}
        for project in NAMESPACES:
            text = "\n".join(text for path, text in files.items() if path.startswith(f"/etc/{project}/{project}"))
            if text and (project, text) not in found.values():
                found[name] = (project, text)
    return found


TEXTS = _texts()


@pytest.fixture(scope="session")
def validator(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tool = uv.find_uv_bin()
    place = tmp_path_factory.mktemp("openstack") / "env"
    python = str(place / "bin" / "python")
    venv = (tool, "venv", "--quiet", "--no-python-downloads", f"--python={sys.executable}", str(place))
    run_here(Command(venv, "make an environment", timeout=600))
    install = (
        tool,
        "pip",
        "install",
        "--quiet",
        "--python",
        python,
        "--no-deps",
        "--no-verify-hashes",
        "-r",
        str(LOCK),
    )
    run_here(Command(install, "install OpenStack", timeout=1800))
    return place / "bin" / "oslo-config-validator"


def unknown(validator: Path, project: str, file: Path) -> set[str]:
    """The options, as group/name, that the validator does not know."""
    argv = [str(validator), f"--input-file={file}"]
    argv += [f"--namespace={name}" for name in (*NAMESPACES[project], *COMMON)]
    result = run_here(Command(tuple(argv), f"validate {file}", accept=frozenset({0, 1}), timeout=120))
    lines = [line.partition("ERROR:root:")[2] for line in result.stderr.splitlines()]
    return {line.split(" ")[0] for line in lines if line}


def excused(project: str) -> set[str]:
    """Options by group/name that the validator cannot know."""
    plugins = {f"{group}/{option}" for group in PLUGIN_GROUPS.get(project, ()) for option in PLUGIN}
    return plugins | set(UNLISTED.get(project, ()))


@pytest.mark.parametrize("service", TEXTS)
def test_every_option_exists(service: str, validator: Path, tmp_path: Path) -> None:
    project, text = TEXTS[service]
    file = tmp_path / "rendered.conf"
    # In a URL the angle brackets of the tests' secrets would be wrong.
    file.write_text(text.replace("<", "").replace(">", ""))
    found = unknown(validator, project, file) - excused(project)
    assert {option for option in found if option.partition("/")[0] not in DYNAMIC.get(project, ())} == set()


def test_every_project_is_looked_at() -> None:
    assert {project for project, _ in TEXTS.values()} == set(NAMESPACES)


def test_an_unknown_option_is_found(validator: Path, tmp_path: Path) -> None:
    file = tmp_path / "wrong.conf"
    file.write_text("[DEFAULT]\nno_such_option = 1\n")
    assert unknown(validator, "nova", file) == {"DEFAULT/no_such_option"}
