"""The smoke test of one cloud: as its user, through the addresses that users have, from the node."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from hotstack_os.bootstrap.keystone import Keystone, KeystoneDown, LoginRefused
from hotstack_os.bootstrap.tokens import Tokens
from hotstack_os.content.api import Api
from hotstack_os.deploy.content import password_of
from hotstack_os.deploy.lock import smoking
from hotstack_os.deploy.machine import node_of
from hotstack_os.deploy.stages import Stages
from hotstack_os.errors import HotstackError
from hotstack_os.exec import Host
from hotstack_os.settings.cloud import Cloud
from hotstack_os.settings.secrets import Vault
from hotstack_os.smoke.scenario import Scenario
from hotstack_os.smoke.stack import API
from hotstack_os.smoke.wanted import wanted

PATHS = {"compute": ("nova", "/v2.1"), "volume": ("cinder", "/v3"), "network": ("neutron", "/v2.0")}
"""API → its name among the ports of the cloud, and the path of its version; Heat's has the project in it."""


@contextmanager
def scenario(cloud: Cloud, stages: Stages) -> Iterator[Scenario]:
    """The scenario on a cloud that runs, one at a time; HotstackError where it cannot be begun."""
    what = wanted(cloud)
    with smoking(cloud), node_of(cloud) as host:
        yield Scenario(host, user_api(cloud, host), what, stages.stage)


def user_api(cloud: Cloud, host: Host) -> Api:
    """The APIs behind HAProxy, as the user of the cloud's content, who is logged in."""
    content = cloud.content
    secret = Vault.open(cloud.state).secret(password_of(content))
    keystone = Keystone(
        host, url(cloud, "keystone", "/v3"), (content.user, secret), content.project, tokens=Tokens(None)
    )
    project = _logged_in(keystone, content.user)
    urls = {api: url(cloud, name, path) for api, (name, path) in PATHS.items()}
    return Api(host, keystone, {**urls, API: url(cloud, "heat", f"/v1/{project}")}, content.project, content.user)


def url(cloud: Cloud, api: str, path: str) -> str:
    """An API by the address that HAProxy listens at: a node need not know the names of its cloud."""
    return f"http://{cloud.networks.gateway}:{cloud.ports[api]}{path}"


def _logged_in(keystone: Keystone, user: str) -> str:
    """The id of the user's project."""
    hint = "See what is wrong: hotstack-os doctor."
    try:
        return keystone.project_id
    except KeystoneDown as error:
        raise HotstackError(error.wanted, error.found, hint) from None
    except LoginRefused:
        raise HotstackError(f"the user {user} to log in", "Keystone refuses the password", hint) from None
