"""What OpenStack stands on: MariaDB, RabbitMQ, memcached, HAProxy, dnsmasq."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping

from hotstack_os.catalogue.context import HOSTS, MEMCACHED, SHUT, Context
from hotstack_os.catalogue.spec import (
    Component,
    ConfigFile,
    Directory,
    Ini,
    Mount,
    Options,
    Prepare,
    Probe,
    Service,
)
from hotstack_os.hidden import Hidden
from hotstack_os.render.lines import Lines

EPMD_PORT, ERLANG_PORT = 4369, 25672
MYSQL_UID, RABBITMQ_UID, MEMCACHED_UID, HAPROXY_UID, DNSMASQ_UID = 64210, 64211, 64212, 64213, 64214

_ADDRESS = "Where it listens is what the rest of the cloud relies on."
_FILES = "Where it keeps what is in follows from `paths.data`."
_RUN = "How it is run is systemd's word."


def _own(**reasons: tuple[str, ...]) -> dict[str, str]:
    """Option → why it is the program's own."""
    texts = {"address": _ADDRESS, "files": _FILES, "run": _RUN}
    return {option: texts[why] for why, options in reasons.items() for option in options}


MARIADB_OPTIONS = Options(
    ("mariadbd",),
    own={"mariadbd": _own(address=("bind-address", "port", "socket", "skip-networking"),
                          files=("datadir",), run=("pid-file", "user"))},
)  # fmt: skip
RABBITMQ_OPTIONS = Options(
    ("rabbitmq",),
    own={
        "rabbitmq": {
            **_own(address=("listeners.tcp.default", "listeners.tcp")),
            "load_definitions": "The cloud's users and their rights are in it.",
        }
    },
    lines=Lines(" = "),
)
MEMCACHED_OPTIONS = Options(
    ("memcached",),
    own={
        "memcached": {
            **_own(address=("listen", "l", "port", "p", "udp-port", "U", "unix-socket", "s", "unix-mask", "a"),
                   run=("user", "u", "daemon", "d", "pidfile", "P")),
            **dict.fromkeys(("enable-sasl", "S", "auth-file", "Y", "protocol", "B"),
                            "The cloud's services and its health check talk to it as it is."),
        }
    },
)  # fmt: skip
HAPROXY_OPTIONS = Options(
    ("global", "defaults"),
    own={"global": _own(run=("daemon", "master-worker", "pidfile", "user", "group", "uid", "gid", "chroot"))},
    lines=Lines(" ", flags=True, phrases=True),
)
DNSMASQ_OPTIONS = Options(
    ("dnsmasq",),
    own={
        "dnsmasq": {
            **_own(address=("listen-address", "interface", "port"),
                   run=("keep-in-foreground", "no-daemon", "pid-file", "user", "group", "conf-file")),
            "server": "Resolvers stand in the settings under `dns_servers`.",
            "host-record": "The names of the APIs are in it. `address` and `cname` are free.",
            "local": "It is the domain in the settings.",
        }
    },
    lines=Lines("=", flags=True),
)  # fmt: skip


def mariadb_conf(context: Context) -> Ini:
    return {
        "mariadbd": {
            "datadir": "/var/lib/mysql",
            "socket": "/run/mysqld/mysqld.sock",
            "pid-file": "/run/mysqld/mysqld.pid",
            "bind-address": "0.0.0.0",
            "port": context.ports["mariadb"],
            "skip-name-resolve": True,
            "character-set-server": "utf8mb4",
            "collation-server": "utf8mb4_general_ci",
            "max_connections": 500,
            # Seconds for a login; ten are too few for those who come all at once to a machine that is busy.
            "connect_timeout": round(60 * context.cloud.patience),
            # One cloud's working set is small; every service keeps a pool, so threads are cached and cheap.
            "innodb_buffer_pool_size": "96M",
            "innodb_log_file_size": "48M",
            "innodb_log_buffer_size": "4M",
            "aria_pagecache_buffer_size": "8M",
            "key_buffer_size": "1M",
            "table_open_cache": 512,
            "thread_cache_size": 16,
            "thread_stack": "256K",
            "performance_schema": False,
            # OpenStack re-reads rows that others changed meanwhile; the default of 11.8 makes that error 1020.
            "innodb_snapshot_isolation": False,
        }
    }


def rabbitmq_conf(context: Context) -> Ini:
    return {
        "rabbitmq": {
            "listeners.tcp.default": context.ports["rabbitmq"],
            "load_definitions": "/etc/rabbitmq/definitions.json",
            "loopback_users": "none",
            "log.console": True,
            "log.console.level": "warning",
            "log.file": False,
            "vm_memory_high_watermark.relative": 0.2,
            "disk_free_limit.absolute": "200MB",
            "collect_statistics_interval": 60000,
        }
    }


