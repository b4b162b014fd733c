"""What is asked of each service, and that answers which prove nothing are told from those that do.

The peers here speak the real protocols on real sockets, as far as a question needs it; that the real services are
understood is shown by the tests of whole clouds.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hotstack_os.health.probes import probe_file
from hotstack_os.node import health
from unit.catalogue import world

NODE = world.compute_node()
FILE = json.loads(probe_file(NODE.services, NODE.context).reveal())
PROBES: dict[str, dict[str, Any]] = FILE["services"]


def test_the_patience_of_the_settings_is_that_of_the_questions() -> None:
    """A machine like others needs no word of it: its watch is not started anew for one."""
    assert "patience" not in FILE
    context = replace(NODE.context, cloud=replace(NODE.context.cloud, patience=10.0))
    assert json.loads(probe_file(NODE.services, context).reveal()) == {**FILE, "patience": 10.0}


@contextmanager
def peer(talk: Callable[[socket.socket], None], path: Path) -> Iterator[str]:
    """A process that answers connections on a socket at `path`."""
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    server.listen()

    def serve() -> None:
        while True:
            try:
                stream, _ = server.accept()
            except OSError:
                return
            with stream:
                talk(stream)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield str(path)
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join(5)


def packet(number: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "little") + bytes([number]) + payload


def database(row: bytes) -> Callable[[socket.socket], None]:
    """A database that lets root in and answers every query with one column and this row."""

    def talk(stream: socket.socket) -> None:
        stream.sendall(packet(0, b"\x0a11.8.0\0"))
        stream.recv(4096)
        stream.sendall(packet(2, b"\0\0\0"))
        stream.recv(4096)
        end = b"\xfe\0\0\0\0"
        answers = [b"\x01", b"\x03def", end, *([row] if row else []), end]
        stream.sendall(b"".join(packet(place + 1, each) for place, each in enumerate(answers)))

    return talk


def said(text: str) -> bytes:
    """A row with one value."""
    return bytes([len(text)]) + text.encode()


def test_every_service_is_asked() -> None:
    assert set(PROBES) == set(NODE.services)
    assert {probe["kind"] for probe in PROBES.values()} <= set(health.ASK)


def test_no_service_counts_as_healthy_for_an_open_port() -> None:
    assert not [name for name, probe in PROBES.items() if probe["kind"] == "tcp"]


def test_services_without_a_port_are_known_by_queue_and_row() -> None:
    probe = PROBES["cinder-volume"]
    assert probe["queue"] == "cinder-volume.node1@nfs"
    assert "host = 'node1@nfs'" in probe["beat"]
    assert probe["host"] == "172.31.0.4"


def test_the_metadata_question_is_signed_as_neutron_signs() -> None:
    headers = PROBES["nova-api-metadata"]["deep"]["headers"]
    wanted = hmac.new(b"<nova-metadata>", headers["X-Instance-ID"].encode(), hashlib.sha256).hexdigest()
    assert headers["X-Instance-ID-Signature"] == wanted


def test_a_worker_is_known_by_its_own_address() -> None:
    assert "LIKE '172.31.0.35:%'" in PROBES["neutron-periodic-workers"]["query"]
    assert PROBES["neutron-ovn-maintenance-worker"]["port"] == 6641
    assert "LIKE" not in PROBES["neutron-ovn-maintenance-worker"]["query"]


@pytest.mark.parametrize(("row", "value"), [(said("17"), "17"), (b"\xfb", None), (b"", None)])
def test_the_value_of_a_query(row: bytes, value: str | None, tmp_path: Path) -> None:
    health.ASKED.begin()
    with peer(database(row), tmp_path / "socket") as path:
        assert health.database_value({"socket": path}, "SELECT 1") == value


@pytest.mark.parametrize(
    ("row", "trouble"),
    [
        (said("5"), ""),
        (said("31"), "has not asked its database for 31 s"),
        (b"\xfb", "never asked its database"),
    ],
)
def test_a_worker_that_asks_no_longer(row: bytes, trouble: str, tmp_path: Path) -> None:
    with peer(database(row), tmp_path / "socket") as path:
        probe = {"kind": "worker", "socket": path, "query": "SELECT 1", "seconds": 30, "lock": ""}
        assert health.trouble(probe) == trouble


def answers(result: Any, *, before: bytes = b"", pieces: int = 1) -> Callable[[socket.socket], None]:
    """A JSON-RPC peer that says `before` and then this result, cut into pieces."""

    def talk(stream: socket.socket) -> None:
        call = json.loads(stream.recv(4096))
        text = before + json.dumps({"id": call["id"], "result": result, "error": None}).encode()
        size = -(-len(text) // pieces)
        for place in range(0, len(text), size):
            stream.sendall(text[place : place + size])

    return talk


STATUS = {"kind": "unixctl", "ask": {"status": "Status: active"}}


@pytest.mark.parametrize("pieces", [1, 7])
def test_a_process_that_answers_on_its_control_socket(pieces: int, tmp_path: Path) -> None:
    echo = b'{"id":"echo","method":"echo","params":[]}'
    with peer(answers("Status: active\n", before=echo, pieces=pieces), tmp_path / "socket") as path:
        assert health.trouble({**STATUS, "path": path}) == ""


def test_a_process_that_is_not_what_it_should_be(tmp_path: Path) -> None:
    with peer(answers("Status: standby\n"), tmp_path / "socket") as path:
        assert health.trouble({**STATUS, "path": path}) == "status: Status: standby"


def test_a_process_that_hangs_up(tmp_path: Path) -> None:
    with peer(lambda stream: stream.close(), tmp_path / "socket") as path:
        why = health.trouble({**STATUS, "path": path})
    assert "closed" in why or "reset" in why or "Broken pipe" in why


def test_a_process_that_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its socket still takes connections; nobody reads them."""
    monkeypatch.setattr(health, "PATIENCE", 0.1)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
        server.listen()
        assert health.trouble({**STATUS, "path": str(tmp_path / "socket")}) == "timed out"


