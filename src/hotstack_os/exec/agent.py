"""A `Host` behind an agent: one child process with pipes, requests and answers matched by number."""

from __future__ import annotations

import base64
import contextlib
import itertools
import json
import subprocess
import threading
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from importlib import resources
from typing import Any

from hotstack_os.exec.command import Command, CommandMissing, CommandTimeout, Result
from hotstack_os.exec.host import FileStat, HostLost, HttpAnswer, RequestRefused
from hotstack_os.hidden import Hidden

# Reads the agent's length and source from standard input, then leaves the same stream to the agent.
_BOOT = "import sys; s=sys.stdin.buffer; exec(compile(s.read(int(s.readline())), 'hotstack-agent', 'exec'))"
_GRACE = 5.0


class AgentHost:
    """The machine at which `prefix` + argv arrives; an empty prefix is this one. Starts its agent at first use."""

    def __init__(self, name: str, prefix: tuple[str, ...] = ()) -> None:
        self._name = name
        self._prefix = prefix
        self._connection: _Connection | None = None
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        return self._name

    def argv(self, argv: tuple[str, ...]) -> tuple[str, ...]:
        return (*self._prefix, *argv)

    def run(self, command: Command) -> Result:
        answer = self._ask(
            "run",
            argv=command.argv,
            stdin=_encode(command.stdin_bytes()),
            env=dict(command.env),
            cwd=command.cwd,
            timeout=command.timeout,
        )
        if answer.get("missing"):
            raise CommandMissing(command, self._name)
        stdout, stderr = (base64.b64decode(answer[name]).decode(errors="replace") for name in ("stdout", "stderr"))
        if answer["timeout"]:
            raise CommandTimeout(command, stdout + stderr)
        return Result(command, answer["status"], stdout, stderr, answer["seconds"]).check()

    def http(
        self, method: str, url: str, *, headers: Mapping[str, str], body: Hidden | bytes | None, timeout: float
    ) -> HttpAnswer:
        raw = _encode(Command((), stdin=body).stdin_bytes())
        answer = self._ask("http", method=method, url=url, headers=dict(headers), body=raw, timeout=timeout)
        return HttpAnswer(answer["status"], answer["headers"], base64.b64decode(answer["body"]))

    def stat(self, paths: Iterable[str]) -> Mapping[str, FileStat | None]:
        answer = self._ask("stat", paths=list(paths))
        return {path: FileStat(**found) if found else None for path, found in answer.items()}

    def read(self, paths: Iterable[str]) -> Mapping[str, bytes | None]:
        answer = self._ask("read", paths=list(paths))
        return {path: None if data is None else base64.b64decode(data) for path, data in answer.items()}

    def read_tree(self, roots: Iterable[str]) -> Mapping[str, bytes]:
        return {path: base64.b64decode(data) for path, data in self._ask("read_tree", roots=list(roots)).items()}

    def write(
        self, path: str, data: bytes | str | Hidden, *, mode: int, owner: str = "root", group: str = "root"
    ) -> None:
        raw = Command((), stdin=data).stdin_bytes()
        self._ask("write", path=path, data=_encode(raw), mode=mode, owner=owner, group=group)

    def make_directory(self, path: str, *, mode: int, owner: str = "root", group: str = "root") -> None:
        self._ask("make_directory", path=path, mode=mode, owner=owner, group=group)

    def make_link(self, path: str, target: str) -> None:
        self._ask("make_link", path=path, target=target)

    def remove(self, path: str) -> None:
        self._ask("remove", path=path)

    def close(self) -> None:
        """End the agent: it stops at the end of its input. The next request would start another."""
        with self._lock:
            connection, self._connection = self._connection, None
        if connection:
            connection.close()

    def _ask(self, op: str, **arguments: Any) -> Any:
        with self._lock:
            if self._connection is None:
                self._connection = _Connection(self._name, self.argv(("python3", "-I", "-u", "-S", "-c", _BOOT)))
            connection = self._connection
        return connection.ask(op, arguments)


class _Connection:
    """One agent process from its start to its end. Once it is lost, every request is answered by `HostLost`."""

    def __init__(self, name: str, argv: tuple[str, ...]) -> None:
        self._name = name
        self._numbers = itertools.count()
        self._waiting: dict[int, tuple[str, Future[Any]]] = {}
        self._lock = threading.Lock()
        self._ended: str | None = None
        try:
            self._agent = subprocess.Popen(
                argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
            )
        except FileNotFoundError:
            raise HostLost(f"an agent on node {name}", f"no program {argv[0]!r} on this machine") from None
        source = resources.files("hotstack_os.node").joinpath("agent.py").read_bytes()
        threading.Thread(target=self._receive, daemon=True).start()
        self._send(b"%d\n" % len(source) + source)

    def ask(self, op: str, arguments: Mapping[str, Any]) -> Any:
        answer: Future[Any] = Future()
        with self._lock:
            if self._ended is not None:
                raise self._lost(op)
            number = next(self._numbers)
            self._waiting[number] = (op, answer)
            self._send(json.dumps({"id": number, "op": op, **arguments}).encode() + b"\n")
        return answer.result()

    def close(self) -> None:
        assert self._agent.stdin is not None
        with self._lock, contextlib.suppress(BrokenPipeError):
            self._agent.stdin.close()
        try:
            self._agent.wait(_GRACE)
        except subprocess.TimeoutExpired:
            self._agent.kill()
            self._agent.wait()

    def _send(self, data: bytes) -> None:
        """A broken pipe needs no answer here: `_receive` sees the agent's end and tells everyone who waits."""
        assert self._agent.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._agent.stdin.write(data)
            self._agent.stdin.flush()

    def _receive(self) -> None:
        assert self._agent.stdout is not None
        assert self._agent.stderr is not None
        with self._agent.stdout as replies:
            for line in replies:
                self._settle(json.loads(line))
        with self._agent.stderr as words:
            said = words.read().decode(errors="replace").strip()[-500:]
        status = self._agent.wait()
        with self._lock:
            self._ended = f"its agent ended with status {status}{': ' + said if said else ''}"
            for op, answer in self._waiting.values():
                answer.set_exception(self._lost(op))
            self._waiting.clear()

    def _settle(self, reply: Mapping[str, Any]) -> None:
        with self._lock:
            _, answer = self._waiting.pop(reply["id"])
        if "error" in reply:
            answer.set_exception(RequestRefused(f"to {reply['op']} on node {self._name}", reply["error"]))
        else:
            answer.set_result(reply["ok"])

    def _lost(self, op: str) -> HostLost:
        assert self._ended is not None
        return HostLost(
            wanted=f"node {self._name} to {op}",
            found=self._ended,
            hint="See whether the node is up: hotstack-os box list.",
        )


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode()
