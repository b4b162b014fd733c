"""The hands of HotStack-OS on a node: executes requests that arrive on standard input, one JSON object a line.

Sent to the node as text and run by its `python3`, so: standard library only, one file, no import of the package.
Requests carry an `id` and an `op`; answers carry the same `id` and either `ok` or `error`. Bytes travel as base64.
Requests are served by a thread each, so a long command does not hold up a file that is read meanwhile.
The first line is `BEGINS`: what came before it is somebody else's. What was run ends with the agent, however that ends.
"""

import base64
import contextlib
import errno
import grp
import http.client
import json
import os
import pwd
import re
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

Request = dict[str, Any]

OCTAL = re.compile(rb"\\([0-7]{3})")  # how /proc writes spaces in names

ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LANG": "C.UTF-8",
    "HOME": "/root",
    "DEBIAN_FRONTEND": "noninteractive",
}


BEGINS = b"hotstack-os-agent begins"
GRACE = 1.0  # seconds from asking a process to end to making it


class Sessions:
    """The process groups that run for requests. A guard knows them as well: it outlives this process and ends them."""

    def __init__(self) -> None:
        self._groups: set[int] = set()
        self._lock = threading.Lock()
        self._ending = False
        self._guard, self._tell = guard()

    def begin(self, process: "subprocess.Popen[bytes]") -> None:
        """It has begun, as the leader of its group; where all shall end, it ends."""
        with self._lock:
            self._groups.add(process.pid)
            self._say("+", process.pid)
            if self._ending:
                kill(process.pid, signal.SIGKILL)

    def end(self, process: "subprocess.Popen[bytes]") -> None:
        """It has ended."""
        with self._lock:
            self._groups.discard(process.pid)
            self._say("-", process.pid)

    def close(self) -> None:
        """End all that runs, and the guard."""
        with self._lock:
            self._ending, groups = True, set(self._groups)
        end_all(groups)
        with self._lock:
            for group in groups:
                self._say("-", group)
            os.close(self._tell)
            self._tell = -1
        os.waitpid(self._guard, 0)

    def _say(self, sign: str, group: int) -> None:
        if self._tell < 0:
            return
        try:
            os.write(self._tell, b"%s%d\n" % (sign.encode(), group))
        except BrokenPipeError:  # somebody has killed the guard
            return


def guard() -> tuple[int, int]:
    """Fork the process that sees the end of this one by the end of a pipe, and then ends the groups named in it."""
    hear, tell = os.pipe()
    child = os.fork()
    if child:
        os.close(hear)
        return child, tell
    os.close(tell)
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):
        os.dup2(nothing, stream)
    groups: set[int] = set()
    with os.fdopen(hear, "rb") as words:
        for word in words:
            (groups.add if word[:1] == b"+" else groups.discard)(int(word[1:]))
    end_all(groups)
    os._exit(0)


def end_all(groups: set[int]) -> None:
    """End process groups: politely first, for an apt-get or a podman has something to put in order."""
    for group in groups:
        kill(group, signal.SIGTERM)
    deadline = time.monotonic() + GRACE
    while groups and time.monotonic() < deadline:
        groups = groups & living()
        time.sleep(0.02)
    for group in groups:
        kill(group, signal.SIGKILL)


def living() -> set[int]:
    """The process groups with somebody in them who is not dead; nobody may have collected the dead."""
    found = set()
    for process in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/stat" % process, "rb") as handle:
                state, _, group = handle.read().rpartition(b")")[2].split()[:3]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if state not in b"ZX":
            found.add(int(group))
    return found


