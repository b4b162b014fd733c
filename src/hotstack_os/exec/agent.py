"""A `Host` behind an agent: one child process with pipes, requests and answers matched by number."""

from __future__ import annotations

import base64
import itertools
import json
import subprocess
import threading
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from functools import cached_property
from importlib import resources
from typing import Any

from hotstack_os.exec.command import Command, CommandMissing, CommandTimeout, Result
from hotstack_os.exec.host import FileStat, HostLost, RequestRefused
from hotstack_os.hidden import Hidden

# Reads the agent's length and source from standard input, then leaves the same stream to the agent.
_BOOT = "import sys; s=sys.stdin.buffer; exec(compile(s.read(int(s.readline())), 'hotstack-agent', 'exec'))"
_GRACE = 5.0


class AgentHost:
    """The machine at which `prefix` + argv arrives; an empty prefix is this one. Starts its agent at first use."""

    def __init__(self, name: str, prefix: tuple[str, ...] = ()) -> None:
        self._name = name
        self._prefix = prefix
        self._numbers = itertools.count()
        self._waiting: dict[int, Future[Any]] = {}
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
        """End the agent: it stops at the end of its input."""
        if "_agent" not in self.__dict__:
            return
        agent = self._agent
        if agent.stdin:
            agent.stdin.close()
        try:
            agent.wait(_GRACE)
        except subprocess.TimeoutExpired:
            agent.kill()
            agent.wait()
        del self._agent

    @cached_property
    def _agent(self) -> subprocess.Popen[bytes]:
        argv = self.argv(("python3", "-u", "-S", "-c", _BOOT))
        agent = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
        )
        source = resources.files("hotstack_os.node").joinpath("agent.py").read_bytes()
        assert agent.stdin is not None
        agent.stdin.write(b"%d\n" % len(source) + source)
        agent.stdin.flush()
        threading.Thread(target=self._receive, args=(agent,), daemon=True).start()
        return agent

    def _ask(self, op: str, **arguments: Any) -> Any:
        answer: Future[Any] = Future()
        with self._lock:
            agent = self._agent
            number = next(self._numbers)
            self._waiting[number] = answer
            request = json.dumps({"id": number, "op": op, **arguments}).encode() + b"\n"
            try:
                assert agent.stdin is not None
                agent.stdin.write(request)
                agent.stdin.flush()
            except (BrokenPipeError, ValueError):
                self._waiting.pop(number, None)
                raise self._lost(agent, op) from None
        return answer.result()

    def _receive(self, agent: subprocess.Popen[bytes]) -> None:
        assert agent.stdout is not None
        for line in agent.stdout:
            reply = json.loads(line)
            answer = self._waiting.pop(reply["id"])
            if "error" in reply:
                answer.set_exception(RequestRefused(f"{reply['op']} on node {self._name}", reply["error"]))
            else:
                answer.set_result(reply["ok"])
        agent.wait()
        for answer in list(self._waiting.values()):
            answer.set_exception(self._lost(agent, "answer"))
        self._waiting.clear()

    def _lost(self, agent: subprocess.Popen[bytes], op: str) -> HostLost:
        said = agent.stderr.read().decode(errors="replace").strip() if agent.stderr else ""
        return HostLost(
            wanted=f"node {self._name} to {op}",
            found=f"its agent ended with status {agent.poll()}{': ' + said[-500:] if said else ''}",
            hint="See whether the node is up: hotstack-os box list.",
        )


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode()