def rabbitmq_env(_: Context) -> str:
    return "NODENAME=rabbit@localhost\nRABBITMQ_LOGS=-\n"


RIGHTS = {
    "all": {"configure": ".*", "write": ".*", "read": ".*"},
    "none": {"configure": "^$", "write": "^$", "read": "^$"},
}
"""What users of the broker may do on its virtual host: patterns of names, as rabbitmqctl's set_permissions has them."""


def broker_users(context: Context) -> dict[str, tuple[Hidden, str]]:
    """user → password and rights: one for each project, and one that only looks whether the broker works."""
    rights = {"health": "none", **dict.fromkeys(context.queues, "all")}
    return {name: (context.secret(f"rabbitmq-{name}"), which) for name, which in rights.items()}


def rabbitmq_definitions(context: Context) -> Hidden:
    return broker_definitions(broker_users(context))


def broker_definitions(users: Mapping[str, tuple[Hidden, str]]) -> Hidden:
    """Users with salted hashes. The salt follows from the password, so that the file is the same each time."""
    text = json.dumps(
        {
            "users": [_rabbitmq_user(name, password) for name, (password, _) in users.items()],
            "vhosts": [{"name": "/"}],
            "permissions": [{"user": name, "vhost": "/", **RIGHTS[rights]} for name, (_, rights) in users.items()],
        },
        indent=1,
    )
    return next(password for password, _ in users.values()).around(text)


def _rabbitmq_user(name: str, password: Hidden) -> dict[str, object]:
    salt = hashlib.sha256(password.reveal().encode()).digest()[:4]
    digest = hashlib.sha256(salt + password.reveal().encode()).digest()
    return {
        "name": name,
        "password_hash": base64.b64encode(salt + digest).decode(),
        "hashing_algorithm": "rabbit_password_hashing_sha256",
        "tags": [],
    }


def haproxy_cfg(context: Context) -> Ini:
    stats: Ini = {
        "global": {"maxconn": 4000, "log": "stdout format raw daemon notice"},
        "defaults": {
            "mode": "http",
            "log": "global",
            "option dontlognull": True,
            "option forwardfor": True,
            "timeout connect": "5s",
            "timeout client": "300s",
            "timeout server": "300s",
            "timeout tunnel": "1h",
            # A back end that answers slowly is not gone: where it is the only one, there is nobody else to be asked.
            "timeout check": f"{round(60 * context.cloud.patience)}s",
        },
        "frontend stats": {
            "bind": f":{context.cloud.ports['stats']}",
            "stats enable": True,
            "stats uri": "/stats",
            "stats refresh": "10s",
            "http-request": "return status 200 content-type text/plain string ok if { path /healthcheck }",
        },
    }
    found = dict(stats)
    for service, api in context.apis:
        behind = f"{context.address(service.name)}:{context.ports[service.name]}"
        found[f"frontend {api.name}"] = {"bind": f":{context.cloud.ports[api.name]}", "default_backend": api.name}
        found[f"backend {api.name}"] = {
            "option": f"httpchk GET {api.check}",
            "http-check": f"expect status {api.expect}",
            "http-request": "set-header X-Forwarded-Proto http",
            # What has just become healthy is asked for by those who waited for it. A container that is gone answers
            # nothing, and each check waits 2 s for it: after the first one, not two seconds more before the next.
            f"server {service.name}": f"{behind} check inter 2s fastinter 500ms downinter 500ms fall 3 rise 1",
        }
    return found


def dnsmasq_conf(context: Context) -> Ini:
    networks, resolvers = context.cloud.networks, context.cloud.dns_servers
    upstream = [str(one) for one in resolvers] if resolvers is not None else list(context.facts.resolvers)
    return {
        "dnsmasq": {
            "keep-in-foreground": True,
            "log-facility": "-",
            "pid-file": "/tmp/dnsmasq.pid",  # noqa: S108 (inside the container)
            "user": "dnsmasq",
            "group": "dnsmasq",
            "bind-interfaces": True,
            "listen-address": (str(networks.gateway), str(networks.dns)),
            "no-resolv": True,
            "no-hosts": True,
            "no-poll": True,
            "domain-needed": True,
            "local": f"/{context.cloud.domain}/",
            "host-record": tuple(f"{name},{networks.gateway}" for name in host_names(context)),
            "server": tuple(upstream),
        }
    }


def host_names(context: Context) -> tuple[str, ...]:
    """Every name that leads to the gateway address, in the order of the catalogue."""
    names = [context.host(HOSTS.get(api.name, api.name)) for _, api in context.apis]
    return tuple(dict.fromkeys([*names, context.host("haproxy")]))