def kill(group: int, number: int) -> None:
    """Signal a group, if there is one."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return


def run(request: Request, sessions: Sessions) -> Any:
    """Run argv in a process group of its own; on time-out the whole group is killed."""
    started = time.monotonic()
    try:
        process = subprocess.Popen(
            request["argv"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**ENVIRONMENT, **request["env"]},
            cwd=request["cwd"],
            start_new_session=True,
        )
    except FileNotFoundError:
        if not os.path.isdir(request["cwd"]):
            raise
        return {"missing": True}
    sessions.begin(process)
    try:
        out, err = process.communicate(base64.b64decode(request["stdin"]), timeout=request["timeout"])
        late = False
    except subprocess.TimeoutExpired:
        kill(process.pid, signal.SIGKILL)
        out, err = rest(process)
        late = True
    finally:
        sessions.end(process)
    return {
        "timeout": late,
        "status": process.returncode,
        "stdout": base64.b64encode(out).decode(),
        "stderr": base64.b64encode(err).decode(),
        "seconds": time.monotonic() - started,
    }


def rest(process: "subprocess.Popen[bytes]") -> tuple[bytes, bytes]:
    """What a killed process has said; a child of its that left the group may hold the pipes open for ever."""
    try:
        return process.communicate(timeout=1)
    except subprocess.TimeoutExpired as late:
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe:
                pipe.close()
        return late.output or b"", late.stderr or b""


class PromptConnection(http.client.HTTPConnection):
    """Gives up soon where nobody is: packets to a container that is stopped may go nowhere for over a minute.

    A kernel accepts at once, however busy its programs are, unless too many wait already; where a packet was lost it is
    sent again after 1 and 3 s.
    """

    CONNECT_SECONDS = 4.0

    def connect(self) -> None:
        """Connect; answers may take longer than that."""
        patience, self.timeout = self.timeout, self.CONNECT_SECONDS
        super().connect()
        self.timeout = patience
        self.sock.settimeout(patience)


class PromptHandler(urllib.request.HTTPHandler):
    """Opens URLs with such connections."""

    def http_open(self, req: urllib.request.Request) -> Any:
        return self.do_open(PromptConnection, req)


def http_request(request: Request) -> Any:
    """One HTTP request from this node, past any proxy; an error status is an answer like any other."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), PromptHandler)
    body = base64.b64decode(request["body"]) if request["body"] else None
    wanted = urllib.request.Request(request["url"], body, request["headers"], method=request["method"])
    try:
        with opener.open(wanted, timeout=request["timeout"]) as answer:
            status, headers, data = answer.status, dict(answer.headers), answer.read()
    except urllib.error.HTTPError as error:
        status, headers, data = error.code, dict(error.headers), error.read()
    lowered = {name.lower(): value for name, value in headers.items()}
    return {"status": status, "headers": lowered, "body": base64.b64encode(data).decode()}


def name_of(number: int, lookup: Callable[[int], Any]) -> str:
    """The name of a user or group, or its number as text where the machine has no name for it."""
    try:
        return str(lookup(number)[0])
    except KeyError:
        return str(number)


LINKS = 40
"""As many as the kernel follows (path_resolution(7))."""


class LinkRefused(OSError):
    """A path leads through what somebody else than root can put there: a way of theirs to have root act elsewhere."""


def secluded(directory: os.stat_result) -> bool:
    """Whether nobody but root, or the user that we are, can put anything into a directory, sticky or not."""
    shared = directory.st_mode & 0o002 or (directory.st_mode & 0o020 and directory.st_gid != 0)
    return directory.st_uid in (0, os.geteuid()) and not shared


ENTRY = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
"""Names a thing without opening it: a link stands for itself, a FIFO or a device does not notice."""


@contextlib.contextmanager
def reached(path: str, make: bool = False) -> Iterator[tuple[int, bool, int]]:
    """What is at a path, as a descriptor that only names it, and in which surroundings. `make` what is missing.

    The one way from a path to a thing. It goes from / in steps, each from the directory that the last one arrived at,
    so that nothing that is exchanged meanwhile leads elsewhere. A symbolic link is followed where the machine's own
    are: root made it, and all directories on the way to it are `secluded`. From the first directory on that another
    user can write to, links are refused: a service may have put one there for us to go along. (systemd's CHASE_SAFE is
    the like. openat2(2) cannot tell the two kinds of links apart, and is refused in some containers.)

    Second is whether the way was secluded to its end, third the owner of the directory that the thing lies in.
    """
    todo, links = path.split("/")[::-1], 0
    here, at, alone, around = os.open("/", ENTRY), "", True, 0
    try:
        while todo:
            name = todo.pop()
            if name in ("", "."):
                continue
            within = os.fstat(here)
            alone, around = alone and secluded(within), within.st_uid
            if name == ".." and not alone:
                raise LinkRefused("%s/..: its parent may be another than it was" % at)
            there = entry(here, name, make)
            if stat.S_ISLNK(os.fstat(there).st_mode):
                links += 1
                target = followed(there, "%s/%s" % (at, name), alone, links)
                todo += target.split("/")[::-1]
                if not target.startswith("/"):
                    continue
                name, there, at = "", os.open("/", ENTRY), ""
            os.close(here)
            here, at = there, ("%s/%s" % (at, name)).rstrip("/")
        yield here, alone, around
    except OSError as error:
        if error.filename is not None:  # what the kernel was told is one name of the path, which says too little
            error.filename = path
        raise
    finally:
        os.close(here)


