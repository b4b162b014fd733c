"""Runs a program in the container of a unit as a root without powers: `enter.py UNIT PROGRAM [ARGUMENT…]`.

Sent to the node as text and run by its `python3`, so: standard library only, one file. The program is the container's
own file, and who holds the container may have changed it: all powers are gone before it begins. Standard streams are
the program's; so is the exit status, but 125 where nothing ran because the container does not run, and 126 or 127 where
the program cannot be executed, or is not there.
"""

import contextlib
import ctypes
import errno
import os
import signal
import sys
from collections.abc import Iterator

CGROUPS = "/sys/fs/cgroup"
NOT_CARRIED_IN, NOT_EXECUTABLE, NOT_FOUND = 125, 126, 127
# <linux/sched.h>: mounts, control groups, host name, IPC, processes, network. The users are the node's own.
NAMESPACES = 0x00020000 | 0x02000000 | 0x04000000 | 0x08000000 | 0x20000000 | 0x40000000
# <linux/prctl.h>
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT = 1, 4, 24, 38, 47
PR_CAP_AMBIENT_CLEAR_ALL = 4
CAPABILITY_VERSION = 0x20080522  # <linux/capability.h>, two words for each set

libc = ctypes.CDLL(None, use_errno=True)


def call(name: str, *arguments: object) -> None:
    """A function of the C library that answers 0, or fails."""
    if getattr(libc, name)(*arguments):
        error = ctypes.get_errno()
        raise OSError(error, "%s: %s" % (name, os.strerror(error)))


def inside(unit: str) -> Iterator[tuple[str, int]]:
    """The control group of the container that a unit runs, with each process in it."""
    try:
        for name in os.listdir("%s/system.slice/%s" % (CGROUPS, unit)):
            if name.startswith("libpod-payload-"):
                group = "/system.slice/%s/%s" % (unit, name)
                with open("%s%s/cgroup.procs" % (CGROUPS, group)) as processes:
                    yield from ((group, int(line)) for line in processes)
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENODEV):  # it is not there, or went while it was read
            raise


def first_process(unit: str) -> tuple[int, int] | None:
    """The container's first process: a descriptor of it, and one of its root directory; None where it does not run.

    A number may belong to another process as soon as its own has ended. What /proc says is believed because the process
    of the descriptor, which was opened before, still lives afterwards.
    """
    for group, number in inside(unit):
        with contextlib.suppress(ProcessLookupError, FileNotFoundError):
            process = os.pidfd_open(number)
            about = os.open("/proc/%d" % number, os.O_PATH | os.O_DIRECTORY)
            root = os.open("root", os.O_PATH | os.O_DIRECTORY, dir_fd=about)
            numbers, place = said(about, "status", "NSpid:").split(), said(about, "cgroup", "0::")
            signal.pidfd_send_signal(process, 0)
            if len(numbers) > 1 and numbers[-1] == "1" and place == group:
                return process, root
    return None


def said(about: int, name: str, word: str) -> str:
    """What stands after a word at the beginning of a line of a file in /proc/PID."""
    with open(os.open(name, os.O_RDONLY, dir_fd=about)) as lines:
        return next((line[len(word) :].strip() for line in lines if line.startswith(word)), "")


def forswear() -> None:
    """Give away, for us and all who come after us, what an execve(2) could bring; what we have now stays till `drop`.

    Not dumpable: nobody inside may look into us, or at the file that we were started from.
    """
    call("prctl", PR_SET_DUMPABLE, 0, 0, 0, 0)
    call("prctl", PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    call("prctl", PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    with open("/proc/sys/kernel/cap_last_cap") as last:
        for capability in range(int(last.read()) + 1):
            call("prctl", PR_CAPBSET_DROP, capability, 0, 0, 0)


def drop() -> None:
    """Have no capability any more."""
    header, sets = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION, 0), (ctypes.c_uint32 * 6)()
    call("capset", header, sets)


def run(command: list[str]) -> None:
    """Become the program. Nothing is imported here any more: modules would be the container's."""
    call("prctl", PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    status, reason = NOT_FOUND, "no such program"
    for directory in [""] if "/" in command[0] else os.environ["PATH"].split(":"):
        try:
            os.execve(os.path.join(directory, command[0]), command, os.environ)  # noqa: S606 (argv is ours)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            status, reason = NOT_EXECUTABLE, str(error.strerror)
    os.write(2, ("%s: %s\n" % (command[0], reason)).encode())
    os._exit(status)


def main(unit: str, command: list[str]) -> int:
    """Exit status."""
    found = first_process(unit)
    if found is None:
        print("the container of %s does not run" % unit, file=sys.stderr)
        return NOT_CARRIED_IN
    process, root = found
    forswear()
    call("setns", process, NAMESPACES)
    os.fchdir(root)
    os.chroot(".")
    drop()
    child = os.fork()  # it alone is in the container's process namespace
    if child == 0:
        try:
            run(command)
        finally:
            os._exit(NOT_EXECUTABLE)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return status if status >= 0 else 128 - status  # as shells say which signal it was


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
