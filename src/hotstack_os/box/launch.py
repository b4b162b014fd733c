"""Start a supervisor so that it outlives whoever started it."""

from __future__ import annotations

import sys
from pathlib import Path

from hotstack_os.box import observe, plan
from hotstack_os.box.paths import Home
from hotstack_os.box.spec import BoxSpec
from hotstack_os.errors import HotstackError
from hotstack_os.exec import Command, CommandFailed, run_here
from hotstack_os.exec.wait import until
from hotstack_os.whole import put

SUPERVISOR = Path(__file__).with_name("supervisor.py")
_DIE_WITH_US = ("setpriv", "--pdeathsig", "KILL")  # until it has forked; a half-done start is none
_UNIT_PROPERTIES = ("Delegate=yes", "KillMode=mixed", "TimeoutStopSec=30", "TasksMax=infinity")


def systemd_runs_here() -> bool:
    """Whether PID 1 of this machine is systemd: sd_booted(3)."""
    return Path("/run/systemd/system").is_dir()


def start(spec: BoxSpec, *, overlay: bool) -> None:
    """Return when the supervisor holds its lock and everything is mounted; nspawn starts right after.

    With systemd here it becomes a transient service, so that it belongs to no login session and systemd gives it a
    control group of its own; without, it detaches itself.
    """
    home, managed = Home(spec.home), systemd_runs_here()
    put(home.plan, plan.supervisor_plan(spec, overlay=overlay, own_cgroup=not managed))
    if managed:
        _wait_for_old_unit(spec)
    prefix = transient_unit(spec) if managed else _DIE_WITH_US
    argv = (*prefix, sys.executable, "-I", "-S", str(SUPERVISOR), str(home.plan))
    try:
        run_here(Command(argv, purpose=f"start box {spec.name}", timeout=60))
    except CommandFailed as failure:
        if observe.lock_holder(home.lock):  # the last survivor of a start whose starter was killed came first
            return
        said = failure.result.stderr.strip() or console_tail(home)
        detail = f"{said}\n{console_tail(home)}" if managed else said
        raise HotstackError(f"box {spec.name} to start", detail) from None


def transient_unit(spec: BoxSpec) -> tuple[str, ...]:
    """argv in front of the supervisor's. It forks once it is ready, hence the service type."""
    log = f"append:{Home(spec.home).console}"
    properties = (*_UNIT_PROPERTIES, f"StandardOutput={log}", f"StandardError={log}")
    return (
        "systemd-run",
        "--quiet",
        "--collect",
        f"--unit={spec.unit}",
        f"--description=HotStack-OS box {spec.name}",
        "--service-type=forking",
        *(f"--property={each}" for each in properties),
    )


def console_tail(home: Home) -> str:
    """The last lines that the supervisor or nspawn wrote."""
    if not home.console.exists():
        return ""
    return "\n".join(home.console.read_text(encoding="utf-8", errors="replace").splitlines()[-10:])


def _wait_for_old_unit(spec: BoxSpec) -> None:
    """A killed supervisor's unit stays a moment after its last process."""
    show = Command(("systemctl", "show", "--property=LoadState", "--value", f"{spec.unit}.service"))
    until(lambda: run_here(show).stdout.strip() == "not-found", f"unit {spec.unit} to be gone", seconds=30)
