#!/usr/bin/python3 -I
"""Asks the services of a node whether they work. Runs on the node; standard library only.

  health.py wait SERVICE SECONDS   until it answers: readiness of a unit (ExecStartPost=)
  health.py wait-all SECONDS       until all answer: the gate before hotstack-os.target
  health.py watch                  for ever: writes what it sees to /run/hotstack-os/health.json
  health.py logins                 which of the broker's users may come in: see logins()

Every question fails when the service is broken: a login to the broker, a query to the database, a value stored in
the cache and read back, a name resolved, an answer of the application over HTTP. An open port alone is no health.

Services that listen nowhere are known by their traces: the consumers of their queue, the row that they renew, the time
since they last asked the database. APIs are asked more, every few rounds, with the token of an account that may only
read: requests that lead through their database or queue. While Keystone gives no token, that proves nothing of them.
Some use the broker or the database only when a user's request needs it, and no request that only reads does: their
logins are tried in their stead.

Each question has an end, however slowly or endlessly the other side talks, and the watch asks each in a thread of its
own: one that hangs says nothing of any other. No answer can be more than a reason for "not healthy".
"""

import hashlib
import json
import os
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from http.client import HTTPConnection, HTTPException
from typing import Any
from urllib.parse import urlsplit

PROBES = "/etc/hotstack-os/health.json"
STATE = "/run/hotstack-os/health.json"
PERIOD = 3.0
PATIENCE = 3.0
STEP = 0.1
LONGEST = 10  # times as long as without progress may a start take that goes on
FAIR = 0.05  # of the time, used by the processes of a unit, is progress: a loop that waits uses less
MARGIN = 30.0  # more than a start may take, for systemd
LOGIN = 5  # rounds between attempts
MOST = 1 << 20  # bytes of an answer

Probe = dict[str, Any]


class Unhealthy(Exception):
    """The service answered, but not as a healthy one."""


class TokenRefused(Exception):
    """The token is no longer valid, which says nothing of the service."""


class Asked(threading.local):
    """The question that a thread asks: when it must be answered, and what was heard last."""

    factor = 1.0  # for all threads: how many times as long as elsewhere an answer may take
    end = 0.0
    count = 0
    heard = b""

    def begin(self) -> None:
        """A new question."""
        self.end, self.count, self.heard = time.monotonic() + PATIENCE * self.factor, 0, b""

    def left(self) -> float:
        """Seconds until it must be answered."""
        if (left := self.end - time.monotonic()) <= 0:
            raise TimeoutError("timed out")
        return left

    def hear(self, data: bytes) -> None:
        """Remember an answer, or a part of one."""
        self.heard, self.count = data[:60] or self.heard, self.count + len(data)
        if self.count > MOST:
            raise Unhealthy("answers without an end: %s" % ascii(self.heard))


ASKED = Asked()


class Stream(socket.socket):
    """A socket on which nothing lasts longer than the question."""

    def connect(self, address: Any) -> None:
        self.settimeout(ASKED.left())
        super().connect(address)

    def recv(self, size: int, flags: int = 0) -> bytes:
        self.settimeout(ASKED.left())
        data = super().recv(size, flags)
        ASKED.hear(data)
        return data

    def recv_into(self, buffer: Any, size: int = 0, flags: int = 0) -> int:
        self.settimeout(ASKED.left())
        count = super().recv_into(buffer, size, flags)
        ASKED.hear(bytes(memoryview(buffer)[:count]))
        return count


def connect(probe: Probe) -> Stream:
    """A TCP connection."""
    stream = Stream(socket.AF_INET, socket.SOCK_STREAM)
    stream.connect((probe["host"], probe["port"]))
    return stream


def connect_here(path: str) -> Stream:
    """A connection to a socket of this node."""
    stream = Stream(socket.AF_UNIX)
    stream.connect(path)
    return stream


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


def request(where: Probe, path: str, headers: dict[str, str], body: Any = None) -> tuple[int, Any, bytes]:
    """Status, headers and text of an answer to a GET, or to a POST of `body` as JSON. No redirect is followed."""
    connection = HTTPConnection(where["host"], where["port"])
    with connect(where) as connection.sock:
        data = json.dumps(body).encode() if body else None
        more = {"Content-Type": "application/json", "Connection": "close", **headers}
        connection.request("POST" if data else "GET", path, data, more)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()


