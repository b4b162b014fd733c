"""Keystone: identity."""

from __future__ import annotations

from hotstack_os.catalogue import common
from hotstack_os.catalogue.context import Context
from hotstack_os.catalogue.spec import (
    Api,
    Component,
    ConfigFile,
    Database,
    Directory,
    Endpoint,
    Ini,
    Mount,
    Probe,
    Service,
)
from hotstack_os.catalogue.wsgi import WORKERS, uwsgi

UID = 64200


def keystone_conf(context: Context) -> Ini:
    return {
        "DEFAULT": {"use_stderr": True, "notification_format": "basic"},
        **common.cache(),
        "database": {
            "connection": context.database_url("keystone", "keystone"),
            "max_pool_size": 5,
            "max_overflow": 20,
            "connection_recycle_time": 600,
        },
        "oslo_messaging_notifications": {"driver": "noop"},
        "oslo_middleware": {"enable_proxy_headers_parsing": True},
        "oslo_policy": {"enforce_scope": True, "enforce_new_defaults": True},
        "token": {"provider": "fernet", "expiration": 14400},
        "fernet_tokens": {"max_active_keys": 3},
        # Heat makes a trust for each stack, which Keystone else refuses to whoever logged in with an application
        # credential. The one that we make has all roles of its user, so that a trust gives nothing more (Keystone's
        # reason for refusing, api/trusts.py). Who gives out narrower ones sets this to false.
        "security_compliance": {
            "allow_insecure_application_credential_trust_escalation": True,
            # Passwords that people choose can be guessed: after six wrong ones a user has to wait. The cloud's own
            # users do not (bootstrap/identity.py).
            "lockout_failure_attempts": 6,
            "lockout_duration": 300,
        },
    }


COMPONENT = Component(
    name="keystone",
    services=(
        Service(
            name="keystone",
            image="keystone",
            command=("uwsgi", "--ini", "/etc/uwsgi.ini"),
            workers=WORKERS,
            port=5000,
            # The user's own, which Keystone reads from the database each time.
            probe=Probe("http", "/v3", expect=(200,), deep="/v3/users/{user}/application_credentials"),
            offset=11,
            uid=UID,
            environment=common.ENVIRONMENT,
            config=(
                ConfigFile(
                    "/etc/keystone/keystone.conf",
                    keystone_conf,
                    "/etc/keystone/keystone.conf.d/secrets.conf",
                    options=common.OPTIONS,
                ),
                # One thread: Keystone keeps the caller's token in an attribute of its middleware, which all threads
                # share (request_processing/middleware/auth_context.py, `self.token`). With more of them a request is
                # served with the roles of whoever came next; Tempest's tests of application credentials met it.
                uwsgi("keystone", "keystone.wsgi.api", 5000, threads=1),
                common.cache_key("keystone"),
            ),
            mounts=(
                common.TO_MEMCACHED,
                Mount("{data}/keystone/fernet-keys", "/etc/keystone/fernet-keys", writable=False),
                Mount("{data}/keystone/credential-keys", "/etc/keystone/credential-keys", writable=False),
            ),
            api=Api("keystone", check="/v3", expect=200),
            after=("mariadb", "memcached"),
            databases=("keystone",),
        ),
    ),
    directories=(
        Directory("{data}/keystone", mode=0o755),
        Directory("{data}/keystone/fernet-keys", str(UID), str(UID), 0o700),
        Directory("{data}/keystone/credential-keys", str(UID), str(UID), 0o700),
    ),
    databases=(
        Database(
            "keystone", "keystone", service="keystone", migrate=("keystone-manage", "db_sync"), project="keystone"
        ),
    ),
    endpoints=(Endpoint("keystone", "identity", "keystone", "/v3", "Identity"),),
)
