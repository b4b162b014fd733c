"""Services stopped, started and restarted as they are, without a plan; and programs inside of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hotstack_os.errors import HotstackError
from hotstack_os.exec import Command, CommandFailed, Host
from hotstack_os.exec.command import ITS_OWN
from hotstack_os.hidden import Hidden
from hotstack_os.runtime.boot import READY, WATCH
from hotstack_os.runtime.quadlet import PREFIX, TARGET, unit_name
from hotstack_os.runtime.services import active_states

STOP_SECONDS = 300.0


def stop(host: Host, services: Sequence[str]) -> None:
    """Stop these services; returns when they have stopped."""
    _stop(host, [unit_name(each) for each in services])


def start(host: Host, services: Sequence[str]) -> None:
    """Start these services; returns when each has answered."""
    _systemctl(host, "start", [unit_name(each) for each in services], ITS_OWN)


def restart(host: Host, services: Sequence[str]) -> None:
    """Restart these services and no others; returns when each has answered."""
    _systemctl(host, "restart", [unit_name(each) for each in services], ITS_OWN)


def stop_all(host: Host, services: Sequence[str]) -> None:
    """Stop the cloud's services and the watch over them; servers and the session libvirtd are none: they run on."""
    _stop(host, [TARGET, READY, WATCH, *map(unit_name, services)])


def start_all(host: Host) -> None:
    """Start the cloud's services; returns when all of them answer at the same time."""
    _systemctl(host, "start", [WATCH, TARGET], ITS_OWN)


def restart_all(host: Host, services: Sequence[str]) -> None:
    """Restart the cloud's services; returns when all of them answer at the same time."""
    _systemctl(host, "restart", [*map(unit_name, services), READY], ITS_OWN)
    _systemctl(host, "start", [TARGET], ITS_OWN)


def exec_argv(service: str, words: Iterable[str], *, root: bool, terminal: bool) -> tuple[str, ...]:
    """A program in the container of a service, as its user or as root. Its exit status is that of the program."""
    options = ["--interactive", *(["--tty"] if terminal else []), *(["--user=0"] if root else [])]
    return ("podman", "exec", *options, f"{PREFIX}{service}", *words)


def ask(
    host: Host,
    service: str,
    words: Iterable[str],
    purpose: str,
    *,
    stdin: Hidden | None = None,
    timeout: float = 20.0,
) -> str:
    """What a program in the running container of a service prints, run as the service's user."""
    argv = exec_argv(service, words, root=False, terminal=False)
    return host.run(Command(argv, purpose, stdin=stdin, timeout=timeout)).stdout


def require_active(host: Host, service: str) -> None:
    """Refuse a service that does not run."""
    unit = unit_name(service)
    state = active_states(host, [unit])[unit]
    if state not in ("active", "activating"):
        raise HotstackError(f"the service {service} to run", f"it is {state}", f"Start it: hotstack-os start {service}")


def _stop(host: Host, units: Sequence[str]) -> None:
    """What was stopped on purpose is no failure, whatever status it ended with (OVN's northd: 139)."""
    _systemctl(host, "stop", units, STOP_SECONDS)
    host.run(Command(("systemctl", "reset-failed", *units), "forget how they ended", accept=frozenset({0, 1})))


def _systemctl(host: Host, verb: str, units: Sequence[str], seconds: float) -> None:
    """A start has an end of its own: each unit's, which comes the later the longer its service goes on (health.py)."""
    try:
        host.run(Command(("systemctl", verb, *units), f"{verb} services", timeout=seconds))
    except CommandFailed as error:
        said = error.result.stderr.strip()
        hint = "Why not: hotstack-os status, hotstack-os logs SERVICE, hotstack-os doctor."
        raise HotstackError(f"to {verb} the services", said, hint) from None
