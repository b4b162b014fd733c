"""Commands on this machine, outside any node: the builders of images and boxes."""

from __future__ import annotations

import os
import signal
import subprocess
import time

from hotstack_os.exec.command import Command, CommandMissing, CommandTimeout, Result

# What a child on this machine inherits: enough to find programs, package indexes and certificates; nothing else.
_KEPT = ("PATH", "HOME", "LANG", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR", "http_proxy", "https_proxy", "no_proxy")


def environment() -> dict[str, str]:
    """The small environment that our children on this machine start from."""
    return {name: os.environ[name] for name in _KEPT if name in os.environ} | {"DEBIAN_FRONTEND": "noninteractive"}


def run_here(command: Command) -> Result:
    """Run to the end on this machine; raises CommandMissing, CommandTimeout, CommandFailed."""
    started = time.monotonic()
    try:
        process = subprocess.Popen(
            command.argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**environment(), **command.env},
            cwd=command.cwd,
            start_new_session=True,
        )
    except FileNotFoundError:
        raise CommandMissing(command, "this machine") from None
    try:
        out, err = process.communicate(command.stdin_bytes(), timeout=command.timeout)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        out, err = _rest(process)
        raise CommandTimeout(command, (out + err).decode(errors="replace")) from None
    except KeyboardInterrupt:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()
        raise
    seconds = time.monotonic() - started
    stdout, stderr = out.decode(errors="replace"), err.decode(errors="replace")
    return Result(command, process.returncode, stdout, stderr, seconds).check()


def _rest(process: subprocess.Popen[bytes]) -> tuple[bytes, bytes]:
    """What a killed process has said; a child of its that left the group may hold the pipes open for ever."""
    try:
        return process.communicate(timeout=1)
    except subprocess.TimeoutExpired as late:
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe:
                pipe.close()
        return late.output or b"", late.stderr or b""