def ask_http(probe: Probe) -> None:
    """The application answers a request with one of the expected statuses."""
    status, _, _ = request(probe, probe["path"], {})
    if status not in probe["expect"]:
        raise Unhealthy("HTTP %d" % status)


def log_in(login: Probe) -> dict[str, str]:
    """A token of the account for health, and the ids of its project and user; empty where the account is not known."""
    domain = {"name": "Default"}
    user = {"name": login["user"], "domain": domain, "password": login["password"]}
    scope = {"project": {"name": "service", "domain": domain}}
    identity = {"methods": ["password"], "password": {"user": user}}
    asked = {"auth": {"identity": identity, "scope": scope}}
    url = urlsplit(login["url"])
    where = {"host": url.hostname, "port": url.port}
    status, headers, text = request(where, url.path + "/auth/tokens", {}, asked)
    if status >= 500:
        raise Unhealthy("HTTP %d instead of a token" % status)
    if status != 201:
        return {}
    try:
        token = json.loads(text)["token"]
        return {"token": headers["X-Subject-Token"], "project": token["project"]["id"], "user": token["user"]["id"]}
    except (ValueError, TypeError, LookupError):
        raise Unhealthy("HTTP 201 with something else than a token") from None  # which is not shown


def ask_deep(probe: Probe, session: dict[str, str]) -> None:
    """The application does its work for a user who may read; raises TokenRefused where it does not take the token."""
    path = probe["deep"]["path"].format_map(session)
    status, _, _ = request(probe, path, {"X-Auth-Token": session["token"], **probe["deep"]["headers"]})
    if status == 401:
        raise TokenRefused
    if status != probe["deep"]["expect"]:
        raise Unhealthy("HTTP %d for %s" % (status, probe["deep"]["path"]))


def ask_memcached(probe: Probe) -> None:
    """A value is stored and read back."""
    with connect_here(probe["socket"]) as stream:
        stream.sendall(b"set hotstack-os-health 0 10 2\r\nok\r\nget hotstack-os-health\r\n")
        wanted = b"STORED\r\nVALUE hotstack-os-health 0 2\r\nok\r\nEND\r\n"
        if receive(stream, len(wanted)) != wanted:
            raise Unhealthy("the value stored was not read back")


def ask_dns(probe: Probe) -> None:
    """The name resolves to the address that it must have."""
    labels = b"".join(bytes([len(part)]) + part.encode() for part in probe["name"].split("."))
    query = struct.pack(">HHHHHH", os.getpid() & 0xFFFF, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">HH", 1, 1)
    with Stream(socket.AF_INET, socket.SOCK_DGRAM) as stream:
        stream.sendto(query, (probe["host"], probe["port"]))
        answer = stream.recv(512)
    if answer[:2] != query[:2] or socket.inet_aton(probe["answer"]) not in answer[len(query) :]:
        raise Unhealthy("%s does not resolve to %s" % (probe["name"], probe["answer"]))


def amqp_table(name: str, kind: bytes, value: bytes) -> bytes:
    """A table with one field."""
    field = bytes([len(name)]) + name.encode() + kind + value
    return struct.pack(">I", len(field)) + field


# Whom it says this to, RabbitMQ tells at once that a login is refused; others are kept waiting for seconds.
CLIENT = amqp_table("capabilities", b"F", amqp_table("authentication_failure_close", b"t", b"\x01"))


@contextmanager
def broker(probe: Probe) -> Iterator[socket.socket]:
    """A connection to the broker on which the user is logged in and has opened the virtual host."""
    with connect(probe) as stream:
        stream.sendall(b"AMQP\x00\x00\x09\x01")
        expect_method(stream, (10, 10))
        response = ("\0%s\0%s" % (probe["user"], probe["password"])).encode()
        start_ok = struct.pack(">HH", 10, 11) + CLIENT + b"\x05PLAIN" + struct.pack(">I", len(response)) + response
        send_method(stream, start_ok + b"\x05en_US")
        tune = expect_method(stream, (10, 30))
        send_method(stream, struct.pack(">HH", 10, 31) + tune[4:12])
        send_method(stream, struct.pack(">HH", 10, 40) + b"\x01/\0\0")
        expect_method(stream, (10, 41))
        yield stream
        send_method(stream, struct.pack(">HHH", 10, 50, 200) + b"\0" + struct.pack(">HH", 0, 0))