def test_a_process_that_is_not_there(tmp_path: Path) -> None:
    assert "No such file" in health.trouble({**STATUS, "path": str(tmp_path / "socket")})


def broker(answer: bytes) -> Callable[[socket.socket], None]:
    """A broker that lets everybody in and answers the question for a queue like this."""

    def heard(stream: socket.socket, frames: int) -> None:
        for _ in range(frames):
            _, _, size = struct.unpack(">BHI", health.receive(stream, 7))
            health.receive(stream, size + 1)

    def talk(stream: socket.socket) -> None:
        health.receive(stream, 8)
        health.send_method(stream, struct.pack(">HH", 10, 10))
        heard(stream, 1)
        health.send_method(stream, struct.pack(">HH", 10, 30) + bytes(8))
        heard(stream, 2)
        health.send_method(stream, struct.pack(">HH", 10, 41))
        heard(stream, 1)
        health.send_method(stream, struct.pack(">HH", 20, 11), 1)
        heard(stream, 1)
        health.send_method(stream, answer, 1)
        stream.recv(4096)

    return talk


def declared(consumers: int) -> bytes:
    return struct.pack(">HH", 50, 11) + b"\x01q" + struct.pack(">II", 0, consumers)


@pytest.mark.parametrize(
    ("answer", "trouble"),
    [
        (declared(1), ""),
        (declared(0), "nobody consumes from the queue q"),
        (struct.pack(">HHH", 20, 40, 404) + b"\x02no" + struct.pack(">HH", 50, 10), "the queue q does not exist"),
    ],
)
def test_a_queue_and_its_consumers(
    answer: bytes, trouble: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def connect(probe: dict[str, Any]) -> socket.socket:
        stream = socket.socket(socket.AF_UNIX)
        stream.connect(probe["broker"])
        return stream

    monkeypatch.setattr(health, "connect", connect)
    with peer(broker(answer), tmp_path / "broker") as queue, peer(database(said("3")), tmp_path / "db") as path:
        probe = {"kind": "rpc", "broker": queue, "user": "health", "password": "x", "queue": "q"}
        assert health.trouble({**probe, "socket": path, "beat": "SELECT 1", "seconds": 30}) == trouble