MARIADB = Component(
    name="mariadb",
    services=(
        Service(
            name="mariadb",
            image="mariadb",
            command=("mariadbd",),
            port=3306,
            probe=Probe("mysql"),
            offset=3,
            uid=MYSQL_UID,
            config=(ConfigFile("/etc/mysql/conf.d/hotstack-os.cnf", mariadb_conf, options=MARIADB_OPTIONS),),
            mounts=(Mount("{data}/mysql", "/var/lib/mysql"), Mount("/run/hotstack-os/mariadb", "/run/mysqld")),
            prepare=Prepare(
                (
                    "mariadb-install-db",
                    "--auth-root-authentication-method=socket",
                    "--auth-root-socket-user=root",
                    "--skip-test-db",
                    "--skip-name-resolve",
                ),
                "{data}/mysql",
            ),
            stop_timeout=60,
        ),
    ),
    directories=(Directory("{data}/mysql", str(MYSQL_UID), str(MYSQL_UID), 0o750),),
)

RABBITMQ = Component(
    name="rabbitmq",
    services=(
        Service(
            name="rabbitmq",
            image="rabbitmq",
            command=("/usr/lib/rabbitmq/bin/rabbitmq-server",),
            port=5672,
            # Erlang's own network: who is let in there may do everything, with a cookie for all protection.
            loopback=(EPMD_PORT, ERLANG_PORT),
            probe=Probe("amqp"),
            offset=4,
            uid=RABBITMQ_UID,
            config=(
                ConfigFile("/etc/rabbitmq/rabbitmq.conf", rabbitmq_conf, options=RABBITMQ_OPTIONS),
                ConfigFile("/etc/rabbitmq/rabbitmq-env.conf", rabbitmq_env),
                ConfigFile("/etc/rabbitmq/definitions.json", rabbitmq_definitions),
                ConfigFile("/etc/rabbitmq/enabled_plugins", lambda _: "[].\n"),
            ),
            mounts=(Mount("{data}/rabbitmq", "/var/lib/rabbitmq"),),
            environment={
                # One scheduler that sleeps when idle: busy waiting would cost more than all of the cloud's messages.
                "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 +sbwt none +sbwtdcpu none +sbwtdio none"
                " -kernel inet_dist_use_interface {127,0,0,1}",
                "ERL_EPMD_ADDRESS": "127.0.0.1",
                "HOME": "/var/lib/rabbitmq",
            },
            stop_timeout=30,
        ),
    ),
    directories=(Directory("{data}/rabbitmq", str(RABBITMQ_UID), str(RABBITMQ_UID), 0o750),),
)

CACHE = Component(
    name="memcached",
    services=(
        Service(
            name="memcached",
            image="memcached",
            # No network, no list of all keys, nobody who empties it or watches others.
            command=(
                *("memcached", "-m", "64", "-c", "1024", "-t", "1", "-X", "-F", "-W"),
                *("-s", f"{MEMCACHED.mounted}/{MEMCACHED.name}", "-a", "0666"),
            ),
            arguments=MEMCACHED_OPTIONS,
            threads="memcached.threads",
            port=0,
            probe=Probe("memcached", MEMCACHED.on_node),
            offset=5,
            uid=MEMCACHED_UID,
            mounts=(Mount(MEMCACHED.directory, MEMCACHED.mounted),),
        ),
    ),
    directories=(
        Directory(SHUT, mode=0o700),
        Directory(MEMCACHED.directory, str(MEMCACHED_UID), str(MEMCACHED_UID)),
    ),
)

HAPROXY = Component(
    name="haproxy",
    services=(
        Service(
            name="haproxy",
            image="haproxy",
            command=("haproxy", "-W", "-db", "-f", "/etc/haproxy/haproxy.cfg"),
            threads="global.nbthread",
            port="stats",
            probe=Probe("http", "/healthcheck", expect=(200,)),
            offset=6,
            uid=HAPROXY_UID,
            config=(ConfigFile("/etc/haproxy/haproxy.cfg", haproxy_cfg, options=HAPROXY_OPTIONS),),
            check=("haproxy", "-c", "-q", "-f", "/etc/haproxy/haproxy.cfg"),
            publish=("*",),
        ),
    ),
)

DNSMASQ = Component(
    name="dnsmasq",
    services=(
        Service(
            name="dnsmasq",
            image="dnsmasq",
            command=("dnsmasq", "--conf-file=/etc/dnsmasq.conf"),
            port=53,
            at=("gateway", "dns"),
            udp=True,
            probe=Probe("dns", name="keystone"),
            config=(ConfigFile("/etc/dnsmasq.conf", dnsmasq_conf, options=DNSMASQ_OPTIONS),),
            # It binds port 53 as root and becomes the user dnsmasq.
            capabilities=("NET_BIND_SERVICE", "NET_ADMIN", "NET_RAW", "SETUID", "SETGID"),
            check=("dnsmasq", "--test", "--conf-file=/etc/dnsmasq.conf"),
        ),
    ),
)

COMPONENTS = (DNSMASQ, HAPROXY, MARIADB, RABBITMQ, CACHE)
