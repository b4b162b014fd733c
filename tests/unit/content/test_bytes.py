"""Bytes on their way: downloads that must be what was announced, and the upload program, against a real HTTP server."""

from __future__ import annotations

import hashlib
import http.server
import json
import sys
import threading
from collections.abc import Iterator
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
