"""What the configurations of OpenStack's services have in common, each part said once."""

from __future__ import annotations

from collections.abc import Mapping

from hotstack_os.catalogue.context import MEMCACHED, Context
from hotstack_os.catalogue.spec import ConfigFile, Mount, Options, Value

Section = Mapping[str, Value]
Sections = Mapping[str, Section]

ENVIRONMENT: Mapping[str, str] = {
    # glibc gives each thread an arena of its own, which services with many small threads never fill.
    "MALLOC_ARENA_MAX": "2",
    # Names come from /etc/hosts. Eventlet, which everything imports, would bring a resolver of its own along: 9 MB and
    # 0.07 s for each service.
    "EVENTLET_NO_GREENDNS": "yes",
}

QUIET = (
    "amqp=WARNING",
    "amqplib=WARNING",
    "sqlalchemy=WARNING",
    "oslo.messaging=WARNING",
    "oslo_messaging=WARNING",
    "iso8601=WARNING",
    "requests.packages.urllib3.connectionpool=WARNING",
    "urllib3.connectionpool=WARNING",
    "websocket=WARNING",
    "keystonemiddleware=WARNING",
    "routes.middleware=WARNING",
    "stevedore=WARNING",
    "taskflow=WARNING",
    "keystoneauth=WARNING",
    "oslo.cache=WARNING",
    "oslo_policy=WARNING",
    "dogpile.core.dogpile=WARNING",
)
"""oslo.log's own default levels, and the policy engine's: it warns of every deprecated rule at each start."""


_OWN = "A secret of the cloud's own; settings are shown and recorded in clear."
_LOGINS = ("service_user", "nova", "placement", "cinder")
OPTIONS = Options(
    own={
        "DEFAULT": dict.fromkeys(
            (
                "transport_url",
                "metadata_proxy_shared_secret",
                "stack_domain_admin_password",
                "auth_encryption_key",
            ),
            _OWN,
        ),
        **{each: {"connection": _OWN} for each in ("database", "api_database", "placement_database")},
        **{each: {"password": _OWN} for each in (*_LOGINS, "trustee", "ec2authtoken")},
        "keystone_authtoken": dict.fromkeys(("password", "memcache_secret_key"), _OWN),
        "neutron": dict.fromkeys(("password", "metadata_proxy_shared_secret"), _OWN),
        "vnc": dict.fromkeys(("novncproxy_host", "novncproxy_port"), "Users find it at `ports.novnc`."),
    }
)
"""What users may set in oslo.config's files: all but the cloud's own secrets, and where HAProxy finds a service."""


def secrets_of(project: str) -> str:
    """Where a project's secret options are: a directory that oslo.config reads by itself after the project's file."""
    return f"/etc/{project}/{project}.conf.d/secrets.conf"


def logging() -> Section:
    """Everything to standard error, which is the journal; times and names are the journal's."""
    return {
        "use_stderr": True,
        "default_log_levels": QUIET,
        "logging_context_format_string": "%(levelname)s %(name)s"
        " [%(global_request_id)s %(request_id)s %(user_identity)s] %(instance)s%(message)s",
        "logging_exception_prefix": "%(levelname)s %(name)s %(instance)s",
        "logging_default_format_string": "%(levelname)s %(name)s %(instance)s%(message)s",
    }


def credentials(context: Context, user: str) -> Section:
    """How a service logs in at Keystone as `user`, and the region in which it finds others."""
    return {**login(context, user), "region_name": context.cloud.region}


def login(context: Context, user: str) -> Section:
    """How a service logs in at Keystone as `user` in the project of the services."""
    return {**unscoped_login(context, user), "project_domain_name": "Default", "project_name": "service"}


def unscoped_login(context: Context, user: str) -> Section:
    """How a service logs in as `user` in no project: Heat's trustee, whose projects are those of its trusts."""
    return {
        "auth_type": "password",
        "auth_url": context.url("keystone", "/v3"),
        "user_domain_name": "Default",
        "username": user,
        "password": context.secret(f"keystone-{user}"),
    }