def ask_amqp(probe: Probe) -> None:
    """The broker lets a user log in and opens the virtual host (AMQP 0-9-1, sections 2.2 and 4.2)."""
    with broker(probe):
        pass


def ask_rpc(probe: Probe) -> None:
    """Somebody consumes from the service's queue, and the service has renewed its row lately.

    A further node has no database to look into: there the broker's word has to do, which drops who is silent.
    """
    queue = probe["queue"].encode()
    with broker(probe) as stream:
        send_method(stream, struct.pack(">HH", 20, 10) + b"\0", 1)
        expect_method(stream, (20, 11))
        # Passive: asks for a queue and makes none.
        declare = struct.pack(">HHHB", 50, 10, 0, len(queue)) + queue + b"\x01" + struct.pack(">I", 0)
        send_method(stream, declare, 1)
        answer = method(stream)
        if answer[:4] != struct.pack(">HH", 50, 11):
            raise Unhealthy("the queue %s does not exist" % probe["queue"])
        if not struct.unpack(">I", answer[-4:])[0]:
            raise Unhealthy("nobody consumes from the queue %s" % probe["queue"])
    if probe["beat"]:
        recent(database_value(probe, probe["beat"]), probe["seconds"], "reported")


def recent(age: str | None, limit: int, what: str) -> None:
    """An age in seconds, as the database says it, is below the limit."""
    if age is None:
        raise Unhealthy("never %s" % what)
    if int(age) > limit:
        raise Unhealthy("has not %s for %s s" % (what, age))


def send_method(stream: socket.socket, payload: bytes, channel: int = 0) -> None:
    """One method frame."""
    stream.sendall(struct.pack(">BHI", 1, channel, len(payload)) + payload + b"\xce")


def method(stream: socket.socket) -> bytes:
    """The payload of the next method frame."""
    kind, _, size = struct.unpack(">BHI", receive(stream, 7))
    payload = receive(stream, size + 1)[:-1]
    if kind != 1:
        raise Unhealthy("the broker does not speak AMQP 0-9-1")
    return payload


def expect_method(stream: socket.socket, wanted: tuple[int, int]) -> bytes:
    """The payload of the next method frame, which must be the wanted one."""
    payload = method(stream)
    if struct.unpack(">HH", payload[:4]) != wanted:
        raise Unhealthy("the broker refused the login")
    return payload


def ask_mysql(probe: Probe) -> None:
    """The database answers a query to root."""
    database_value(probe, "SELECT count(*) FROM mysql.global_priv")


def ask_mysql_login(probe: Probe) -> None:
    """The database lets a user log in with a password and use a database (plugin mysql_native_password)."""
    with connect(probe) as stream:
        number, greeting = mysql_packet(stream)
        if greeting[:1] == b"\xff":
            raise Unhealthy(greeting[9:].decode(errors="replace"))
        end = greeting.index(b"\0", 1)
        proof = native_proof(probe["password"], greeting[end + 5 : end + 13] + greeting[end + 32 : end + 44])
        # As below, with CLIENT_CONNECT_WITH_DB.
        hello = struct.pack("<IIB23x", 0x00088208, 1 << 24, 45) + probe["user"].encode() + b"\0"
        hello += bytes([len(proof)]) + proof + probe["database"].encode() + b"\0mysql_native_password\0"
        mysql_send(stream, number + 1, hello)
        _, answer = mysql_packet(stream)
        if answer[:1] != b"\0":
            raise Unhealthy("login refused: " + answer[9:].decode(errors="replace"))
        mysql_quit(stream)


def native_proof(password: str, salt: bytes) -> bytes:
    """SHA1(password) xor SHA1(salt + SHA1(SHA1(password))): that one knows a password, without saying it."""
    once = hashlib.sha1(password.encode(), usedforsecurity=False).digest()
    stored = hashlib.sha1(once, usedforsecurity=False).digest()
    mask = hashlib.sha1(salt + stored, usedforsecurity=False).digest()
    return bytes(one ^ other for one, other in zip(once, mask, strict=True))


