#!/usr/bin/python3 -I
"""Asks the services of a node whether they work. Runs on the node; standard library only.

  health.py wait SERVICE SECONDS   until it answers: readiness of a unit (ExecStartPost=)
  health.py wait-all SECONDS       until all answer: the gate before hotstack-os.target
  health.py watch                  for ever: writes what it sees to /run/hotstack-os/health.json

Every question fails when the service is broken: a login to the broker, a query to the database, a value stored in
the cache and read back, a name resolved, an answer of the application over HTTP. An open port alone is no health.
"""

import json
import os
import socket
import struct
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

PROBES = "/etc/hotstack-os/health.json"
STATE = "/run/hotstack-os/health.json"
PERIOD = 3.0
PATIENCE = 3.0
STEP = 0.1

Probe = dict[str, Any]


class Unhealthy(Exception):
    """The service answered, but not as a healthy one."""


def connect(probe: Probe) -> socket.socket:
    """A TCP connection with a bounded patience for everything that follows."""
    return socket.create_connection((probe["host"], probe["port"]), PATIENCE)


def receive(stream: socket.socket, count: int) -> bytes:
    """Exactly so many bytes."""
    data = b""
    while len(data) < count:
        more = stream.recv(count - len(data))
        if not more:
            raise Unhealthy("connection closed")
        data += more
    return data


def ask_tcp(probe: Probe) -> None:
    """Somebody accepts connections."""
    connect(probe).close()


class KeepRedirects(urllib.request.HTTPRedirectHandler):
    """A redirect is an answer; it is not followed, since it leads past the service that was asked."""

    def redirect_request(self, *_: Any) -> None:
        return None


OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}), KeepRedirects)


def ask_http(probe: Probe) -> None:
    """The application answers a request with one of the expected statuses."""
    url = "http://%s:%d%s" % (probe["host"], probe["port"], probe["path"])
    try:
        with OPENER.open(url, timeout=PATIENCE) as answer:
            status = answer.status
            answer.read()
    except urllib.error.HTTPError as error:
        status = error.code
    if status not in probe["expect"]:
        raise Unhealthy("HTTP %d" % status)


def ask_memcached(probe: Probe) -> None:
    """A value is stored and read back."""
    with connect(probe) as stream:
        stream.sendall(b"set hotstack-os-health 0 10 2\r\nok\r\nget hotstack-os-health\r\n")
        wanted = b"STORED\r\nVALUE hotstack-os-health 0 2\r\nok\r\nEND\r\n"
        if receive(stream, len(wanted)) != wanted:
            raise Unhealthy("the value stored was not read back")


