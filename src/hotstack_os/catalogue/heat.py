"""Heat: stacks."""

from __future__ import annotations

from collections.abc import Callable

from hotstack_os.catalogue import common
from hotstack_os.catalogue.context import Context
from hotstack_os.catalogue.spec import (
    Account,
    Api,
    Beat,
    Component,
    ConfigFile,
    Database,
    Domain,
    Endpoint,
    Ini,
    Probe,
    Service,
)
from hotstack_os.catalogue.wsgi import THREADS, WORKERS, uwsgi

UID = 64206
PORT, CFN_PORT = 8004, 8000
DOMAIN = Domain("heat", "heat_domain_admin")
REPORT_SECONDS = 10


def heat_conf(context: Context) -> Ini:
    """heat.conf of the engine, and what all have in common."""
    return {
        "DEFAULT": {
            **common.logging(),
            "transport_url": context.transport_url("heat"),
            "num_engine_workers": 1,
            # Also how often an engine says that it is alive.
            "periodic_interval": REPORT_SECONDS,
            "region_name_for_services": context.cloud.region,
            "heat_metadata_server_url": context.url("heat-cfn"),
            "heat_waitcondition_server_url": context.url("heat-cfn", "/v1/waitcondition"),
            "server_keystone_endpoint_type": "public",
            "stack_user_domain_name": DOMAIN.name,
            "stack_domain_admin": DOMAIN.administrator,
            "stack_domain_admin_password": context.secret(f"keystone-{DOMAIN.administrator}"),
            # 32 characters, as heat.common.crypt wants them.
            "auth_encryption_key": context.secret("heat-auth-encryption"),
        },
        "database": common.database(context, "heat", "heat"),
        "clients_keystone": {"auth_uri": context.url("keystone")},
        # It appends "/v3/ec2tokens" to the endpoint, whose place in the catalogue is under /v3 already.
        "ec2authtoken": {**common.login(context, "heat"), "endpoint_override": context.url("keystone")},
        "trustee": common.unscoped_login(context, "heat"),
        **common.token_validation(context, "heat"),
        **common.messaging(),
        **common.policy(),
        **common.proxied(),
    }


def heat_api_conf(context: Context) -> Ini:
    """heat.conf of the API."""
    return common.remembering_tokens(context, "heat", heat_conf(context))


def heat_cfn_conf(context: Context) -> Ini:
    """heat.conf of CloudFormation's API.

    Its new default rules compare the project of the token with that of a target which it never names
    (heat/api/cfn/v1/stacks.py, _enforce): alone they refuse everybody everything. The former ones count too; the engine
    shows each project its own stacks.
    """
    base = heat_api_conf(context)
    return {**base, "oslo_policy": {**base["oslo_policy"], "enforce_new_defaults": False}}


def _conf(render: Callable[[Context], Ini]) -> ConfigFile:
    return ConfigFile("/etc/heat/heat.conf", render, common.secrets_of("heat"), options=common.OPTIONS)


COMPONENT = Component(
    name="heat",
    services=(
        Service(
            name="heat-api",
            image="heat",
            command=("uwsgi", "--ini", "/etc/uwsgi.ini"),
            workers=WORKERS,
            threads=THREADS,
            port=PORT,
            # The API has no database; the engine answers for it, through the queue.
            probe=Probe("http", "/healthcheck", expect=(200,), deep="/v1/{project}/stacks?limit=1"),
            offset=51,
            uid=UID,
            config=(_conf(heat_api_conf), uwsgi("heat-api", "heat.wsgi.api", PORT)),
            mounts=(common.TO_MEMCACHED,),
            tmpfs=common.tmpfs(),
            environment=common.ENVIRONMENT,
            api=Api("heat", check="/healthcheck"),
            after=("memcached", "rabbitmq"),
            databases=("heat",),  # what asks the engine is of its release
        ),
        Service(
            name="heat-api-cfn",
            image="heat",
            command=("uwsgi", "--ini", "/etc/uwsgi.ini"),
            workers=WORKERS,
            threads=THREADS,
            port=CFN_PORT,
            # A token counts in the place of a signature where a user is named (heat/api/aws/ec2token.py).
            probe=Probe(
                "http",
                "/healthcheck",
                expect=(200,),
                deep="/v1/?Action=ListStacks",
                deep_headers=lambda _: {"X-Auth-User": "health"},
            ),
            offset=52,
            uid=UID,
            config=(_conf(heat_cfn_conf), uwsgi("heat-api-cfn", "heat.wsgi.cfn", CFN_PORT, threads=2)),
            mounts=(common.TO_MEMCACHED,),
            tmpfs=common.tmpfs(),
            environment=common.ENVIRONMENT,
            api=Api("heat-cfn", check="/healthcheck"),
            after=("memcached", "rabbitmq"),
            databases=("heat",),  # what asks the engine is of its release
        ),
        Service(
            name="heat-engine",
            image="heat",
            command=("heat-engine",),
            workers="DEFAULT.num_engine_workers",
            port=0,
            probe=Probe(
                "rpc",
                queue="engine",
                beat=Beat(
                    "heat.service",
                    "COALESCE(updated_at, created_at)",
                    "`binary` = 'heat-engine' AND hostname = 'heat-engine' AND deleted_at IS NULL",
                    3 * REPORT_SECONDS,
                ),
            ),
            offset=53,
            uid=UID,
            config=(_conf(heat_conf),),
            tmpfs=common.tmpfs(),
            environment=common.ENVIRONMENT,
            after=("mariadb", "rabbitmq"),
            databases=("heat",),
            stop_timeout=30,
        ),
    ),
    databases=(Database("heat", "heat", service="heat-engine", migrate=("heat-manage", "db_sync"), project="heat"),),
    endpoints=(
        Endpoint("heat", "orchestration", "heat", "/v1/%(tenant_id)s", "Stacks"),
        Endpoint("heat-cfn", "cloudformation", "heat-cfn", "/v1", "Stacks in CloudFormation's language"),
    ),
    # It acts for users with their trusts; signatures of stacks' own users are checked by the role `service`
    # (keystone/common/policies/ec2tokens.py).
    accounts=(Account("heat"),),
    queues=("heat",),
    # heat_stack_user is what the users in a stack have and may do almost nothing with.
    roles=("heat_stack_owner", "heat_stack_user"),
    domains=(DOMAIN,),
)
