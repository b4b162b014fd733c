"""A `Host` behind an agent: one child process with pipes, requests and answers matched by number.

Nothing is waited for without an end: an agent has a time to begin, each request one to be answered. What a login says
before the agent begins is skipped; after that, whatever is no answer ends the connection and all who wait.
"""

from __future__ import annotations

import base64
import itertools
import json
import math
import operator
import os
import queue
import subprocess
import threading
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from importlib import resources
from typing import IO, Any, TypeVar

from hotstack_os import interrupt
from hotstack_os.exec.command import Command, CommandMissing, CommandTimeout, Result
from hotstack_os.exec.host import FileStat, HostLost, HttpAnswer, RequestRefused
from hotstack_os.exec.patience import Patience, stretched
from hotstack_os.hidden import Hidden

# Reads the agent's length and source from standard input, then leaves the same stream to the agent.
_BOOT = "import sys; s=sys.stdin.buffer; exec(compile(s.read(int(s.readline())), 'hotstack-agent', 'exec'))"
BEGINS = b"hotstack-os-agent begins"
"""The line after which an agent says nothing but answers; the same in node/agent.py."""
START_SECONDS = 60.0
MARGIN = 60.0
"""Seconds that an answer may take beyond what it is about: its way, and a machine that is busy."""
FILE_SECONDS = 300.0
"""For what is done to files: a disk may be slow, or a tree large."""
BEFORE = 64 * 1024
"""Bytes that may come before an agent begins."""
_GRACE = 5.0
_KEPT = 2000

T = TypeVar("T")


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
            command.act,
            command.timeout + MARGIN,
            argv=command.process,
            stdin=_encode(command.stdin_bytes()),
            env=dict(command.env),
            cwd=command.cwd,
            timeout=None if command.timeout == math.inf else stretched(command.timeout),
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
        act, wanted = f"{method} {url.partition('?')[0]}", {"method": method, "url": url, "headers": dict(headers)}
        answer = self._ask("http", act, timeout + MARGIN, **wanted, body=raw, timeout=stretched(timeout))
        return HttpAnswer(answer["status"], answer["headers"], base64.b64decode(answer["body"]))

    def stat(self, paths: Iterable[str]) -> Mapping[str, FileStat | None]:
        answer = self._file("stat", "look at files", paths=list(paths))
        return {path: FileStat(**found) if found else None for path, found in answer.items()}

    def read(self, paths: Iterable[str]) -> Mapping[str, bytes | None]:
        answer = self._file("read", "read files", paths=list(paths))
        return {path: None if data is None else base64.b64decode(data) for path, data in answer.items()}

    def read_tree(self, roots: Iterable[str]) -> Mapping[str, bytes]:
        answer = self._file("read_tree", "read directories", roots=list(roots))
        return {path: base64.b64decode(data) for path, data in answer.items()}

    def write(
        self, path: str, data: bytes | str | Hidden, *, mode: int, owner: str = "root", group: str = "root"
    ) -> None:
        raw = Command((), stdin=data).stdin_bytes()
        self._file("write", f"write {path}", path=path, data=_encode(raw), mode=mode, owner=owner, group=group)

    def make_directory(self, path: str, *, mode: int, owner: str = "root", group: str = "root") -> None:
        self._file("make_directory", f"make {path}", path=path, mode=mode, owner=owner, group=group)

    def make_link(self, path: str, target: str) -> None:
        self._file("make_link", f"make {path}", path=path, target=target)

    def remove(self, path: str) -> None:
        self._file("remove", f"remove {path}", path=path)

    def close(self) -> None:
        """End the agent: it stops at the end of its input. The next request would start another."""
        with self._lock:
            connection, self._connection = self._connection, None
        if connection:
            connection.close()

    def _file(self, op: str, act: str, **arguments: Any) -> Any:
        return self._ask(op, act, FILE_SECONDS, **arguments)

    def _ask(self, op: str, act: str, seconds: float, /, **arguments: Any) -> Any:
        """The answer to a request; `act` says for people what it is to do, `seconds` when to give up."""
        with self._lock:
            if self._connection is None:
                self._connection = _Connection(self._name, self.argv(("python3", "-I", "-u", "-S", "-c", _BOOT)))
            connection = self._connection
        return connection.ask(op, act, seconds, arguments)


