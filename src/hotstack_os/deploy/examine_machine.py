"""Looks at this machine for `doctor`: what it is, what it can do (by trying), and what dead clouds left on it."""

from __future__ import annotations

import os
import platform
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from hotstack_os.exec import Command, CommandFailed, CommandMissing, run_here
from hotstack_os.exec.command import CommandTimeout
from hotstack_os.exec.local import search_path
from hotstack_os.health.machine import Attempt, Leftover, MachineSeen, Package, Place
from hotstack_os.settings.cloud import Cloud

REQUIRED: Mapping[str, tuple[str, str]] = {
    "mmdebstrap": ("mmdebstrap", "makes root file systems of boxes and images"),
    "buildah": ("buildah", "builds container images"),
    "systemd-container": ("systemd-nspawn", "runs boxes"),
    "iproute2": ("ip", "looks at networks"),
    "util-linux": ("nsenter", "enters boxes"),
}
"""Debian package → the program that shows that it is there, and what it is needed for."""
TRY_SECONDS = 10.0
_KVM = "import fcntl, os; k = os.open('/dev/kvm', os.O_RDWR); fcntl.ioctl(k, 0xAE01, 0)"
"""KVM_CREATE_VM: more than opening the device, which many a machine allows that cannot virtualise."""
_APART = ("unshare", "--mount", "--propagation=private")


def examine_machine(cloud: Cloud) -> MachineSeen:
    """This machine, with the directories that the cloud would use. Leaves nothing behind."""
    version = sys.version_info
    return MachineSeen(
        system=platform.system(),
        root=os.geteuid() == 0,
        python=(version.major, version.minor),
        cores=len(os.sched_getaffinity(0)),
        memory=_memory(Path("/proc/meminfo").read_text(), _limit()),
        places=_places(cloud),
        missing=_missing(),
        attempts=_attempts(_existing(cloud.state)) if os.geteuid() == 0 else {},
        cgroups=cgroup_mode(Path("/proc/self/mounts").read_text()),
        limits=_limits(),
        clock=(time.time(), max(path.stat().st_mtime for path in (Path(__file__), *_journals(cloud)))),
        leftovers=tuple(_leftovers(cloud)),
    )


def _memory(meminfo: str, limit: int | None) -> tuple[int, int]:
    """Bytes of memory and of what is available of it; `limit` is that of our control group."""
    fields = dict(line.split(":") for line in meminfo.splitlines())
    total, free = (int(fields[name].split()[0]) * 1024 for name in ("MemTotal", "MemAvailable"))
    return (total, free) if limit is None else (min(total, limit), min(free, limit))


def _limit() -> int | None:
    path = Path("/sys/fs/cgroup/memory.max")
    text = path.read_text().strip() if path.exists() else "max"
    return None if text == "max" else int(text)


def _places(cloud: Cloud) -> dict[str, Place]:
    built = (cloud.cache / "store").is_dir()
    wanted = {
        "images": (cloud.cache, 3 if built else 12),
        "state of clouds": (cloud.state, 6),
        "temporary files": (Path(tempfile.gettempdir()), 1),
    }
    return {purpose: _place(_existing(path), gigabytes) for purpose, (path, gigabytes) in wanted.items()}


def _place(path: Path, gigabytes: int) -> Place:
    found = os.statvfs(path)
    return Place(str(path), found.f_bavail * found.f_frsize, found.f_favail if found.f_files else -1, gigabytes * 10**9)


def _existing(path: Path) -> Path:
    """The path or the nearest directory above it that is there."""
    return next(each for each in (path, *path.parents) if each.is_dir())


def _missing() -> tuple[Package, ...]:
    search = search_path()
    return tuple(
        Package(name, why) for name, (program, why) in REQUIRED.items() if not shutil.which(program, path=search)
    )


