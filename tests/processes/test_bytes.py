"""Bytes on their way: downloads that must be what was announced, and the upload program, against a real HTTP server."""

from __future__ import annotations

import hashlib
import http.server
import json
import resource
import socketserver
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

import pytest

from hotstack_os.content.download import downloaded
from hotstack_os.errors import HotstackError
from hotstack_os.exec import Command, run_here

CONTENT = bytes(range(256)) * 20_000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@dataclass
class Server:
    """A server of this machine: what it was asked for, and what it was sent."""

    port: int = 0
    asked: list[str] = field(default_factory=list)
    sent: dict[str, tuple[str | None, bytes]] = field(default_factory=dict)

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"


@pytest.fixture
def server() -> Iterator[Server]:
    known = Server()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known.asked.append(self.path)
            self.send_response(404 if self.path == "/nothing" else 200)
            self.send_header("Content-Length", str(len(CONTENT)))
            self.end_headers()
            self.wfile.write(CONTENT)

        def do_PUT(self) -> None:
            data = self.rfile.read(int(self.headers["Content-Length"]))
            known.sent[self.path] = (self.headers["X-Auth-Token"], data)
            self.send_response(409 if self.path == "/full" else 204)
            self.end_headers()
            self.wfile.write(b"no room" if self.path == "/full" else b"")

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        known.port = running.server_port
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield known
        running.shutdown()
        thread.join()


def test_a_file_is_fetched_once(server: Server, tmp_path: Path) -> None:
    first = downloaded(server.url("/x"), SHA256, tmp_path)
    assert first.read_bytes() == CONTENT
    assert downloaded(server.url("/x"), SHA256, tmp_path) == first
    assert server.asked == ["/x"]


@pytest.mark.parametrize("path", ["/x", "/nothing"])
def test_what_was_not_announced_is_not_kept(server: Server, tmp_path: Path, path: str) -> None:
    with pytest.raises(HotstackError, match="checksum" if path == "/x" else "404"):
        downloaded(server.url(path), "0" * 64, tmp_path)
    assert list((tmp_path / "downloads").iterdir()) == []


def upload(url: str, path: Path, sha256: str) -> tuple[int, str]:
    program = resources.files("hotstack_os.node").joinpath("image_upload.py").read_text()
    asked = json.dumps({"url": url, "token": "a token", "path": str(path), "sha256": sha256})
    argv = (sys.executable, "-I", "-S", "-c", program)
    done = run_here(Command(argv, "upload", stdin=asked, accept=frozenset({0, 3, 4})))
    return done.status, done.stdout.strip()


def test_an_upload_says_what_came_of_it(server: Server, tmp_path: Path) -> None:
    file = tmp_path / "image"
    file.write_bytes(CONTENT)
    assert upload(server.url("/file"), file, SHA256) == (0, "")
    assert server.sent["/file"] == ("a token", CONTENT)
    assert upload(server.url("/file"), file, "0" * 64) == (3, SHA256)
    assert upload(server.url("/full"), file, SHA256)[0] == 4


@pytest.fixture
def broken() -> Iterator[Callable[[bytes], str]]:
    """Servers that say this and break off: the URL of each."""
    with ExitStack() as running:

        def serve(said: bytes) -> str:
            class Handler(socketserver.StreamRequestHandler):
                def handle(self) -> None:
                    while self.rfile.readline().strip():
                        pass
                    self.wfile.write(said)

            server = running.enter_context(socketserver.TCPServer(("127.0.0.1", 0), Handler))
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            running.callback(thread.join)
            running.callback(server.shutdown)
            return f"http://127.0.0.1:{server.server_address[1]}/x"

        yield serve


OK = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    ("said", "found"),
    [
        (OK + b"Content-Length: 1000\r\n\r\n" + b"x" * 400, r"the end after 400 of 1000 bytes\n  → Run the command"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n100\r\n" + b"x" * 16, r"IncompleteRead.*\n  → Run the command again"),
        (b"", r"Remote end closed connection"),
        (b"nonsense\r\n\r\n", r"nonsense"),
    ],
    ids=["length", "chunked", "nothing", "nonsense"],
)  # fmt: skip
def test_a_download_that_breaks_off_is_one_sentence_and_keeps_nothing(
    broken: Callable[[bytes], str], said: bytes, found: str, tmp_path: Path
) -> None:
    url = broken(said)
    with pytest.raises(HotstackError, match=rf"wanted to download {url}; found {found}"):
        downloaded(url, SHA256, tmp_path)
    assert list((tmp_path / "downloads").iterdir()) == []


def test_a_download_that_finds_no_room_says_so(server: Server, tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        with pytest.raises(HotstackError, match=rf"to keep .* in {tmp_path}/downloads; found File too large"):
            downloaded(server.url("/x"), SHA256, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list((tmp_path / "downloads").iterdir()) == []


def test_two_who_fetch_the_same_file_both_get_it(server: Server, tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        found = set(pool.map(lambda _: downloaded(server.url("/x"), SHA256, tmp_path), range(4)))
    assert [path.read_bytes() == CONTENT for path in found] == [True]
