"""Commands on this machine, outside any node: the builders of images and boxes."""

from __future__ import annotations

import os
import pwd
import signal
import subprocess
import tempfile
import time
from contextlib import suppress

from hotstack_os import interrupt
from hotstack_os.exec.command import Command, CommandMissing, CommandTimeout, Result
from hotstack_os.exec.patience import Patience

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Where programs are, whatever the caller's PATH leaves out."""
# What a child on this machine inherits: enough to reach package indexes with their certificates; nothing else.
_PROXIES = ("http_proxy", "https_proxy", "no_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY")
_KEPT = ("LANG", "SSL_CERT_FILE", "SSL_CERT_DIR", *_PROXIES)
_PIP = tuple(
    f"PIP_{name}"
    for name in (
        *("INDEX_URL", "EXTRA_INDEX_URL", "NO_INDEX", "FIND_LINKS", "TRUSTED_HOST", "CERT", "CLIENT_CERT", "PROXY"),
        *("TIMEOUT", "DEFAULT_TIMEOUT", "RETRIES", "CACHE_DIR", "NO_CACHE_DIR", "CONFIG_FILE", "KEYRING_PROVIDER"),
    )
)
_PIP_OURS = {"PIP_USER": "0", "PIP_REQUIRE_VIRTUALENV": "0"}
_GRACE = 1.0

_running: set[int] = set()


def environment() -> dict[str, str]:
    """The small environment that our children on this machine start from."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    own = {"PATH": search_path(), "HOME": os.environ.get("HOME") or _home(), "DEBIAN_FRONTEND": "noninteractive"}
    if os.environ.get("TMPDIR"):  # or what is used in its stead, where it does not exist
        own["TMPDIR"] = tempfile.gettempdir()
    return kept | own


def search_path() -> str:
    """The caller's PATH, and behind it the directories where programs are."""
    own = [each for each in os.environ.get("PATH", "").split(os.pathsep) if each]
    return os.pathsep.join([*own, *(each for each in PATH.split(os.pathsep) if each not in own)])


def pip_settings() -> dict[str, str]:
    """What the environment says to pip of where packages come from; where they go is not a person's to say here."""
    return {name: os.environ[name] for name in _PIP if name in os.environ} | _PIP_OURS


def _home() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_dir
    except KeyError:
        return "/"


def run_here(command: Command) -> Result:
    """Run to the end on this machine; raises CommandMissing, CommandTimeout, CommandFailed."""
    started = time.monotonic()
    with interrupt.shielded():
        process = _started(command)
        running(process.pid)
    try:
        out, err = _waited(process, command)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        out, err = _rest(process)
        raise CommandTimeout(command, (out + err).decode(errors="replace")) from None
    finally:
        end(process)
        running(process.pid, ended=True)
    seconds = time.monotonic() - started
    stdout, stderr = out.decode(errors="replace"), err.decode(errors="replace")
    return Result(command, process.returncode, stdout, stderr, seconds).check()


def running(group: int, *, ended: bool = False) -> None:
    """Note a process group that ends with this program, also where that is cut off; or that it has ended."""
    (_running.discard if ended else _running.add)(group)


def _started(command: Command) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            command.process,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**environment(), **command.env},
            cwd=command.cwd,
            start_new_session=True,
        )
    except FileNotFoundError:
        raise CommandMissing(command, "this machine") from None


def _waited(process: subprocess.Popen[bytes], command: Command) -> tuple[bytes, bytes]:
    patience = Patience(f"this machine to {command.act}", command.timeout)
    given: bytes | None = command.stdin_bytes()
    while True:
        try:
            return process.communicate(given, timeout=patience.slice())
        except subprocess.TimeoutExpired:
            if patience.over:
                raise
            given = None  # it goes on with what it was given


def end(process: subprocess.Popen[bytes] | subprocess.Popen[str]) -> None:
    """End a program with its process group: politely, and after a second by force."""
    if process.poll() is not None:
        return
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(_GRACE)
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _rest(process: subprocess.Popen[bytes]) -> tuple[bytes, bytes]:
    """What a killed process has said; a child of its that left the group may hold the pipes open for ever."""
    try:
        return process.communicate(timeout=1)
    except subprocess.TimeoutExpired as late:
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe:
                pipe.close()
        return late.output or b"", late.stderr or b""


def _kill_all() -> None:
    for group in tuple(_running):
        with suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)


interrupt.at_end(_kill_all)