class _Connection:
    """One agent process from its start to its end. Once it is lost, every request is answered by `HostLost`."""

    def __init__(self, name: str, argv: tuple[str, ...]) -> None:
        self._name = name
        self._numbers = itertools.count()
        self._begun: Future[None] = Future()
        self._waiting: dict[int, tuple[str, Future[Any]]] = {}
        self._lock = threading.Lock()
        self._ended: str | None = None
        self._outbox: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._said = b""
        pipe = subprocess.PIPE
        try:
            with interrupt.shielded():
                self._agent = subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True)
        except FileNotFoundError:
            raise HostLost(f"an agent on node {name}", f"no program {argv[0]!r} on this machine") from None
        source = resources.files("hotstack_os.node").joinpath("agent.py").read_bytes()
        self._outbox.put(b"%d\n" % len(source) + source)
        self._hearing = threading.Thread(target=self._hear, daemon=True)
        for thread in (self._hearing, *(threading.Thread(target=do, daemon=True) for do in (self._send, self._listen))):
            thread.start()

    def ask(self, op: str, act: str, seconds: float, arguments: Mapping[str, Any]) -> Any:
        answer: Future[Any] = Future()
        with self._lock:
            if self._ended is not None:
                raise self._lost(op)
            number = next(self._numbers)
            self._waiting[number] = (op, answer)
        self._outbox.put(json.dumps({"id": number, "op": op, **arguments}).encode() + b"\n")
        try:
            if not self._begun.done():
                self._awaited(self._begun, "to start its agent", START_SECONDS)
            return self._awaited(answer, f"to {act}", seconds)
        finally:
            with self._lock:
                self._waiting.pop(number, None)

    def close(self) -> None:
        self._outbox.put(None)
        self._status()

    def _status(self) -> int:
        """How the agent ended, which is about to; by force where it does not."""
        try:
            return self._agent.wait(_GRACE)
        except subprocess.TimeoutExpired:
            self._agent.kill()
            return self._agent.wait()

    def _awaited(self, future: Future[T], what: str, seconds: float) -> T:
        """What comes of it; `HostLost` where nothing does in time. Whoever else waits has a time of their own."""
        patience = Patience(f"node {self._name} {what}", seconds)
        while True:
            try:
                return future.result(patience.slice())
            except TimeoutError:
                if future.done():
                    return future.result()
                if patience.over:
                    found = f"no word of it in {stretched(seconds):g} s{self._words()}"
                    raise HostLost(f"node {self._name} {what}", found, _HINT) from None

    def _send(self) -> None:
        """What is sent goes through a thread, since a pipe that nobody empties would hold up whoever writes.

        A broken pipe needs no answer here: `_listen` sees the agent's end and tells everyone who waits.
        """
        assert self._agent.stdin is not None
        with suppress(BrokenPipeError), self._agent.stdin as requests:
            while (data := self._outbox.get()) is not None:
                requests.write(data)
                requests.flush()

    def _hear(self) -> None:
        """Keep the end of what the agent, or the way to it, complains about; a full pipe would stop them."""
        assert self._agent.stderr is not None
        with self._agent.stderr as words:
            while more := os.read(words.fileno(), 4096):
                self._said = (self._said + more)[-_KEPT:]

    def _listen(self) -> None:
        assert self._agent.stdout is not None
        wrong = ""
        with self._agent.stdout as replies:
            try:
                if self._skip_to_the_beginning(replies):
                    self._begun.set_result(None)
                    for line in replies:
                        self._settle(line)
            except _NoAnswerError as error:
                wrong = str(error)
        if wrong:
            self._agent.kill()
        self._end(wrong or f"its agent ended with status {self._status()}")

    def _skip_to_the_beginning(self, replies: IO[bytes]) -> bool:
        """Whether the agent begins: a login may say something before."""
        left = BEFORE
        while line := replies.readline(left):
            if line.rstrip() == BEGINS:
                return True
            left -= len(line)
            if left <= 0:
                raise _NoAnswerError(f"more than {BEFORE // 1024} KiB came before its agent began")
            if line.strip():
                self._said = (self._said + line)[-_KEPT:]
        return False

    def _settle(self, line: bytes) -> None:
        try:
            reply = json.loads(line)
            number, op = operator.index(reply["id"]), reply.get("op", "")
            told: Any = reply["ok"] if "ok" in reply else reply["error"]
        except (ValueError, LookupError, TypeError, AttributeError):
            raise _NoAnswerError(f"something else where its agent answers: {_shown(line)}") from None
        with self._lock:
            _, answer = self._waiting.pop(number, ("", None))
        if answer is None:  # who asked has given up
            return
        if "ok" in reply:
            answer.set_result(told)
        else:
            answer.set_exception(RequestRefused(f"to {op} on node {self._name}", told))

    def _end(self, why: str) -> None:
        """Tell everyone who waits, and everyone who comes."""
        self._outbox.put(None)
        self._hearing.join(1)  # a stranger may hold the pipe
        with self._lock:
            self._ended = f"{why}{self._words()}"
            waiting, self._waiting = self._waiting, {}
        for op, answer in waiting.values():
            answer.set_exception(self._lost(op))
        if not self._begun.done():
            self._begun.set_exception(self._lost("begin"))

    def _words(self) -> str:
        said = self._said.decode(errors="replace").strip()[-500:]
        return f": {said}" if said else ""

    def _lost(self, op: str) -> HostLost:
        return HostLost(f"node {self._name} to {op}", self._ended or "", _HINT)


class _NoAnswerError(Exception):
    """What came from the agent's side is none."""


_HINT = "See whether the node is up: hotstack-os box list."


def _shown(line: bytes) -> str:
    return repr(line[:200].decode(errors="replace"))


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode()