def entry(here: int, name: str, make: bool) -> int:
    """What has this name in a directory; made, as a directory, if it is missing and asked for."""
    try:
        return os.open(name, ENTRY, dir_fd=here)
    except FileNotFoundError:
        if not make:
            raise
    with contextlib.suppress(FileExistsError):  # somebody was faster
        os.mkdir(name, 0o755, dir_fd=here)
    return os.open(name, ENTRY, dir_fd=here)


def followed(link: int, path: str, alone: bool, links: int) -> str:
    """Where the symbolic link with this descriptor, which is closed, leads, if it may be followed."""
    try:
        owner, target = os.fstat(link).st_uid, os.readlink("", dir_fd=link)
    finally:
        os.close(link)
    if links > LINKS:
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
    if alone and owner in (0, os.geteuid()):
        return target
    known = name_of(owner, pwd.getpwuid)
    raise LinkRefused("%s is a symbolic link to %s, owned by %s, where others than root can put one; remove it" % (
        path, target, known))  # fmt: skip


@contextlib.contextmanager
def parent_of(path: str) -> Iterator[tuple[int, str]]:
    """The directory that a path's last component lies in, and this component, which is not followed."""
    head, name = os.path.split(path.rstrip("/"))
    try:
        with reached(head) as (parent, _, _):
            yield parent, name or "."
    except OSError as error:
        if error.filename is not None:
            error.filename = path
        raise


def stat_one(path: str) -> Request | None:
    """What lstat says, or None."""
    try:
        with parent_of(path) as (parent, name):
            found = os.lstat(name, dir_fd=parent)
            kinds = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "link"}
            kind = kinds.get(stat.S_IFMT(found.st_mode), "other")
            target = os.readlink(name, dir_fd=parent) if kind == "link" else ""
    except (FileNotFoundError, NotADirectoryError):
        return None
    return {
        "kind": kind,
        "mode": stat.S_IMODE(found.st_mode),
        "owner": name_of(found.st_uid, pwd.getpwuid),
        "group": name_of(found.st_gid, grp.getgrgid),
        "size": found.st_size,
        "target": target,
    }


def read_one(path: str) -> str | None:
    """The file's bytes as base64, or None where there is no regular file."""
    try:
        with reached(path) as (there, _, _):
            return content(there)
    except (FileNotFoundError, NotADirectoryError):
        return None


def content(there: int) -> str | None:
    """The bytes of what a descriptor names, if that is a regular file: a FIFO or a device is not even opened."""
    if not stat.S_ISREG(os.fstat(there).st_mode):
        return None
    with open("/proc/self/fd/%d" % there, "rb") as handle:
        return base64.b64encode(handle.read()).decode()


def read_tree(request: Request) -> Any:
    """All regular files below the roots, but not what links point at. A file that goes away meanwhile is left out."""
    found: dict[str, str] = {}
    for root in request["roots"]:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError), reached(root) as (top, _, _):
            for directory, _, names, here in os.fwalk(".", dir_fd=top):
                for name in names:
                    with contextlib.suppress(FileNotFoundError):
                        there = os.open(name, ENTRY, dir_fd=here)
                        try:
                            data = content(there)
                        finally:
                            os.close(there)
                        if data is not None:
                            found[os.path.normpath(os.path.join(root, directory, name))] = data
    return found


def ids(request: Request) -> tuple[int, int]:
    """Numbers of the owner and group asked for; either may be given as a number already."""
    owner, group = request["owner"], request["group"]
    uid = int(owner) if owner.isdigit() else pwd.getpwnam(owner).pw_uid
    gid = int(group) if group.isdigit() else grp.getgrnam(group).gr_gid
    return uid, gid


