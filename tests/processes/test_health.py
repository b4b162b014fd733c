"""Each question of the health program against small servers on loopback: healthy ones, and broken in many ways."""

from __future__ import annotations

import hashlib
import io
import json
import os
import socket
import socketserver
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from copy import copy
from pathlib import Path
from queue import SimpleQueue
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from hotstack_os.node import health

Serve = Callable[[socket.socket], None]
"""One conversation with a client."""


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A silent server is given up sooner than on a node."""
    monkeypatch.setattr(health, "PATIENCE", 0.15)
    monkeypatch.setattr(health.Asked, "factor", 1.0)


@contextmanager
def serving(
    serve: Serve, server: type[socketserver.BaseServer] = socketserver.ThreadingTCPServer, where: Any = None
) -> Iterator[int]:
    """A server; its port."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            serve(self.request)

    class Server(server):  # type: ignore[misc, valid-type]
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """A client that leaves in the middle is what some tests are about."""

    with Server(where or ("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
        yield 0 if where else running.server_address[1]
        running.shutdown()


def ask(kind: str, serve: Serve, **more: object) -> str:
    """What is wrong, as the program says."""
    if kind == "memcached":
        with TemporaryDirectory() as directory:
            where = f"{directory}/socket"
            with serving(serve, socketserver.ThreadingUnixStreamServer, where):
                return health.trouble({"kind": kind, "socket": where})
    with serving(serve) as port:
        return health.trouble({"kind": kind, "host": "127.0.0.1", "port": port, **more})


def silence(stream: socket.socket) -> None:
    """Takes everything, says nothing."""
    while stream.recv(4096):
        pass


def hang_up(_: socket.socket) -> None:
    """Closes the connection at once."""


def garbage(stream: socket.socket) -> None:
    stream.recv(4096)
    stream.sendall(b"\xff" * 64)


def says(answer: bytes) -> Serve:
    """Reads once and answers this."""

    def serve(stream: socket.socket) -> None:
        stream.recv(65536)
        stream.sendall(answer)

    return serve


@pytest.mark.parametrize("kind", ["tcp", "http", "memcached", "amqp"])
def test_nobody_listens(kind: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(socket.AF_UNIX) as local:
        port = server.getsockname()[1]
        local.bind(str(tmp_path / "socket"))
    more = {"path": "/", "expect": [200], "headers": {}, "user": "u", "password": "p"}
    more["socket"] = str(tmp_path / "socket")
    assert "refused" in health.trouble({"kind": kind, "host": "127.0.0.1", "port": port, **more})


@pytest.mark.parametrize("kind", ["http", "memcached", "amqp"])
@pytest.mark.parametrize("serve", [silence, hang_up, garbage], ids=lambda each: each.__name__)
def test_an_open_port_alone_is_no_health(kind: str, serve: Serve) -> None:
    assert ask(kind, serve, path="/", expect=[200], headers={}, user="u", password="p")


class TestHttp:
    @staticmethod
    def get(status: str, expect: tuple[int, ...] = (200, 300)) -> str:
        answer = f"HTTP/1.1 {status}\r\nContent-Length: 2\r\nConnection: close\r\nLocation: /x\r\n\r\nok".encode()
        return ask("http", says(answer), path="/healthcheck", expect=list(expect), headers={})

    @pytest.mark.parametrize("status", ["200 OK", "300 Multiple Choices"])
    def test_healthy(self, status: str) -> None:
        assert self.get(status) == ""

    @pytest.mark.parametrize("status", ["500 Internal Server Error", "503 Service Unavailable", "404 Not Found"])
    def test_unhealthy(self, status: str) -> None:
        assert self.get(status) == f"HTTP {status[:3]}"

    def test_a_redirect_is_an_answer_and_not_followed(self) -> None:
        assert self.get("302 Found") == "HTTP 302"
        assert self.get("302 Found", (302,)) == ""

    def test_the_path_is_asked_for(self) -> None:
        asked: list[bytes] = []

        def serve(stream: socket.socket) -> None:
            asked.append(stream.recv(4096))
            stream.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

        assert ask("http", serve, path="/v3", expect=[200], headers={}) == ""
        assert asked[0].startswith(b"GET /v3 HTTP/1.1\r\n")


class TestMemcached:
    READ_BACK = b"STORED\r\nVALUE hotstack-os-health 0 2\r\nok\r\nEND\r\n"

    def test_healthy(self) -> None:
        assert ask("memcached", says(self.READ_BACK)) == ""

    @pytest.mark.parametrize(
        "answer",
        [
            b"SERVER_ERROR out of memory storing object\r\nEND\r\n",
            b"STORED\r\nEND\r\n" + b" " * 40,
            READ_BACK.replace(b"ok", b"no"),
            b"ERROR\r\nERROR\r\n",
        ],
    )
    def test_unhealthy(self, answer: bytes) -> None:
        assert ask("memcached", says(answer))


class TestDns:
    @staticmethod
    def resolve(address: str | None, wanted: str = "10.0.0.1", number: int | None = None) -> str:
        """A name server that knows one address; `number` spoils the number of its answer."""

        def serve(request: Any) -> None:
            query, stream = request
            identity = struct.pack(">H", number) if number is not None else query[:2]
            head = identity + struct.pack(">HHHHH", 0x8580 if address else 0x8583, 1, 1 if address else 0, 0, 0)
            record = b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 60, 4) + socket.inet_aton(address) if address else b""
            stream.sendto(head + query[12:] + record, client(query))

        clients: dict[bytes, Any] = {}

        def client(query: bytes) -> Any:
            return clients[query]

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                clients[self.request[0]] = self.client_address
                serve(self.request)

        with socketserver.ThreadingUDPServer(("127.0.0.1", 0), Handler) as server:
            threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
            probe = {"kind": "dns", "host": "127.0.0.1", "port": server.server_address[1]}
            said = health.trouble({**probe, "name": "keystone.hotstack-os.local", "answer": wanted})
            server.shutdown()
        return said

    def test_healthy(self) -> None:
        assert self.resolve("10.0.0.1") == ""

    @pytest.mark.parametrize(("address", "number"), [("10.0.0.2", None), (None, None), ("10.0.0.1", 0xFFFFF & 0xFFFF)])
    def test_wrong_missing_or_foreign_answer(self, address: str | None, number: int | None) -> None:
        assert self.resolve(address, number=number) == "keystone.hotstack-os.local does not resolve to 10.0.0.1"


class Broker:
    """Speaks as much of AMQP 0-9-1 as a login needs; knows one password."""

    def __init__(self, stop_at: tuple[int, int] | None = None, close: bool = False) -> None:
        self._stop_at = stop_at
        self._close = close

    def __call__(self, stream: socket.socket) -> None:
        copy(self).talk(stream)  # several clients may come at the same time

    def talk(self, stream: socket.socket) -> None:
        self._stream = stream
        assert health.receive(stream, 8) == b"AMQP\x00\x00\x09\x01"
        self._say((10, 10), b"\x00\x09" + b"\0" * 12)
        if b"\0u\0p" not in self._hear((10, 11)):
            self._say((10, 50), b"\x01\x93\x0eACCESS_REFUSED\0\0\0\0")
            return
        self._say((10, 30), struct.pack(">HIH", 0, 131072, 60))
        self._hear((10, 31))
        self._hear((10, 40))
        self._say((10, 41), b"\0")
        self._hear((10, 50))

    def _say(self, method: tuple[int, int], arguments: bytes) -> None:
        if method == self._stop_at:
            if not self._close:
                silence(self._stream)
            raise ConnectionError
        payload = struct.pack(">HH", *method) + arguments
        self._stream.sendall(struct.pack(">BHI", 1, 0, len(payload)) + payload + b"\xce")

    def _hear(self, wanted: tuple[int, int]) -> bytes:
        _, _, size = struct.unpack(">BHI", health.receive(self._stream, 7))
        payload = health.receive(self._stream, size + 1)
        assert payload[-1:] == b"\xce"
        assert struct.unpack(">HH", payload[:4]) == wanted
        return payload


class TestAmqp:
    def test_healthy(self) -> None:
        assert ask("amqp", Broker(), user="u", password="p") == ""

    def test_a_refused_login(self) -> None:
        assert ask("amqp", Broker(), user="u", password="wrong") == "the broker refused the login"

    @pytest.mark.parametrize("close", [True, False])
    @pytest.mark.parametrize("stop_at", [(10, 10), (10, 30), (10, 41)])
    def test_silence_or_end_at_any_step(self, stop_at: tuple[int, int], close: bool) -> None:
        said = ask("amqp", Broker(stop_at, close), user="u", password="p")
        assert said == "connection closed" if close else "timed out" in said


class Database:
    """Speaks as much of MariaDB's protocol as one query needs."""

    def __init__(self, *, greeting: bytes = b"\x0a11.8\0", login: bytes = b"\0\0\0\2\0\0\0", switch: bool = False,
                 rows: tuple[bytes, ...] = (b"\x011",), error: bytes = b"") -> None:  # fmt: skip
        self._greeting, self._login, self._switch, self._rows, self._error = greeting, login, switch, rows, error
        self.leave: SimpleQueue[bytes] = SimpleQueue()

    def __call__(self, stream: socket.socket) -> None:
        health.mysql_send(stream, 0, self._greeting)
        number, hello = health.mysql_packet(stream)
        assert b"root\0" in hello
        if self._switch:
            health.mysql_send(stream, number + 1, b"\xfeunix_socket\0")
            number, _ = health.mysql_packet(stream)
        health.mysql_send(stream, number + 1, self._login)
        _, query = health.mysql_packet(stream)
        assert query[:1] == b"\x03"
        if self._error:
            health.mysql_send(stream, 1, self._error)
            return
        packets = [b"\x01", b"\x03def", b"\xfe\0\0\2\0", *self._rows, b"\xfe\0\0\2\0"]
        for number, packet in enumerate(packets, 1):
            health.mysql_send(stream, number, packet)
        self.leave.put(health.mysql_packet(stream)[1])


class TestMysql:
    @staticmethod
    def ask(database: Serve, tmp_path: Path) -> str:
        path = str(tmp_path / "sock")
        with serving(database, socketserver.ThreadingUnixStreamServer, path):
            return health.trouble({"kind": "mysql", "socket": path})

    @pytest.mark.parametrize("switch", [True, False])
    def test_healthy(self, switch: bool, tmp_path: Path) -> None:
        assert self.ask(Database(switch=switch), tmp_path) == ""

    @pytest.mark.parametrize("rows", [(b"\x011",), (b"\xfb",), (b"\x011", b"\x012"), ()])
    def test_who_has_asked_takes_leave(self, rows: tuple[bytes, ...], tmp_path: Path) -> None:
        """Else the server writes down an aborted connection, each time."""
        database = Database(rows=rows)
        self.ask(database, tmp_path)
        assert database.leave.get(timeout=5) == b"\x01"

    @pytest.mark.parametrize(
        ("database", "why"),
        [
            (Database(greeting=b"\xff\x10\x04#08004Too many connections"), "Too many connections"),
            (Database(login=b"\xff\x15\x04#28000Access denied"), "login refused: Access denied"),
            (Database(error=b"\xff\x7a\x04#42S02Table is crashed"), "query refused: Table is crashed"),
        ],
        ids=["full", "denied", "crashed"],
    )
    def test_unhealthy(self, database: Database, why: str, tmp_path: Path) -> None:
        assert why in self.ask(database, tmp_path)

    @pytest.mark.parametrize("serve", [silence, hang_up], ids=lambda each: each.__name__)
    def test_an_open_socket_alone_is_no_health(self, serve: Serve, tmp_path: Path) -> None:
        assert self.ask(serve, tmp_path)

    def test_nobody_there(self, tmp_path: Path) -> None:
        assert "No such file" in health.trouble({"kind": "mysql", "socket": str(tmp_path / "none")})


class TestMysqlLogin:
    """A user who comes over TCP with a password."""

    SALT = bytes(range(1, 21))
    GREETING = (
        b"\x0a11.8.3-MariaDB\0" + bytes(4) + SALT[:8] + bytes(1) + b"\xfe\xf7\x2d\x02\0\xff\x81\x15" + bytes(10)
    ) + SALT[8:] + b"\0mysql_native_password\0"  # fmt: skip

    @classmethod
    def serve(cls, heard: list[bytes], left: SimpleQueue[bytes], answer: bytes) -> Serve:
        def talk(stream: socket.socket) -> None:
            health.mysql_send(stream, 0, cls.GREETING)
            heard.append(health.mysql_packet(stream)[1])
            health.mysql_send(stream, 2, answer)
            if not answer[0]:
                left.put(health.mysql_packet(stream)[1])

        return talk

    def ask(self, answer: bytes = b"\0\0\0\2\0\0\0", password: str = "secret") -> tuple[str, bytes]:  # noqa: S107
        heard: list[bytes] = []
        left: SimpleQueue[bytes] = SimpleQueue()
        talk = self.serve(heard, left, answer)
        why = ask("mysql-login", talk, user="nova", password=password, database="cell")
        assert answer[0] or left.get(timeout=5) == b"\x01"
        return why, heard[0]

    @staticmethod
    def digest(text: bytes) -> bytes:
        return hashlib.sha1(text, usedforsecurity=False).digest()

    def test_the_proof_is_what_the_server_will_compute(self) -> None:
        why, hello = self.ask()
        digest = self.digest
        assert why == ""
        user, proof = hello[32:].split(b"\0", 1)
        assert user == b"nova"
        # The server knows SHA1(SHA1(password)) and the salt: what it takes off the proof must hash to what it knows.
        stored = digest(digest(b"secret"))
        mask = digest(self.SALT + stored)
        once = bytes(one ^ other for one, other in zip(proof[1:21], mask, strict=True))
        assert digest(once) == stored
        assert proof[21:].startswith(b"cell\0mysql_native_password\0")
        assert b"secret" not in hello

    def test_a_locked_account(self) -> None:
        why, _ = self.ask(b"\xff\x37\x10#HY000Access denied, this account is locked")
        assert why == "login refused: Access denied, this account is locked"

    def test_a_server_that_lets_nobody_in(self) -> None:
        def full(stream: socket.socket) -> None:
            health.mysql_send(stream, 0, b"\xff\x10\x04#08004Too many connections")

        assert ask("mysql-login", full, user="u", password="p", database="d") == "Too many connections"


class TestDeep:
    """Requests with a token and logins: every few rounds, remembered in between."""

    @staticmethod
    def rounds(
        deep: health.Deep, probes: dict[str, health.Probe], first: int = 1, last: int = health.LOGIN
    ) -> dict[str, str]:
        found = {}
        for number in range(first, last + 1):
            deep.log_in(number)
            for name in deep.logins:
                deep.try_login(name, number)
            found = {name: deep.trouble(name, probe, number) for name, probe in probes.items()}
        return found

    @staticmethod
    def answers(*statuses: str) -> tuple[Serve, list[bytes]]:
        """A server that answers one request after the other with these, the last one for ever."""
        asked: list[bytes] = []

        def serve(stream: socket.socket) -> None:
            asked.append(stream.recv(65536))
            status = statuses[min(len(asked), len(statuses)) - 1]
            token = (
                json.dumps({"token": {"project": {"id": "p1"}, "user": {"id": "u1"}}}) if status[0:3] == "201" else ""
            )
            head = f"HTTP/1.1 {status}\r\nX-Subject-Token: t1\r\nConnection: close\r\nContent-Length: {len(token)}"
            stream.sendall(f"{head}\r\n\r\n{token}".encode())

        return serve, asked

    @staticmethod
    def login(port: int) -> health.Probe:
        return {"service": "keystone", "url": f"http://127.0.0.1:{port}/v3", "user": "health", "password": "p"}

    def probe(self, port: int, **more: object) -> health.Probe:
        deep = {"path": "/of/{project}/{user}", "headers": {}, "expect": 200, "rounds": health.LOGIN}
        return {"kind": "http", "host": "127.0.0.1", "port": port, "path": "/", "expect": [200], "deep": deep, **more}

    def test_a_service_that_answers_but_does_not_work(self) -> None:
        keystone, _ = self.answers("201 Created")
        api, asked = self.answers(*["200 OK"] * health.LOGIN, "500 Internal Server Error")
        with serving(keystone) as one, serving(api) as other:
            found = self.rounds(health.Deep(self.login(one), {}), {"api": self.probe(other)})
        assert found == {"api": "HTTP 500 for /of/{project}/{user}"}
        assert b"GET /of/p1/u1 " in asked[-1]
        assert b"t1" in asked[-1]

    @pytest.mark.parametrize(
        ("answer", "trouble"),
        [("500 Internal Server Error", "HTTP 500 instead of a token"), ("401 Unauthorized", "")],
    )
    def test_no_token_says_something_of_keystone_alone(self, answer: str, trouble: str) -> None:
        """And that only where Keystone failed: an account that is not there yet is no fault of its."""
        keystone, _ = self.answers(answer)
        with serving(keystone) as one, serving(self.answers("200 OK")[0]) as other:
            probes = {"keystone": self.probe(other), "api": self.probe(other)}
            found = self.rounds(health.Deep(self.login(one), {}), probes)
        assert found == {"keystone": trouble, "api": ""}

    @pytest.mark.parametrize(
        ("answer", "trouble"),
        [
            (b"HTTP/1.1 404 Not Found\r\n\r\n", ""),
            (b"HTTP/1.1 503 Service Unavailable\r\n\r\n", "HTTP/1.1 503"),
            (b"", "connection closed"),
        ],
    )
    def test_the_metadata_agent_is_asked_for_a_server_that_nobody_has(
        self, answer: bytes, trouble: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = str(tmp_path / "metadata")
        monkeypatch.setitem(health.ASK, "ovn-agent", lambda _: None)
        with serving(says(answer), socketserver.ThreadingUnixStreamServer, path):
            probe = {"kind": "ovn-agent", "deep": {"socket": path, "rounds": health.LOGIN}}
            found = self.rounds(health.Deep(self.login(1), {}), {"agent": probe})
        assert found == {"agent": trouble}

    def test_a_refused_login_is_told_of_those_who_need_it(self) -> None:
        with serving(Broker()) as broker, serving(self.answers("200 OK")[0]) as port:
            user = {"kind": "amqp", "host": "127.0.0.1", "port": broker, "user": "u"}
            logins = {"good": {**user, "password": "p"}, "bad": {**user, "password": "x"}}
            probes = {
                name: {**self.probe(port, logins=[name]), "deep": None} for name in logins
            } | {"none": {**self.probe(port), "deep": None}}  # fmt: skip
            deep = health.Deep(self.login(1), logins)
            assert self.rounds(deep, probes, last=health.LOGIN - 1) == {"good": "", "bad": "", "none": ""}
            found = self.rounds(deep, probes, health.LOGIN)
        assert found == {"good": "", "bad": "bad: the broker refused the login", "none": ""}


class TestAgentOfOvn:
    @staticmethod
    def asked(ids: dict[str, str] | None, number: int) -> str:
        rows = [] if ids is None else [{"external_ids": ["map", [[key, value] for key, value in ids.items()]]}]
        result = [{"rows": rows}, {"rows": [{"nb_cfg": number}]}]
        answer = json.dumps({"id": 0, "result": result, "error": None}).encode()
        return ask("ovn-agent", says(answer), chassis="node1")

    @pytest.mark.parametrize(
        ("said", "number", "trouble"),
        [
            ("7", 7, ""),
            ("6", 7, ""),
            ("5", 7, "is 2 behind"),
            ("0", 7, ""),  # beside a new chassis, before Neutron has counted on
        ],
    )
    def test_it_follows_neutrons_number(self, said: str, number: int, trouble: str) -> None:
        assert self.asked({"neutron:ovn-neutron-agent-sb-cfg": said}, number) == trouble

    @pytest.mark.parametrize("ids", [None, {}], ids=["no chassis", "no agent"])
    def test_one_that_has_not_registered_is_not_healthy(self, ids: dict[str, str] | None) -> None:
        assert self.asked(ids, 1) == "has not registered with its chassis"


class TestLogins:
    @staticmethod
    def ask(port: int, monkeypatch: pytest.MonkeyPatch) -> int:
        asked = {"host": "127.0.0.1", "port": port, "users": {"u": "p", "v": "p"}}
        monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(asked)))
        return health.main(["logins"])

    def test_each_user_has_a_verdict(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        class Quiet(Broker):
            def talk(self, stream: socket.socket) -> None:
                with suppress(health.Unhealthy):  # who only looks whether somebody listens hangs up
                    super().talk(stream)

        with serving(Quiet()) as port:
            assert self.ask(port, monkeypatch) == 0
        assert json.loads(capsys.readouterr().out) == {"u": "", "v": "the broker refused the login"}

    def test_nobody_there(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        assert self.ask(port, monkeypatch) == 1
        assert capsys.readouterr().out == ""


def drips(stream: socket.socket) -> None:
    """Reads all, and says a byte every now and then: no single wait is long."""
    stream.settimeout(0.02)
    with suppress(OSError):
        while True:
            with suppress(TimeoutError):
                stream.recv(4096)
            stream.sendall(b"\0")


def streams(stream: socket.socket) -> None:
    """Says much, for ever, to whoever takes it."""
    stream.recv(1)
    while True:
        stream.sendall(b"[" * 65536)


def http(body: bytes, head: bytes = b"") -> bytes:
    return b"HTTP/1.1 201 Created\r\nX-Subject-Token: t1\r\n" + head + b"\r\n" + body


ODD = (b"null", b"[]", b"{}", b"7", b"\"x\"", b'{"id": 0}', b'{"id": 0, "result": null}', b'{"id": 0, "result": [7]}',
       b'{"id": 0, "result": {"rows": 7}}', b'[{"id": 0}]', b"[" * 5000, b"", b"<html><body>502</body></html>",
       b"\xff\xfe\xfd", b"HTTP/1.1 404 Not Found\r\n\r\n",
       b'{"id": 0, "result": [{"rows": 7}], "error": null}')  # fmt: skip
"""Answers that are whole, and nothing that a healthy service says."""

KINDS: dict[str, dict[str, object]] = {
    "http": {"path": "/", "expect": [200]},
    "amqp": {"user": "u", "password": "p"},
    "rpc": {"user": "u", "password": "p", "queue": "q", "beat": "", "seconds": 1},
    "mysql-login": {"user": "u", "password": "p", "database": "d"},
    "ovsdb": {"name": "OVN_Northbound", "table": "NB_Global"},
    "ovn-agent": {"chassis": "node1"},
}
"""Questions over TCP with what each must know."""


class TestBounds:
    """No answer takes longer than the patience with a question, and none is more than a reason."""

    @pytest.mark.parametrize("serve", [silence, drips, streams], ids=lambda each: each.__name__)
    @pytest.mark.parametrize("kind", KINDS)
    def test_a_question_has_an_end(self, kind: str, serve: Serve) -> None:
        began = time.monotonic()
        assert ask(kind, serve, **KINDS[kind])
        assert time.monotonic() - began < health.PATIENCE + 1

    @pytest.mark.parametrize("serve", [silence, drips, streams], ids=lambda each: each.__name__)
    @pytest.mark.parametrize("kind", ["memcached", "mysql", "unixctl"])
    def test_a_question_on_a_socket_of_the_node_has_one_too(self, kind: str, serve: Serve, tmp_path: Path) -> None:
        path = str(tmp_path / "sock")
        began = time.monotonic()
        with serving(serve, socketserver.ThreadingUnixStreamServer, path):
            assert health.trouble({"kind": kind, "socket": path, "path": path, "ask": {"one": "x", "two": "x"}})
        assert time.monotonic() - began < health.PATIENCE + 1

    @pytest.mark.parametrize("answer", ODD, ids=lambda each: ascii(each[:40]))
    @pytest.mark.parametrize("kind", KINDS)
    def test_an_odd_answer_is_told(self, kind: str, answer: bytes) -> None:
        assert ask(kind, says(answer), **KINDS[kind])

    @pytest.mark.parametrize(
        "result",
        [
            [{"rows": [{"external_ids": 7}]}, {"rows": [{"nb_cfg": "x"}]}],
            [{"rows": [{"external_ids": ["map", []]}]}, None],
        ],
    )
    def test_odd_rows_of_an_agent_are_told(self, result: object) -> None:
        answer = json.dumps({"id": 0, "result": result, "error": None}).encode()
        assert ask("ovn-agent", says(answer), **KINDS["ovn-agent"])

    @pytest.mark.parametrize("answer", [each for each in ODD if each], ids=lambda each: ascii(each[:40]))
    def test_an_odd_answer_of_a_control_socket_is_told(self, answer: bytes, tmp_path: Path) -> None:
        path = str(tmp_path / "sock")
        with serving(says(answer), socketserver.ThreadingUnixStreamServer, path):
            assert health.trouble({"kind": "unixctl", "path": path, "ask": {"status": "connected"}})

    def test_what_was_answered_is_said(self) -> None:
        said = ask("ovsdb", says(b'{"id": 0, "result": 7, "error": null}'), **KINDS["ovsdb"])
        assert said == """answers oddly: b'{"id": 0, "result": 7, "error": null}'"""

    @pytest.mark.parametrize("body", [b"null", b"[]", b"{}", b"x", b'{"token": 7}', b'{"token": {"project": null}}'])
    def test_no_token_is_no_defect_and_is_not_shown(self, body: bytes) -> None:
        def enter(login: dict[str, Any]) -> None:
            health.log_in(login)

        with serving(says(http(body))) as port:
            login = TestDeep.login(port)
            assert health.trouble(login, enter) == ("HTTP 201 with something else than a token")


WELL = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"


class TestWatch:
    """The watch itself, as it runs on a node, with services that hang beside one that works."""

    @pytest.fixture(autouse=True)
    def brisk(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(health, "PERIOD", 0.1)

    @staticmethod
    def probes(**ports: int) -> dict[str, Any]:
        where = {"kind": "http", "path": "/", "expect": [200], "headers": {}, "host": "127.0.0.1"}
        found = {name: {**where, "port": port} for name, port in ports.items()}
        return {"services": found, "login": {}, "logins": {}}

    @pytest.mark.parametrize("serve", [silence, drips, streams], ids=lambda each: each.__name__)
    def test_one_that_hangs_delays_no_other(self, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(health, "PATIENCE", 30)
        with serving(serve) as slow, serving(says(WELL)) as good:
            seen = health.Watch(self.probes(slow=slow, good=good))
            until = time.monotonic() + 10
            stamps: set[float] = set()
            while len(stamps) < 3 and time.monotonic() < until:
                said = seen.state()["services"].get("good")
                if said:
                    assert said["health"] == "healthy"
                    stamps.add(said["time"])
        assert len(stamps) == 3

    def test_one_that_hangs_is_told_as_such(self) -> None:
        with serving(silence) as slow:
            seen = health.Watch(self.probes(slow=slow))
            until = time.monotonic() + 10
            while not (said := seen.state()["services"]) and time.monotonic() < until:
                pass
        assert said["slow"]["health"] == "unhealthy"
        assert said["slow"]["detail"] == "timed out"

    def test_a_change_is_told_at_once_and_dated(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(health, "PERIOD", 0.2)
        broken = threading.Event()

        def serve(stream: socket.socket) -> None:
            stream.recv(4096)
            stream.sendall(b"ERROR\r\n" * 10 if broken.is_set() else WELL)

        with serving(serve) as port:
            seen = health.Watch(self.probes(it=port))
            states = [seen.state()["services"].get("it")]
            until = time.monotonic() + 10
            while states[-1] is None or (states[-1]["health"] == "healthy" and time.monotonic() < until):
                states.append(seen.state()["services"].get("it"))
                if states[-1]:
                    broken.set()
        before, after = states[-2], states[-1]
        assert before
        assert after
        assert (before["health"], after["health"]) == ("healthy", "unhealthy")
        assert after["since"] > before["since"]

    def test_what_is_published_is_whole(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(health, "STATE", str(tmp_path / "run" / "health.json"))
        state = {"time": 1.0, "period": 3.0, "services": {}}
        health.publish(state)
        assert json.loads((tmp_path / "run" / "health.json").read_text()) == state
        assert [each.name for each in (tmp_path / "run").iterdir()] == ["health.json"]


class TestWait:
    @pytest.fixture
    def probes(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
        monkeypatch.setattr(health, "PROBES", str(tmp_path / "health.json"))
        monkeypatch.setattr(health, "STEP", 0.01)

        def write(**ports: int) -> None:
            services = {name: {"kind": "tcp", "host": "127.0.0.1", "port": port} for name, port in ports.items()}
            (tmp_path / "health.json").write_text(json.dumps({"services": services}))

        return write

    def test_all_answer(self, probes: Callable[..., None]) -> None:
        with serving(hang_up) as port:
            probes(one=port, two=port)
            assert health.main(["wait-all", "5"]) == 0
            assert health.main(["wait", "two", "5"]) == 0

    def test_one_does_not(self, probes: Callable[..., None], capsys: pytest.CaptureFixture[str]) -> None:
        with serving(hang_up) as port:
            probes(one=port, two=1)
            assert health.main(["wait", "one", "0"]) == 0
            assert health.main(["wait-all", "0.05"]) == 1
        said = capsys.readouterr().err
        assert "two does not answer: " in said
        assert "one" not in said

    def test_one_that_comes_late(self, probes: Callable[..., None]) -> None:
        with socket.create_server(("127.0.0.1", 0)) as reserved:
            port = reserved.getsockname()[1]
        probes(late=port)
        servers: list[socket.socket] = []
        timer = threading.Timer(0.1, lambda: servers.append(socket.create_server(("127.0.0.1", port))))
        timer.start()
        assert health.main(["wait", "late", "10"]) == 0
        timer.join()
        servers[0].close()

    def test_wrong_words(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert health.main(["wait"]) == 64
        assert "health.py wait SERVICE SECONDS" in capsys.readouterr().err


class TestProgress:
    """A start that goes on is waited for; one that does not has failed."""

    @pytest.fixture
    def said(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
        """What systemd hears."""
        monkeypatch.setattr(health, "load", lambda: {"x": {"kind": "tcp", "host": "127.0.0.1", "port": 9}})
        monkeypatch.setattr(health, "STEP", 0.01)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
            heard.bind(str(tmp_path / "notify"))
            heard.setblocking(False)
            yield heard

    def wait(
        self, monkeypatch: pytest.MonkeyPatch, used: list[float], answers_after: float = 60.0
    ) -> tuple[int, float]:
        """With `used` processor seconds when they are asked for, in a window of 0.2 s; status, and seconds taken."""
        began = time.monotonic()
        left = list(used)
        monkeypatch.setattr(health, "spent", lambda: left.pop(0) if len(left) > 1 else left[0])
        monkeypatch.setattr(health, "trouble", lambda _: "" if time.monotonic() - began > answers_after else "not yet")
        return health.wait(["x"], 0.2), time.monotonic() - began

    @pytest.mark.parametrize(("more", "answers"), [({}, False), ({"patience": 10.0}, True)])
    def test_on_a_slow_machine_an_answer_has_more_time(
        self, more: dict[str, float], answers: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def slow(stream: socket.socket) -> None:
            stream.recv(4096)
            time.sleep(0.3)
            stream.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

        monkeypatch.setattr(health, "PROBES", str(tmp_path / "health.json"))
        with serving(slow) as port:
            probe = {"kind": "http", "host": "127.0.0.1", "port": port, "path": "/", "expect": [200], "deep": None}
            Path(health.PROBES).write_text(json.dumps({"services": {"keystone": probe}, **more}))
            assert health.wait(["keystone"], 0.0) == (0 if answers else 1)

    def test_who_is_at_work_is_waited_for(self, said: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
        status, _ = self.wait(monkeypatch, [0.0, 0.1, 0.2, 0.3, 0.4, 0.5], answers_after=0.5)
        assert status == 0
        assert said.recv(100) == b"EXTEND_TIMEOUT_USEC=30200000"

    def test_who_does_next_to_nothing_has_failed(self, said: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
        status, seconds = self.wait(monkeypatch, [0.0, 0.001])
        assert status == 1
        assert seconds < 1.5
        with pytest.raises(BlockingIOError):
            said.recv(100)

    @pytest.mark.usefixtures("said")
    def test_who_is_at_work_for_ever_has_failed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        status, seconds = self.wait(monkeypatch, [float(each) for each in range(100)])
        assert status == 1
        assert seconds >= 2.0

    def test_the_work_of_a_unit_is_that_of_all_its_processes_but_this_one(self, tmp_path: Path) -> None:
        unit = "0::/system.slice/hotstack-os-x.service"
        groups = {
            "self": f"{unit}/runtime\n",
            str(os.getpid()): f"{unit}/runtime\n",
            "11": f"{unit}/libpod-payload-1\n",
            "12": f"1:name=systemd:/x\n{unit}\n",
            "13": "0::/system.slice/hotstack-os-xy.service\n",
            "14": "0::/user.slice\n",
        }
        for name, text in groups.items():
            (tmp_path / name).mkdir()
            (tmp_path / name / "cgroup").write_text(text)
            (tmp_path / name / "stat").write_text(f"1 (a) b) R {'0 ' * 10}100 20 3 0 99\n")
        (tmp_path / "uptime").touch()
        (tmp_path / "15").mkdir()  # it has just ended
        assert health.spent(str(tmp_path)) == pytest.approx(2 * 123 / os.sysconf("SC_CLK_TCK"))
