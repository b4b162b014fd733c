"""The questions for node/health.py, from the catalogue."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from hotstack_os.catalogue.context import Context
from hotstack_os.catalogue.resolve import located
from hotstack_os.catalogue.spec import Login, Probe, Service
from hotstack_os.hidden import Hidden

SOCKET = "/run/hotstack-os/mariadb/mysqld.sock"
BROKER_USER = "health"
ACCOUNT = "health"
"""In Keystone: a user that may read what belongs to the project of the services, which is next to nothing."""
OVN_TABLES = {"OVN_Northbound": "NB_Global", "OVN_Southbound": "SB_Global"}


def probe_file(services: dict[str, Service], context: Context) -> Hidden:
    """The text of /etc/hotstack-os/health.json; secret, since it holds the passwords of the users for health."""
    secret = context.secret(f"rabbitmq-{BROKER_USER}")
    probes = {name: _probe(service, context) for name, service in services.items()}
    logins = {each.name: each for service in services.values() for each in service.probe.logins}
    content = {
        "services": probes,
        # A further node has no service that is asked with a token.
        "login": {} if context.further else _keystone_login(context),
        "logins": {name: _login(each, context) for name, each in logins.items()},
    }
    if context.cloud.patience != 1.0:
        content["patience"] = context.cloud.patience
    return secret.around(json.dumps(content, indent=1, sort_keys=True) + "\n")


def _login(login: Login, context: Context) -> dict[str, Any]:
    if login.kind == "rabbitmq":
        return {"kind": "amqp", **_broker(context, login.user)}
    password = context.secret(f"database-{login.user}").reveal()
    more = {"user": login.user, "password": password, "database": login.database}
    return {"kind": "mysql-login", **_address("mariadb", context), **more}


def _keystone_login(context: Context) -> dict[str, str]:
    url = f"http://{context.address('keystone')}:{context.ports['keystone']}/v3"
    password = context.secret(f"keystone-{ACCOUNT}").reveal()
    return {"service": "keystone", "url": url, "user": ACCOUNT, "password": password}


def _probe(service: Service, context: Context) -> dict[str, Any]:
    kind = service.probe.kind
    logins = [each.name for each in service.probe.logins]
    return {"kind": kind, **({"logins": logins} if logins else {}), **DETAILS[kind](service, context)}


def _own_address(service: Service, context: Context) -> dict[str, Any]:
    return _address(service.name, context)


def _address(service: str, context: Context) -> dict[str, Any]:
    return {"host": context.address(service), "port": context.ports[service]}


def _broker(context: Context, user: str = BROKER_USER) -> dict[str, Any]:
    password = context.secret(f"rabbitmq-{user}").reveal()
    return {**_address("rabbitmq", context), "user": user, "password": password}


def _memcached(service: Service, _: Context) -> dict[str, Any]:
    return {"socket": service.probe.path}


def _amqp(_: Service, context: Context) -> dict[str, Any]:
    return _broker(context)


def _mysql(_: Service, __: Context) -> dict[str, Any]:
    return {"socket": SOCKET}


def _dns(service: Service, context: Context) -> dict[str, Any]:
    return {**_own_address(service, context), "name": context.host(service.probe.name), "answer": context.gateway}


def _http(service: Service, context: Context) -> dict[str, Any]:
    probe = service.probe
    asked = {"path": probe.path, "expect": list(probe.expect)}
    return {**_own_address(service, context), **asked, "deep": _deep(probe, context) if probe.deep else None}


def _deep(probe: Probe, context: Context) -> dict[str, Any]:
    headers = dict(probe.deep_headers(context)) if probe.deep_headers else {}
    return {"path": probe.deep, "headers": headers, "expect": probe.deep_expect, "rounds": probe.deep_rounds}


def _rpc(service: Service, context: Context) -> dict[str, Any]:
    beat, node = service.probe.beat, context.facts.name
    assert beat
    where = beat.where.format(node=node)
    age = f"SELECT MIN(TIMESTAMPDIFF(SECOND, {beat.column}, UTC_TIMESTAMP())) FROM {beat.table} WHERE {where}"
    queue = service.probe.queue.format(node=node)
    seen = {"beat": "" if context.further else age, "seconds": beat.seconds}
    return {**_broker(context), "queue": queue, "socket": SOCKET, **seen}


def _worker(service: Service, context: Context) -> dict[str, Any]:
    probe = service.probe
    # Who holds a lock is known to live by that; it asks its database too seldom to be known by it.
    own = "" if probe.name else f" AND host LIKE '{context.address(service.name)}:%'"
    query = f"SELECT MIN(time) FROM information_schema.processlist WHERE db = '{probe.database}'{own}"
    asked = {"query": query, "socket": SOCKET, "seconds": probe.seconds, "lock": probe.name}
    return {**_address("ovn-nb-db", context), **asked}


def _ovsdb(service: Service, context: Context) -> dict[str, Any]:
    database = service.probe.name
    return {**_own_address(service, context), "name": database, "table": OVN_TABLES[database]}


def _ovn_agent(service: Service, context: Context) -> dict[str, Any]:
    deep = {"socket": located(service.probe.path, context), "rounds": service.probe.deep_rounds}
    return {**_address("ovn-sb-db", context), "chassis": context.facts.name, "deep": deep}


def _unixctl(service: Service, _: Context) -> dict[str, Any]:
    return {"path": service.probe.path, "ask": dict(service.probe.ask)}


DETAILS: Mapping[str, Callable[[Service, Context], dict[str, Any]]] = {
    "tcp": _own_address,
    "memcached": _memcached,
    "http": _http,
    "amqp": _amqp,
    "mysql": _mysql,
    "dns": _dns,
    "rpc": _rpc,
    "worker": _worker,
    "ovsdb": _ovsdb,
    "ovn-agent": _ovn_agent,
    "unixctl": _unixctl,
}
"""What each kind of question must know."""