def ask_worker(probe: Probe) -> None:
    """The service has queried its database lately, known by its address, which is the container's own.

    Or it holds its lock in OVN's database, and its project has queried the database. A process that is stopped loses
    its lock within ten seconds: ovsdb-server drops clients that answer no echo.
    """
    recent(database_value(probe, probe["query"]), probe["seconds"], "asked its database")
    if probe["lock"]:
        with connect(probe) as stream:
            if json_call(stream, "lock", [probe["lock"]])["locked"]:
                raise Unhealthy("does not hold its lock %s" % probe["lock"])


def ask_ovsdb(probe: Probe) -> None:
    """The database server answers a query (RFC 7047, section 4.1.3)."""
    select = {"op": "select", "table": probe["table"], "where": [], "columns": ["_uuid"]}
    with connect(probe) as stream:
        results = json_call(stream, "transact", [probe["name"], select])
    if not isinstance(results[0].get("rows"), list):
        raise Unhealthy("query refused: %s" % str(results[0])[:200])


def ask_ovn_agent(probe: Probe) -> None:
    """The agent has registered with its chassis and follows Neutron's sequence number, one behind at most.

    Beside a new chassis it has none to follow (0) until Neutron counts on, which may be long after.
    """
    chassis = {"op": "select", "table": "Chassis_Private", "where": [["name", "==", probe["chassis"]]]}
    number = {"op": "select", "table": "SB_Global", "where": [], "columns": ["nb_cfg"]}
    with connect(probe) as stream:
        found, now = json_call(stream, "transact", ["OVN_Southbound", chassis, number])
    said = dict(found["rows"][0]["external_ids"][1]).get("neutron:ovn-neutron-agent-sb-cfg") if found["rows"] else None
    if said is None:
        raise Unhealthy("has not registered with its chassis")
    if 0 < int(said) < now["rows"][0]["nb_cfg"] - 1:
        raise Unhealthy("is %d behind" % (now["rows"][0]["nb_cfg"] - int(said)))


def ask_metadata_agent(probe: Probe) -> None:
    """The agent looks for a server that does not exist, in OVN's database, and says so (HTTP on a local socket)."""
    nobody = "X-OVN-Network-ID: 00000000-0000-0000-0000-000000000000\r\nX-Forwarded-For: 192.0.2.1"
    with connect_here(probe["deep"]["socket"]) as stream:
        stream.sendall(("GET / HTTP/1.1\r\nHost: metadata\r\n%s\r\n\r\n" % nobody).encode())
        said = receive(stream, len("HTTP/1.1 404"))
    if not said.endswith(b" 404"):
        raise Unhealthy(said.decode(errors="replace"))


def ask_unixctl(probe: Probe) -> None:
    """The process answers commands on its control socket as a healthy one does (ovs-appctl(8))."""
    for command, wanted in probe["ask"].items():
        with connect_here(probe["path"]) as stream:
            said = json_call(stream, command, [])
        if not isinstance(said, str) or said.strip() != wanted:
            raise Unhealthy("%s: %s" % (command, str(said).strip()[:200]))


def json_call(stream: socket.socket, name: str, parameters: list[Any]) -> Any:
    """The result of a call in JSON-RPC 1.0, whose messages follow each other without marks between them."""
    stream.sendall(json.dumps({"id": 0, "method": name, "params": parameters}).encode())
    for message in json_messages(stream):
        if message.get("id") == 0:
            if message.get("error"):
                raise Unhealthy(str(message["error"])[:200])
            return message["result"]
    raise Unhealthy("connection closed")


def json_messages(stream: socket.socket) -> Iterator[Any]:
    """The messages of a peer until it closes the connection."""
    text, decoder = "", json.JSONDecoder()
    while True:
        try:
            message, end = decoder.raw_decode(text)
        except ValueError:
            more = stream.recv(65536).decode(errors="replace")
            if not more:
                return
            text += more
            continue
        text = text[end:].lstrip()
        yield message


def database_value(probe: Probe, query: str) -> str | None:
    """The only value of a query by root, who is known by the socket he comes through (plugin unix_socket)."""
    with connect_here(probe["socket"]) as stream:
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
        mysql_send(stream, 0, b"\x03" + query.encode())
        value = mysql_value(stream)
        mysql_quit(stream)
        return value