def _attempts(home: Path) -> dict[str, Attempt]:
    """Kernel features by use. All of it happens in namespaces of its own, which end with the attempt."""
    with tempfile.TemporaryDirectory(prefix=".hotstack-os-try-", dir=home) as place:
        layers = [Path(place, name) for name in ("lower", "upper", "work", "root")]
        for layer in layers:
            layer.mkdir()
        lower, upper, work, root = map(str, layers)
        overlay = f"lowerdir={lower},upperdir={upper},workdir={work}"
        return {
            "namespaces": _try("unshare", "--mount", "--uts", "--ipc", "--net", "--pid", "--fork", "true"),
            "tun": _try("unshare", "--net", "ip", "tuntap", "add", "dev", "hot-probe", "mode", "tap"),
            "overlay": _try(*_APART, "mount", "-t", "overlay", "overlay", "-o", overlay, root),
            "kvm": _try(sys.executable, "-c", _KVM),
        }


def _try(*argv: str) -> Attempt:
    try:
        run_here(Command(argv, f"try {argv[0]}", timeout=TRY_SECONDS))
    except CommandFailed as error:
        lines = error.result.stderr.strip().splitlines()
        return Attempt(False, lines[-1] if lines else f"status {error.result.status}")
    except (CommandMissing, CommandTimeout) as error:
        return Attempt(False, error.found.splitlines()[0])
    return Attempt(True)


def cgroup_mode(mounts: str) -> str:
    """ "unified", "hybrid", "version 1" or "none", by what is mounted where (/proc/self/mounts)."""
    kinds = {(fields[2], fields[1]) for fields in (line.split() for line in mounts.splitlines())}
    names = {kind for kind, _ in kinds}
    if ("cgroup2", "/sys/fs/cgroup") in kinds:
        return "unified"
    if "cgroup" in names:
        return "hybrid" if "cgroup2" in names else "version 1"
    return "none"


def _limits() -> dict[str, int | None]:
    hard = {"open files": resource.RLIMIT_NOFILE, "processes": resource.RLIMIT_NPROC}
    found = {name: resource.getrlimit(number)[1] for name, number in hard.items()}
    return {name: None if value == resource.RLIM_INFINITY else value for name, value in found.items()}


def _journals(cloud: Cloud) -> list[Path]:
    return sorted(cloud.state.parent.glob("*/journal.jsonl"))


def _leftovers(cloud: Cloud) -> Iterator[Leftover]:
    homes = [path for path in cloud.state.parent.glob("[!.]*") if path.is_dir()]
    settings = [home / "settings.yaml" for home in homes]
    for home in homes:
        if not (home / "settings.yaml").exists():
            yield Leftover(
                f"{home} is the state of a cloud that never came up", f"hotstack-os down --cloud {home.name}"
            )
    yield from _supervisors()
    yield from _mounts(Path("/proc/self/mounts").read_text(), (cloud.state.parent, cloud.cache / "work"))
    if not any(b"\ntarget: local\n" in _said(path) for path in settings):
        for name in sorted(path.name for path in Path("/sys/class/net").glob("hot-*")):
            yield Leftover(f"there is an interface {name}, and no cloud on this machine", f"ip link delete {name}")


def _said(path: Path) -> bytes:
    """What cannot be read is said elsewhere: see examine_state.py."""
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _supervisors() -> Iterator[Leftover]:
    """Boxes whose homes are gone. Each is looked up as it sees its own files: a box may hold boxes."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            argv = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if len(argv) > 3 and argv[3].endswith("/box/supervisor.py"):
            plan = argv[4]
            if not Path(f"{process}/root{plan}").exists():  # nor can it shut down: its files went with its home
                yield Leftover(f"process {process.name} is a box whose home {Path(plan).parent} is gone",
                               f"kill -KILL {process.name}")  # fmt: skip


def _mounts(mounts: str, roots: tuple[Path, ...]) -> Iterator[Leftover]:
    """A box mounts in a namespace of its own: what is seen here was left by something else."""
    for line in mounts.splitlines():
        target = Path(line.split()[1])
        if any(root in target.parents for root in roots):
            yield Leftover(f"something is mounted at {target}", f"umount {target}")
