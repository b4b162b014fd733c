"""The questions for node/health.py, from the catalogue."""

from __future__ import annotations

import json
from typing import Any

from hotstack_os.catalogue.context import Context
from hotstack_os.catalogue.spec import Service
from hotstack_os.hidden import Hidden

SOCKET = "/run/hotstack-os/mariadb/mysqld.sock"


def probe_file(services: dict[str, Service], context: Context) -> Hidden:
    """The text of /etc/hotstack-os/health.json; secret, since it holds the broker's health user."""
    password = context.secret("rabbitmq-health")
    probes = {name: _probe(service, context, password) for name, service in services.items()}
    return password.around(json.dumps({"services": probes}, indent=1, sort_keys=True) + "\n")


def _probe(service: Service, context: Context, password: Hidden) -> dict[str, Any]:
    probe = service.probe
    common = {"kind": probe.kind, "host": context.address(service.name), "port": context.ports[service.name]}
    match probe.kind:
        case "http":
            return {**common, "path": probe.path, "expect": list(probe.expect)}
        case "amqp":
            return {**common, "user": "health", "password": password.reveal()}
        case "mysql":
            return {**common, "socket": SOCKET}
        case "dns":
            return {**common, "name": context.host(probe.name), "answer": context.gateway}
        case _:
            return common
