"""Three servers on two tenant networks behind a router, made by a Heat stack and reached through floating IPs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import resources
from typing import Any

from hotstack_os.exec.wait import until
from system.conftest import CloudUnderTest

STACK = "test-servers"
KEY = "/root/test-key"
CONNECT = (
    "-o BatchMode=yes -o ConnectTimeout=5 -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR"
)
OPTIONS = f"-i {KEY} {CONNECT}"
PORTS = range(7000, 7010)
"""TCP ports that the servers' security group lets in, beside SSH."""
BLOCK, COUNT = 1 << 20, 25
"""What is sent over each path: a random block, so many times."""
BOOT_SECONDS = 180


@dataclass(frozen=True)
class Server:
    """A server of the stack."""

    cloud: CloudUnderTest
    name: str
    fixed: str
    floating: str

    def ssh(self, script: str, *, stdin: str = "/dev/null", accept: tuple[int, ...] = (0,)) -> str:
        """Standard output of a script in the server; `stdin` is a file on the node."""
        command = f"ssh {OPTIONS} root@{self.floating} '{script}' < {stdin}"
        return self.cloud.node("sh", "-c", command, accept=accept)

    def answers(self) -> bool:
        """Whether it takes the key."""
        return self.ssh("echo ready", accept=(0, 255)) == "ready\n"

    def wait(self, seconds: float = BOOT_SECONDS) -> None:
        """Until it takes the key."""
        until(self.answers, f"SSH to {self.name} at {self.floating}", seconds=seconds, step=0.5)


@dataclass(frozen=True)
class Servers:
    """a and b share a network; c is behind the router."""

    cloud: CloudUnderTest
    a: Server
    b: Server
    c: Server

    def __iter__(self) -> Iterator[Server]:
        return iter((self.a, self.b, self.c))


def template() -> str:
    """The Heat template of the servers."""
    return (resources.files("system") / "servers.yaml").read_text()


@contextmanager
def running(cloud: CloudUnderTest) -> Iterator[Servers]:
    """The servers, as long as the block lasts; a stack that a developer has left there is used, and stays."""
    with stack(cloud, STACK, template(), dns=str(cloud.wanted.networks.dns)) as outputs:
        servers = Servers(cloud, *(Server(cloud, name, *outputs[name]) for name in "abc"))
        for server in servers:
            server.wait()
        yield servers


@contextmanager
def stack(cloud: CloudUnderTest, name: str, text: str, **parameters: str) -> Iterator[dict[str, Any]]:
    """The outputs of a Heat stack, as long as the block lasts; of the test's key it gets the public half."""
    public, where = cloud.settings.with_name("key.pub"), cloud.settings.with_name("template.yaml")
    public.write_text(cloud.shell(f"test -e {KEY} || ssh-keygen -q -t ed25519 -N '' -f {KEY}; cat {KEY}.pub"))
    where.write_text(text)
    given = [word for key, value in parameters.items() for word in ("--parameter", f"{key}={value}")]
    found = is_there(cloud, name)
    try:
        if not found:
            key = ("--parameter-file", f"public_key={public}")
            cloud.client("stack", "create", "--wait", "--template", str(where), *key, *given, name)
        shown = cloud.openstack("stack", "show", name)["outputs"]
        yield {each["output_key"]: each["output_value"] for each in shown}
    finally:
        if not found:
            remove(cloud, name)


def is_there(cloud: CloudUnderTest, name: str = STACK) -> bool:
    """Whether there is a stack of that name."""
    return any(each["Stack Name"] == name for each in cloud.openstack("stack", "list"))


def remove(cloud: CloudUnderTest, name: str = STACK) -> None:
    """Delete the stack, if it is there."""
    if is_there(cloud, name):
        cloud.client("stack", "delete", "--yes", "--wait", name)


BLOCKS = f"for i in $(seq {COUNT}); do cat /tmp/block; done"

_NODE = """
import hashlib, socket, sys, time
address, port, way = sys.argv[1], int(sys.argv[2]), sys.argv[3]
for attempt in range(100):
    try:
        peer = socket.create_connection((address, port), timeout=60)
        break
    except ConnectionRefusedError:
        time.sleep(0.1)
if way == "send":
    block = open("/root/block", "rb").read()
    for _ in range(int(sys.argv[4])):
        peer.sendall(block)
    peer.shutdown(socket.SHUT_WR)
    print(peer.recv(100).decode())
else:
    digest = hashlib.sha256()
    while data := peer.recv(1 << 20):
        digest.update(data)
    print(digest.hexdigest())
"""
_RECEIVER = "nc -l -p {} -e sha256sum"
"""Answers with the digest of what it got."""


def _node(cloud: CloudUnderTest, server: Server, port: int, way: str) -> str:
    """The node calls the server, which may not call the node, and sends or receives; the digest of what arrived."""
    return cloud.node("python3", "-c", _NODE, server.floating, str(port), way, str(COUNT)).split()[0]


def prepare(servers: Servers) -> str:
    """Put the same random block on the node and into the servers; returns the digest of what is sent later."""
    servers.cloud.shell(f"head -c {BLOCK} /dev/urandom > /root/block")
    for server in servers:
        server.ssh("cat > /tmp/block", stdin="/root/block")
    count = f"import hashlib; print(hashlib.sha256(open('/root/block', 'rb').read() * {COUNT}).hexdigest())"
    return servers.cloud.node("python3", "-c", count).strip()


def push(cloud: CloudUnderTest, server: Server, port: int) -> str:
    """Node → server; returns the digest of what arrived."""
    with _running(server, _RECEIVER.format(port)):
        return _node(cloud, server, port, "send")


def pull(cloud: CloudUnderTest, server: Server, port: int) -> str:
    """Server → node; returns the digest of what arrived."""
    with _running(server, f"({BLOCKS}) | nc -l -p {port} > /dev/null"):
        return _node(cloud, server, port, "receive")


def between(source: Server, target: Server, port: int) -> str:
    """Server → server; returns the digest of what arrived. The sender tries until the receiver listens."""
    tries = "tries=$((tries + 1)); [ $tries -lt 50 ] || exit 1; sleep 0.2"
    with _running(target, _RECEIVER.format(port)):
        return source.ssh(f"tries=0; until ({BLOCKS}) | nc {target.fixed} {port}; do {tries}; done").split()[0]


@contextmanager
def _running(server: Server, script: str) -> Iterator[None]:
    """The script runs in the server meanwhile; it has ended well when the block is left."""
    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(server.ssh, script)
        yield
        other.result()


def checksum_errors(server: Server) -> int:
    """Segments that the server's kernel threw away for their checksum (Linux: InCsumErrors of TCP and UDP)."""
    lines = server.ssh("cat /proc/net/snmp").splitlines()
    total = 0
    for protocol in ("Tcp", "Udp"):
        names, values = (line.split()[1:] for line in lines if line.startswith(f"{protocol}:"))
        total += int(dict(zip(names, values, strict=True))["InCsumErrors"])
    return total


def loss(statistics: str) -> tuple[int, int]:
    """(sent, received) of ping's last words."""
    found = re.search(r"(\d+) packets transmitted, (\d+) received", statistics)
    assert found, statistics
    return int(found[1]), int(found[2])
