"""The process that a box hangs on: it holds the box's namespaces and runs systemd-nspawn in them.

One file, standard library only, started as `python3 -I -S supervisor.py PLAN`; PLAN is written by `plan.py` and holds
every decision. Forks: the parent waits until everything is mounted, prints what went wrong if it did not, and exits.
If the parent is killed before that, the child gives up.

The child is PID 1 of a PID namespace around nspawn. That is what makes the box mortal: whoever kills the supervisor,
with whatever signal, makes the kernel kill every process below it and drop its private mounts and network. (nspawn
alone does not: its container survives it.) A reboot from inside ends nspawn with status 133, and it is started again
in the same namespaces, so network devices that others put into the box stay.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import signal
import stat
import sys
from pathlib import Path
from types import FrameType
from typing import Any

CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWNET = 0x00020000, 0x20000000, 0x40000000  # <linux/sched.h>
MS_RDONLY, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 1, 32, 4096, 16384, 1 << 18  # mount(2)
REBOOT = 133  # nspawn with --keep-unit: "start me again"
STAGE = Path("/run/box")
READY = b"ready"

Plan = dict[str, Any]
_libc = ctypes.CDLL(None, use_errno=True)


def unshare(flags: int) -> None:
    """unshare(2); os.unshare came with Python 3.12."""
    if _libc.unshare(flags):
        raise OSError(ctypes.get_errno(), "unshare: " + os.strerror(ctypes.get_errno()))


def mount(source: str, target: Path, kind: str, flags: int, data: str = "") -> None:
    """mount(2)."""
    if _libc.mount(source.encode(), bytes(target), kind.encode(), flags, data.encode()):
        error = ctypes.get_errno()
        raise OSError(error, f"mount {source} ({kind or 'bind'} {data}): {os.strerror(error)}", str(target))


def take_lock(path: Path) -> None:
    """The lock that says that the box runs. Never closed: the kernel lets go of it when this process ends."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise OSError("it runs already, under another supervisor") from None


def own_cgroups() -> list[Path]:
    """Where this process is now, in the unified hierarchy and in systemd's own of a hybrid set-up."""
    hybrid = Path("/sys/fs/cgroup/unified")
    tops = {"0::": hybrid if hybrid.is_dir() else Path("/sys/fs/cgroup")}
    if Path("/sys/fs/cgroup/systemd").is_dir():
        tops["name=systemd:"] = Path("/sys/fs/cgroup/systemd")
    found = []
    for line in Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines():
        for mark, top in tops.items():
            if mark in line and (top / "cgroup.procs").exists():
                found.append(top / line.split(":", 2)[2].lstrip("/"))
    return found


def enter(cgroup: Path) -> None:
    """Make the control group and put this process into it."""
    cgroup.mkdir(parents=True, exist_ok=True)
    (cgroup / "cgroup.procs").write_text("0", encoding="ascii")


def prepare_cgroups(plan: Plan) -> list[Path]:
    """Enter `keeper` below the box's own control group, or below that which systemd delegated to us.

    They are recorded before they are made, so that whoever cleans up after a crash knows them. `keeper` is a leaf
    because of the rule of cgroup v2 that a group with processes gives its children no controllers.
    """
    groups = [top / plan["cgroup"] if plan["cgroup"] else top for top in own_cgroups()]
    record = Path(plan["cgroups_file"])
    record.with_suffix(".new").write_text(json.dumps([str(each) for each in groups]), encoding="utf-8")
    record.with_suffix(".new").replace(record)
    for group in groups:
        enter(group / "keeper")
        offered = group / "cgroup.controllers"
        if offered.exists():
            wanted = " ".join("+" + name for name in offered.read_text(encoding="ascii").split())
            (group / "cgroup.subtree_control").write_text(wanted, encoding="ascii")
    return groups


def drop(group: Path) -> None:
    """Remove a control group with all below it."""
    for directory, _, _ in os.walk(group, topdown=False):
        Path(directory).rmdir()


def prepare_mounts(plan: Plan) -> None:
    """The box's root with all binds, at `STAGE`, in a mount namespace of our own.

    /run and /tmp are covered last: nspawn leaves locks and sockets there, which thereby vanish with us. What lies
    below them on the outer side is mounted by then.
    """
    unshare(CLONE_NEWNS | CLONE_NEWNET)
    mount("none", Path("/"), "", MS_REC | MS_PRIVATE)
    root = Path(os.path.realpath(plan["root"]))  # the box may lie behind a link of this machine
    for each in plan["mounts"]:
        place(root, each)
    handle = os.open(root, os.O_PATH | os.O_DIRECTORY)
    outside = f"/proc/self/fd/{handle}"
    for covered in ("/run", "/tmp"):  # noqa: S108
        mount("tmpfs", Path(covered), "tmpfs", 0, "mode=755")
    STAGE.mkdir()
    mount(outside, STAGE, "", MS_BIND | MS_REC)
    os.close(handle)
    mount("proc", Path("/proc"), "proc", 0)


