"""The OpenStack client for tests that make hundreds of calls: a process that has imported it once and forks.

A call of `hotstack-os openstack` takes a second and a half of processor time, nearly all of it for imports. Here each
call is a fork of a process that has them, in the cloud's network and with its names as `Machine.client_argv` has them;
nothing of the cloud is kept from call to call. The verb itself has tests of its own.
"""

from __future__ import annotations

import ctypes
import json
import os
import runpy
import signal
import subprocess
import sys
import tempfile
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, NoReturn

from hotstack_os.box.supervisor import CLONE_NEWNS, MS_BIND, MS_PRIVATE, MS_REC, mount, unshare
from hotstack_os.deploy import credentials
from hotstack_os.deploy.machine import machine_of, program
from hotstack_os.settings.cloud import Cloud


class Client:
    """Starts with the first call and ends with `close`, or with the process that made it."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def call(self, cloud: Cloud, words: tuple[str, ...], seconds: float) -> subprocess.CompletedProcess[str]:
        """What the client says; status -14 (SIGALRM) when it did not end in time."""
        process = self._process or self._start()
        assert process.stdin
        assert process.stdout
        request = {
            "words": words,
            "seconds": seconds,
            "network": str(machine_of(cloud).box.netns),  # type: ignore[union-attr]  # these tests have a box
            "names": str(cloud.state / "client"),
            "environment": {"OS_CLIENT_CONFIG_FILE": str(credentials.path(cloud)), "OS_CLOUD": f"{cloud.name}-admin"},
        }
        process.stdin.write(json.dumps(request) + "\n")
        process.stdin.flush()
        answer = json.loads(process.stdout.readline())
        return subprocess.CompletedProcess(list(words), answer["status"], answer["out"], answer["error"])

    def _start(self) -> subprocess.Popen[str]:
        python_path = os.pathsep.join(path for path in sys.path if path)
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            env={**os.environ, "PYTHONPATH": python_path},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self._process

    def close(self) -> None:
        """End it, if it was started."""
        if self._process:
            self._process.communicate(timeout=60)
            self._process = None


def serve() -> None:
    """Answer requests, one per line, until there are no more."""
    for group in sorted(name for name in entry_points().groups if name.startswith("openstack.")):
        for command in entry_points(group=group):
            command.load()
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), flush=True)  # noqa: T201 (that is the protocol)


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Status and words of one call."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as error:
        child = os.fork()
        if not child:
            become_client(request, out.fileno(), error.fileno())
        _, status = os.waitpid(child, 0)
        said = {}
        for name, file in (("out", out), ("error", error)):
            file.seek(0)
            said[name] = file.read().decode(errors="replace")
        return {"status": os.waitstatus_to_exitcode(status), **said}


def become_client(request: dict[str, Any], out: int, error: int) -> NoReturn:
    """In the child: move to the cloud's network, put its names over this machine's, and run the client's script."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (out, 1), (error, 2)):
        os.dup2(source, target)
    status: Any = 1
    try:
        signal.setitimer(signal.ITIMER_REAL, request["seconds"])
        join(Path(request["network"]))
        unshare(CLONE_NEWNS)
        mount("none", Path("/"), "", MS_REC | MS_PRIVATE)
        for name in ("hosts", "resolv.conf"):
            mount(f"{request['names']}/{name}", Path("/etc", name), "", MS_BIND)
        os.environ.update(request["environment"])
        sys.argv = [program("openstack"), *request["words"]]
        runpy.run_path(sys.argv[0], run_name="__main__")
    except SystemExit as end:
        status = end.code or 0
    except BaseException:  # noqa: BLE001 (whatever it is, this child of fork ends here)
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status if isinstance(status, int) else 1)


def join(namespace: Path) -> None:
    """setns(2); os.setns came with Python 3.12."""
    with namespace.open() as handle:
        if ctypes.CDLL(None, use_errno=True).setns(handle.fileno(), 0):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(namespace))


if __name__ == "__main__":
    serve()
