"""Placement: what there is to allocate, and who has it."""

from __future__ import annotations

from collections.abc import Mapping

from hotstack_os.catalogue import common
from hotstack_os.catalogue.context import Context
from hotstack_os.catalogue.spec import Account, Api, Component, ConfigFile, Database, Endpoint, Ini, Probe, Service
from hotstack_os.catalogue.wsgi import THREADS, WORKERS, uwsgi

UID = 64202
PORT = 8778


def for_readers(_: Context) -> Mapping[str, str]:
    """The version from which readers of a project may see its usage."""
    return {"OpenStack-API-Version": "placement 1.9"}


def placement_conf(context: Context) -> Ini:
    sections: Ini = {
        "DEFAULT": common.logging(),
        "api": {"auth_strategy": "keystone"},
        "placement_database": common.database(context, "placement", "placement"),
        **common.token_validation(context, "placement"),
        **common.policy(),
        **common.proxied(),
    }
    return common.remembering_tokens(context, "placement", sections)


COMPONENT = Component(
    name="placement",
    services=(
        Service(
            name="placement",
            image="placement",
            command=("uwsgi", "--ini", "/etc/uwsgi.ini"),
            workers=WORKERS,
            threads=THREADS,
            port=PORT,
            probe=Probe("http", "/", expect=(200,), deep="/usages?project_id={project}", deep_headers=for_readers),
            offset=13,
            uid=UID,
            config=(
                ConfigFile(
                    "/etc/placement/placement.conf",
                    placement_conf,
                    common.secrets_of("placement"),
                    options=common.OPTIONS,
                ),
                uwsgi("placement", "placement.wsgi.api", PORT),
            ),
            mounts=(common.TO_MEMCACHED,),
            tmpfs=common.tmpfs(),
            environment=common.ENVIRONMENT,
            api=Api("placement"),
            after=("mariadb", "memcached"),
            databases=("placement",),
        ),
    ),
    databases=(
        Database(
            "placement",
            "placement",
            service="placement",
            migrate=("placement-manage", "db", "sync"),
            project="placement",
        ),
    ),
    endpoints=(Endpoint("placement", "placement", "placement", description="Placement"),),
    accounts=(Account("placement"),),
)