def place(root: Path, each: dict[str, Any]) -> None:
    """One mount of the plan; its target is made as a directory or, for a file, as an empty file."""
    target = Path(os.path.realpath(f"{root}{each['inner']}"))
    if not target.is_relative_to(root):
        raise OSError(f"{each['inner']} leads out of the box through a symbolic link")
    handle = opened(each["source"], each["within"]) if each["kind"] == "" else None
    source, flags = (each["source"], 0) if handle is None else (f"/proc/self/fd/{handle}", MS_BIND | MS_REC)
    if handle is not None and not Path(source).is_dir():
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()
    else:
        target.mkdir(parents=True, exist_ok=True)
    mount(source, target, each["kind"], flags, each["data"])
    if handle is not None:
        os.close(handle)
    if each["read_only"]:
        mount("none", target, "", MS_REMOUNT | MS_BIND | MS_RDONLY)


def opened(source: str, within: str) -> int:
    """What is to be bind-mounted, as a descriptor, by which nobody can exchange it any more.

    Below `within` another box may put links, at any moment, to files of this machine: there, none is followed.
    """
    if not within:
        return os.open(source, os.O_PATH)
    handle = os.open(within, os.O_PATH | os.O_DIRECTORY)
    for name in Path(source).relative_to(within).parts:
        below = os.open(name, os.O_PATH | os.O_NOFOLLOW, dir_fd=handle)
        os.close(handle)
        handle = below
    if stat.S_ISLNK(os.fstat(handle).st_mode):
        raise OSError(f"{source} is a symbolic link, made in another box")
    return handle


def start(plan: Plan, groups: list[Path]) -> int:
    """Start nspawn in a fresh control group `machine` and return its pid."""
    for group in groups:
        drop(group / "machine")
    pid = os.fork()
    if pid:
        return pid
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        for group in groups:
            enter(group / "machine")
        os.execvpe(plan["argv"][0], plan["argv"], plan["environment"])  # noqa: S606 (argv is ours)
    except OSError as error:
        print(f"nspawn cannot be started: {error}", flush=True)  # noqa: T201
    os._exit(127)


def reap(child: int) -> int:
    """Exit status of `child`; as PID 1 of the namespace we also collect orphans on the way."""
    while True:
        pid, status = os.wait()
        if pid == child:
            return os.waitstatus_to_exitcode(status)


def run(plan: Plan, groups: list[Path]) -> int:
    """nspawn until it ends for another reason than a reboot. SIGTERM asks the box to shut down in order."""
    status, ending, child = REBOOT, False, 0

    def stop(_signal: int, _frame: FrameType | None) -> None:
        nonlocal ending
        ending = True
        if child:
            os.kill(child, signal.SIGTERM)

    signal.signal(signal.SIGTERM, stop)
    while status == REBOOT and not ending:
        child = start(plan, groups)
        if ending:
            os.kill(child, signal.SIGTERM)
        status = reap(child)
        child = 0
        print(f"nspawn ended with status {status}", flush=True)  # noqa: T201 (standard output is the console log)
    return status


def leave(plan: Plan, groups: list[Path]) -> None:
    """Remove the control groups that we made; those of a systemd unit are systemd's to remove."""
    if not plan["cgroup"]:
        return
    for group in groups:
        enter(group.parent)
        drop(group)


def daemon(plan: Plan, tell: int) -> int:
    """Prepare, say READY or what went wrong through `tell`, and run the box to its end."""
    os.setsid()
    try:
        log = os.open(plan["console"], os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        take_lock(Path(plan["lock"]))
        groups = prepare_cgroups(plan)
        prepare_mounts(plan)
    except OSError as error:
        os.write(tell, str(error).encode())
        return 1
    for stream, target in enumerate((os.open(os.devnull, os.O_RDONLY), log, log)):
        os.dup2(target, stream)
    try:
        os.write(tell, READY)
        os.close(tell)
        status = run(plan, groups)
    except BrokenPipeError:
        status = 1  # who started us was killed meanwhile; then there shall be no box
    leave(plan, groups)
    return 0 if status == 0 else 1


def main() -> int:
    """Fork the daemon into a PID namespace of its own and pass on what it reports."""
    plan: Plan = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    os.umask(0o022)  # whoever started us may have had another
    hear, tell = os.pipe()
    unshare(CLONE_NEWPID)
    if os.fork() == 0:
        os.close(hear)
        return daemon(plan, tell)
    os.close(tell)
    with os.fdopen(hear, "rb") as report:
        said = report.read()
    if said == READY:
        return 0
    sys.stderr.write(said.decode() or "its supervisor ended without a word\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