def mysql_value(stream: socket.socket) -> str | None:
    """The first value of the first row of a result: after the number of columns, their descriptions and an end mark."""
    _, answer = mysql_packet(stream)
    if answer[:1] == b"\xff":
        raise Unhealthy("query refused: " + answer[9:].decode(errors="replace"))
    for _ in range(answer[0] + 1):
        mysql_packet(stream)
    _, row = mysql_packet(stream)
    if row[:1] == b"\xfe":  # the end: no row
        return None
    while mysql_packet(stream)[1][:1] not in (b"\xfe", b"\xff"):
        pass  # Only who has heard everything can take leave.
    return None if row[:1] == b"\xfb" else row[1 : 1 + row[0]].decode()


def mysql_quit(stream: socket.socket) -> None:
    """Take leave (COM_QUIT): the server counts, and writes down, those who just go."""
    with suppress(OSError):
        mysql_send(stream, 0, b"\x01")


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
    "mysql-login": ask_mysql_login,
    "rpc": ask_rpc,
    "worker": ask_worker,
    "ovsdb": ask_ovsdb,
    "ovn-agent": ask_ovn_agent,
    "unixctl": ask_unixctl,
}


def trouble(probe: Probe, ask: Callable[[Probe], None] | None = None) -> str:
    """What is wrong with a service; empty when it is healthy."""
    ASKED.begin()
    try:
        (ask or ASK[probe["kind"]])(probe)
    except TokenRefused:
        raise
    except (OSError, HTTPException, Unhealthy) as error:
        return str(error) or type(error).__name__
    except Exception as error:  # noqa: BLE001 (whatever reading it came upon, the answer was not a healthy one's)
        return "answers oddly: %s" % (ascii(ASKED.heard) if ASKED.heard else "%s: %s" % (type(error).__name__, error))
    return ""


class Deep:
    """What requests with a token and logins have shown: asked every few rounds, remembered in between.

    What has failed is asked again in the next round: that it works again is seen soon. Rounds are numbered from 1 on.
    """

    def __init__(self, login: Probe, logins: dict[str, Probe]) -> None:
        self._login = login
        self.logins = logins
        self._session: dict[str, str] = {}
        self._silent = ""
        self._found: dict[str, str] = {}
        self._refused: dict[str, str] = {}

    def log_in(self, number: int) -> None:
        """Get a token where there is none."""
        if self._login and not self._session and (self._silent or number % LOGIN == 1):
            self._silent = trouble(self._login, self._get)

    def _get(self, login: Probe) -> None:
        self._session = log_in(login)

    def try_login(self, name: str, number: int) -> None:
        """Try what services log in with."""
        if self._refused.get(name) or number % LOGIN == 0:
            self._refused[name] = trouble(self.logins[name])

    def trouble(self, name: str, probe: Probe, number: int) -> str:
        """What is wrong with a service, looked at in all ways."""
        why = trouble(probe)
        if why:
            return why
        if probe.get("deep") and (self._found.get(name) or number % probe["deep"]["rounds"] == 0):
            self._found[name] = self._ask(name, probe)
        refused = {each: self._refused.get(each) for each in probe.get("logins", ())}
        return self._found.get(name) or "; ".join("%s: %s" % (each, why) for each, why in refused.items() if why)

    def _ask(self, name: str, probe: Probe) -> str:
        if "socket" in probe["deep"]:
            return trouble(probe, ask_metadata_agent)
        session = dict(self._session)
        try:
            if session:
                return trouble(probe, lambda each: ask_deep(each, session))
        except TokenRefused:
            self._session = {}
        return self._silent if name == self._login.get("service") else ""


def told() -> dict[str, Any]:
    """What we are told to ask; from here on as patiently as is said there."""
    with open(PROBES) as handle:
        content = dict(json.load(handle))
    Asked.factor = content.get("patience", 1.0)
    return content


def load() -> dict[str, Probe]:
    """service → probe"""
    return dict(told()["services"])


def wait(names: list[str], seconds: float) -> int:
    """0 when all of them have answered, 1 when there was no progress for so long; says then who did not, and why.

    A unit is at work as long as its processes use a fair part of the time, but not for ever. Nor is there anything to
    wait for when the unit's main process, which systemd names in MAINPID, has ended.
    """
    began = time.monotonic()
    probes, deadline, used = load(), began + seconds, spent()
    silent = dict.fromkeys(names, "was not asked")
    while True:
        silent = {name: why for name in silent if (why := trouble(probes[name]))}
        if not silent:
            return 0
        now = time.monotonic()
        if deadline <= now < began + LONGEST * seconds:
            before, used = used, spent()
            if used - before >= FAIR * seconds:
                deadline = now + seconds
                extend(seconds + MARGIN)
        if now >= deadline or ended(os.environ.get("MAINPID", "")):
            for name, why in silent.items():
                print("%s does not answer: %s" % (name, why), file=sys.stderr)
            return 1
        time.sleep(STEP)