def write(request: Request) -> bool:
    """Write beside, sync, rename: whoever looks sees the old file or the new one, never half of it."""
    uid, gid = ids(request)
    with parent_of(request["path"]) as (parent, name):
        beside = "%s.hotstack-%d-%d" % (name, os.getpid(), threading.get_ident())
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=parent)
        try:
            with os.fdopen(descriptor, "wb") as handle:
                handle.write(base64.b64decode(request["data"]))
                handle.flush()
                os.fchown(handle.fileno(), uid, gid)
                os.fchmod(handle.fileno(), request["mode"])
                os.fsync(handle.fileno())
            os.rename(beside, name, src_dir_fd=parent, dst_dir_fd=parent)
        except BaseException:
            os.unlink(beside, dir_fd=parent)
            raise
    return True


def make_directory(request: Request) -> bool:
    """Make it with its parents, then owner and mode, in this order: chown clears setgid.

    Where others can write, one of another owner may be put in place of ours meanwhile: only what is root's, of the
    owner of the directory around it, or of the one who gets it anyway is given a new owner there.
    """
    uid, gid = ids(request)
    with reached(request["path"], make=True) as (there, alone, around):
        found = os.fstat(there)
        if not (alone or found.st_uid in (0, os.geteuid(), uid, around)):
            owner = name_of(found.st_uid, pwd.getpwuid)
            raise LinkRefused("%s belongs to %s, where others than root can put one" % (request["path"], owner))
        # O_PATH is not enough to change anything.
        directory = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=there)
        try:
            os.fchown(directory, uid, gid)
            os.fchmod(directory, request["mode"])
        finally:
            os.close(directory)
    return True


def make_link(request: Request) -> bool:
    """A new link beside, renamed over the old one."""
    with parent_of(request["path"]) as (parent, name):
        beside = "%s.hotstack-%d-%d" % (name, os.getpid(), threading.get_ident())
        os.symlink(request["target"], beside, dir_fd=parent)
        try:
            os.rename(beside, name, src_dir_fd=parent, dst_dir_fd=parent)
        except OSError:
            os.unlink(beside, dir_fd=parent)
            raise
    return True


def mount_points() -> list[str]:
    """Every mount point of this mount namespace. os.path.ismount does not see binds within one file system."""
    with open("/proc/self/mountinfo", "rb") as table:
        fields = [line.split()[4] for line in table]
    return [os.fsdecode(OCTAL.sub(lambda found: bytes([int(found[1], 8)]), field)) for field in fields]


def remove(request: Request) -> bool:
    """Remove whatever is there, but never walk into a mounted file system."""
    found = stat_one(request["path"])
    if found is None:
        return False
    with parent_of(request["path"]) as (parent, name):
        if found["kind"] != "directory":
            os.unlink(name, dir_fd=parent)
            return True
        real = os.path.join(os.readlink("/proc/self/fd/%d" % parent), name)
        for point in mount_points():
            if point == real or point.startswith(real + "/"):
                raise OSError("%s is a mount point" % point)
        shutil.rmtree(name, dir_fd=parent)  # itself by descriptors: it goes into nothing that was exchanged meanwhile
    return True


OPERATIONS: dict[str, Callable[[Request], Any]] = {
    "http": http_request,
    "stat": lambda request: {path: stat_one(path) for path in request["paths"]},
    "read": lambda request: {path: read_one(path) for path in request["paths"]},
    "read_tree": read_tree,
    "write": write,
    "make_directory": make_directory,
    "make_link": make_link,
    "remove": remove,
}


def serve(stream: BinaryIO, output: BinaryIO) -> None:
    """Answer requests until the other side closes; whatever an operation raises is its answer."""
    sessions, lock = Sessions(), threading.Lock()
    operations: dict[str, Callable[[Request], Any]] = {**OPERATIONS, "run": lambda request: run(request, sessions)}
    output.write(b"\n" + BEGINS + b"\n")  # what was said before may lack the end of its line
    output.flush()

    def answer(request: Request) -> None:
        try:
            reply = {"id": request["id"], "ok": operations[request["op"]](request)}
        except Exception as error:  # noqa: BLE001 (whatever it is, the asker waits for an answer)
            reply = {"id": request["id"], "op": request["op"], "error": "%s: %s" % (type(error).__name__, error)}
        line = (json.dumps(reply) + "\n").encode()
        with lock:
            output.write(line)
            output.flush()

    for line in stream:
        threading.Thread(target=answer, args=(json.loads(line),), daemon=True).start()
    sessions.close()  # nobody waits for what still runs, and the next one must not meet it half done


if __name__ == "__main__":
    os.umask(0o022)  # whoever started us may have had another
    serve(sys.stdin.buffer, sys.stdout.buffer)
