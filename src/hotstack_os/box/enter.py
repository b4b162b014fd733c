"""How a program of this machine becomes one in a box: argv that goes in front of its own. Pure."""

from __future__ import annotations

from pathlib import Path

from hotstack_os.box.plan import NOT_IN_A_BOX

_ENVIRONMENT = ("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8")
_JOIN = 'mkdir -p "$0" && echo 0 > "$0/cgroup.procs" && exec "$@"'
# The fork into the PID namespace is this shell's, not nsenter's: systemd stops every process before it kills them at a
# reboot, nsenter then stops itself, never reaps its child, and the namespace could not end.
_FORK = '"$@"; exit $?'


def join(group: Path) -> tuple[str, ...]:
    """Enter the control group, made if need be, and go on with the argv that follows."""
    return ("/bin/sh", "-c", _JOIN, str(group))


def namespaces(leader: int) -> tuple[str, ...]:
    """nsenter(1) takes on namespaces, not limits: without setpriv(1) we would come in with all of our capabilities.

    They are given up on this side, by this machine's own program: those inside are whatever the box made of them.
    """
    bounds = ",".join(f"-{name}" for name in NOT_IN_A_BOX)
    confine = ("setpriv", f"--bounding-set={bounds}", "--inh-caps=-all", "--")
    nsenter = ("nsenter", "-F", "-t", str(leader), "-m", "-u", "-i", "-n", "-p", "-C", "--")
    return (*confine, *nsenter, "/bin/sh", "-c", _FORK, "sh", "/usr/bin/env", "-i", *_ENVIRONMENT)