def spent(proc: str = "/proc") -> float:
    """Processor seconds of a unit's other processes and their ended children, by the control group that it shares."""
    unit, ticks = unit_of("%s/self" % proc), 0
    for each in filter(str.isdigit, os.listdir(proc)):
        if unit and each != str(os.getpid()) and unit_of("%s/%s" % (proc, each)) == unit:
            ticks += sum(map(int, stat("%s/%s" % (proc, each))[11:15]))  # proc_pid_stat(5), 14 to 17
    return ticks / os.sysconf("SC_CLK_TCK")


def unit_of(process: str) -> str:
    """The control group of a process's unit; empty for one without."""
    paths = (line.split(":", 2)[2].partition(".service") for line in said("%s/cgroup" % process).splitlines())
    return next((head + mark for head, mark, _ in paths if mark), "")


def stat(process: str) -> list[str]:
    """What the kernel says of a process, from its state on; nothing of one that has ended."""
    return said("%s/stat" % process).rpartition(")")[2].split()


def said(path: str) -> str:
    with suppress(OSError), open(path) as handle:
        return handle.read()
    return ""


def extend(seconds: float) -> None:
    """Have systemd wait so much longer for the unit (EXTEND_TIMEOUT_USEC, sd_notify(3)), where that is who waits."""
    if address := os.environ.get("NOTIFY_SOCKET", ""):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as stream:
            stream.connect("\0" + address[1:] if address.startswith("@") else address)
            stream.send(b"EXTEND_TIMEOUT_USEC=%d" % round(seconds * 1e6))


def ended(process: str) -> bool:
    """Whether this process, if one is named, is no more; a zombie is none."""
    return bool(process) and stat("/proc/%s" % process)[:1] in ([], ["Z"])


class Watch:
    """Asks all services again and again, each in a thread of its own: a slow one delays its own verdict alone."""

    def __init__(self, content: dict[str, Any]) -> None:
        self._deep = Deep(content["login"], content["logins"])
        self._found: dict[str, dict[str, Any]] = {}
        self._news = threading.Event()
        self._repeat(self._deep.log_in)
        for name in content["logins"]:
            self._repeat(partial(self._deep.try_login, name))
        for name, probe in content["services"].items():
            self._repeat(partial(self._look, name, probe))

    def _repeat(self, look: Callable[[int], None]) -> None:
        def run() -> None:
            number = 0
            while True:
                began, number = time.monotonic(), number + 1
                look(number)
                time.sleep(max(0.0, PERIOD - (time.monotonic() - began)))

        threading.Thread(target=run, daemon=True).start()

    def _look(self, name: str, probe: Probe, number: int) -> None:
        why = self._deep.trouble(name, probe, number)
        health, now, before = "unhealthy" if why else "healthy", time.time(), self._found.get(name, {})
        changed = before.get("health") != health
        since = now if changed else before["since"]
        self._found[name] = {"health": health, "detail": why, "since": since, "time": now}
        if changed:
            self._news.set()

    def state(self) -> dict[str, Any]:
        """What is known, after the next change or at the end of a period."""
        self._news.wait(PERIOD)
        self._news.clear()
        return {"time": time.time(), "period": PERIOD * ASKED.factor, "services": dict(self._found)}


def watch() -> None:
    """Publish for ever what is seen."""
    seen = Watch(told())
    while True:
        publish(seen.state())


def logins() -> int:
    """Tries users of the broker: {"host", "port", "users": {name: password}, "patience"} on standard input.

    Says on standard output what is wrong with each, empty where it may come in; status 1 when nobody answers there.
    """
    asked = json.load(sys.stdin)
    Asked.factor = asked.get("patience", 1.0)
    where = {"kind": "amqp", "host": asked["host"], "port": asked["port"]}
    if trouble({**where, "kind": "tcp"}):
        return 1
    said = {name: trouble({**where, "user": name, "password": word}) for name, word in asked["users"].items()}
    print(json.dumps(said))
    return 0


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
        case ["logins"]:
            return logins()
    print(__doc__, file=sys.stderr)
    return 64


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