def token_validation(context: Context, user: str) -> Sections:
    """Who may come in: tokens are validated at Keystone.

    A service token must be one of a service: `service_token_roles_required` is off by default only for old clouds
    (keystonemiddleware, auth_token).
    """
    return {
        "keystone_authtoken": {
            **credentials(context, user),
            "www_authenticate_uri": context.url("keystone", "/v3"),
            "service_token_roles": "service",
            "service_token_roles_required": True,
            # Of a whole request, in seconds. Without it a lost connection to Keystone holds the caller's thread for as
            # long as TCP tries, two minutes, and a few of them hold the service long after Keystone is back.
            "http_connect_timeout": round(10 * context.cloud.patience),
        }
    }


def remembering_tokens(context: Context, user: str, sections: Sections) -> Sections:
    """The sections of an API, which remembers in memcached the tokens that Keystone has validated.

    Encrypted and signed with a key that only the services of this `user` have: others that reach memcached can neither
    read what is there nor have it believed.
    """
    memory: Section = {
        "memcached_servers": MEMCACHED.url,
        "memcache_security_strategy": "ENCRYPT",
        "memcache_secret_key": context.secret(f"token-cache-{user}"),
    }
    return {**sections, "keystone_authtoken": {**sections["keystone_authtoken"], **memory}}


def service_token(context: Context, user: str) -> Sections:
    """A service's own token beside the user's: long operations outlive the user's."""
    return {"service_user": {**login(context, user), "send_service_user_token": True}}


def database(context: Context, name: str, user: str) -> Section:
    """A database with a pool that fits one worker of a small cloud; the server closes idle connections later."""
    return {
        "connection": context.database_url(name, user),
        "max_pool_size": 5,
        "max_overflow": 20,
        "connection_recycle_time": 600,
        "max_retries": -1,
    }


def cache() -> Sections:
    """memcached for what is asked for again and again; whoever has it also has `cache_key`.

    Without retries the first request of each thread after a restart of memcached fails with status 500.
    """
    return {
        "cache": {
            "enabled": True,
            "backend": "dogpile.cache.pymemcache",
            "memcache_servers": MEMCACHED.url,
            "enable_retry_client": True,
            "retry_attempts": 2,
            "retry_delay": 0.05,
            "dead_timeout": 5,
        }
    }


def cache_key(user: str) -> ConfigFile:
    """The key with which services of `user` seal what they put into memcached (images/files/sealed_cache.py).

    oslo.cache by itself believes, and unpickles, whatever it finds there.
    """
    return ConfigFile("/etc/hotstack/cache.key", lambda context: context.fernet(f"cache-{user}"))


TO_MEMCACHED = Mount(MEMCACHED.directory, MEMCACHED.mounted, writable=False)
"""The only way to memcached: its socket. Who connects need not write to the directory."""


def messaging() -> Sections:
    """Queues that RabbitMQ 4 supports with one broker.

    Topic queues are durable classic queues: on one node a quorum queue is no safer, and costs a Raft log with an fsync
    per message and several Erlang processes. Replies and fanouts stay transient, which RabbitMQ 4 still permits, and
    expire soon after the service that made them under a random name.
    """
    return {
        "oslo_messaging_rabbit": {"amqp_durable_queues": True, "rabbit_transient_queues_ttl": 300},
        "oslo_messaging_notifications": {"driver": "noop"},
    }


def policy() -> Sections:
    """Tokens must have the scope that an operation is for, and only the new default rules count."""
    return {"oslo_policy": {"enforce_scope": True, "enforce_new_defaults": True}}


def proxied() -> Sections:
    """URLs in answers are made of what HAProxy says that the client asked for."""
    return {"oslo_middleware": {"enable_proxy_headers_parsing": True}}


def tmpfs(*directories: str) -> tuple[str, ...]:
    """Where anyone in the container may write, beside /tmp; gone when it stops."""
    # Semaphores between processes are files in /dev/shm, which is read-only like the rest.
    return ("/tmp", *(f"{directory}:mode=1777" for directory in ("/dev/shm", *directories)))  # noqa: S108


def locks(directory: str) -> Sections:
    """Where locks between processes of one container are."""
    return {"oslo_concurrency": {"lock_path": directory}}