def ask_dns(probe: Probe) -> None:
    """The name resolves to the address that it must have."""
    labels = b"".join(bytes([len(part)]) + part.encode() for part in probe["name"].split("."))
    query = struct.pack(">HHHHHH", os.getpid() & 0xFFFF, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">HH", 1, 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stream:
        stream.settimeout(PATIENCE)
        stream.sendto(query, (probe["host"], probe["port"]))
        answer = stream.recv(512)
    if answer[:2] != query[:2] or socket.inet_aton(probe["answer"]) not in answer[len(query) :]:
        raise Unhealthy("%s does not resolve to %s" % (probe["name"], probe["answer"]))


def ask_amqp(probe: Probe) -> None:
    """The broker lets a user log in and opens the virtual host (AMQP 0-9-1, sections 2.2 and 4.2)."""
    with connect(probe) as stream:
        stream.sendall(b"AMQP\x00\x00\x09\x01")
        expect_method(stream, (10, 10))
        response = ("\0%s\0%s" % (probe["user"], probe["password"])).encode()
        start_ok = struct.pack(">HHI", 10, 11, 0) + b"\x05PLAIN" + struct.pack(">I", len(response)) + response
        send_method(stream, start_ok + b"\x05en_US")
        tune = expect_method(stream, (10, 30))
        send_method(stream, struct.pack(">HH", 10, 31) + tune[4:12])
        send_method(stream, struct.pack(">HH", 10, 40) + b"\x01/\0\0")
        expect_method(stream, (10, 41))
        send_method(stream, struct.pack(">HHH", 10, 50, 200) + b"\0" + struct.pack(">HH", 0, 0))


def send_method(stream: socket.socket, payload: bytes) -> None:
    """One method frame on channel 0."""
    stream.sendall(struct.pack(">BHI", 1, 0, len(payload)) + payload + b"\xce")


def expect_method(stream: socket.socket, wanted: tuple[int, int]) -> bytes:
    """The payload of the next method frame, which must be the wanted one."""
    kind, _, size = struct.unpack(">BHI", receive(stream, 7))
    payload = receive(stream, size + 1)[:-1]
    if kind != 1 or struct.unpack(">HH", payload[:4]) != wanted:
        raise Unhealthy("the broker refused the health user")
    return payload


def ask_mysql(probe: Probe) -> None:
    """The database answers a query to root, who is known by the socket he comes through (plugin unix_socket)."""
    with socket.socket(socket.AF_UNIX) as stream:
        stream.settimeout(PATIENCE)
        stream.connect(probe["socket"])
        number, greeting = mysql_packet(stream)
        if greeting[:1] == b"\xff":
            raise Unhealthy(greeting[9:].decode(errors="replace"))
        # CLIENT_PROTOCOL_41 | CLIENT_SECURE_CONNECTION | CLIENT_PLUGIN_AUTH, as the client/server protocol numbers them
        hello = struct.pack("<IIB23x", 0x00088200, 1 << 24, 45) + b"root\0\0mysql_native_password\0"
        mysql_send(stream, number + 1, hello)
        number, answer = mysql_packet(stream)
        if answer[:1] == b"\xfe":
            mysql_send(stream, number + 1, b"")
            number, answer = mysql_packet(stream)
        if answer[:1] != b"\0":
            raise Unhealthy("login refused: " + answer[9:].decode(errors="replace"))
        mysql_send(stream, 0, b"\x03SELECT count(*) FROM mysql.global_priv")
        _, answer = mysql_packet(stream)
        if answer[:1] == b"\xff":
            raise Unhealthy("query refused: " + answer[9:].decode(errors="replace"))


def mysql_packet(stream: socket.socket) -> tuple[int, bytes]:
    """Sequence number and payload of the next packet."""
    header = receive(stream, 4)
    return header[3], receive(stream, int.from_bytes(header[:3], "little"))


def mysql_send(stream: socket.socket, number: int, payload: bytes) -> None:
    """One packet with its sequence number."""
    stream.sendall(len(payload).to_bytes(3, "little") + bytes([number & 0xFF]) + payload)


ASK: dict[str, Callable[[Probe], None]] = {
    "tcp": ask_tcp,
    "http": ask_http,
    "memcached": ask_memcached,
    "dns": ask_dns,
    "amqp": ask_amqp,
    "mysql": ask_mysql,
}


def trouble(probe: Probe) -> str:
    """What is wrong with a service; empty when it is healthy."""
    try:
        ASK[probe["kind"]](probe)
    except (OSError, Unhealthy, ValueError, struct.error) as error:
        return str(error) or type(error).__name__
    return ""


def load() -> dict[str, Probe]:
    """service → probe"""
    with open(PROBES) as handle:
        return dict(json.load(handle)["services"])


def wait(names: list[str], seconds: float) -> int:
    """0 when all of them have answered, 1 when the time is up; says then who did not, and why."""
    probes, deadline = load(), time.monotonic() + seconds
    silent = dict.fromkeys(names, "was not asked")
    while True:
        silent = {name: why for name in silent if (why := trouble(probes[name]))}
        if not silent:
            return 0
        if time.monotonic() >= deadline:
            for name, why in silent.items():
                print("%s does not answer: %s" % (name, why), file=sys.stderr)
            return 1
        time.sleep(STEP)


def watch() -> None:
    """Ask all services again and again. Each has its own thread, so that a hanging one delays no other's verdict."""
    probes = load()
    since: dict[str, tuple[str, float]] = {}
    with ThreadPoolExecutor(len(probes) or 1) as pool:
        while True:
            began = time.monotonic()
            now = time.time()
            services = {}
            for name, why in zip(probes, pool.map(trouble, probes.values()), strict=True):
                health = "unhealthy" if why else "healthy"
                if since.get(name, ("", 0))[0] != health:
                    since[name] = (health, now)
                services[name] = {"health": health, "detail": why, "since": since[name][1]}
            publish({"time": now, "period": PERIOD, "services": services})
            time.sleep(max(0.0, PERIOD - (time.monotonic() - began)))


def publish(state: dict[str, Any]) -> None:
    """The state file appears whole."""
    os.makedirs(os.path.dirname(STATE), exist_ok=True)
    with open(STATE + ".new", "w") as handle:
        json.dump(state, handle)
    os.rename(STATE + ".new", STATE)


def main(arguments: list[str]) -> int:
    match arguments:
        case ["wait", name, seconds]:
            return wait([name], float(seconds))
        case ["wait-all", seconds]:
            return wait(list(load()), float(seconds))
        case ["watch"]:
            watch()
    print(__doc__, file=sys.stderr)
    return 64


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
