"""What the supervisor of a box is told: its mounts and nspawn's argv. Pure."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from hotstack_os.box.paths import CONTAINERS, DATA, IMAGE_STORE, Home
from hotstack_os.box.spec import BoxSpec

STAGE = "/run/box"
"""Where the supervisor leaves the finished root, in its own mount namespace."""

# The box is no security boundary, but an accident inside must not reach this machine's kernel: its modules, clock,
# I/O ports and log stay out of reach.
NOT_IN_A_BOX = ("sys_module", "sys_time", "sys_rawio", "syslog")

_ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1",  # cgroup v2 inside, whatever there is outside
    "SYSTEMD_NSPAWN_API_VFS_WRITABLE": "network",  # /proc/sys/net and nothing more of /proc/sys and /sys
}


@dataclass(frozen=True)
class Mount:
    """A mount in the box; `kind` is a file system type, or empty for a bind mount of `source`.

    `within` as in `Bind`.
    """

    source: str
    inner: str
    kind: str = ""
    data: str = ""
    read_only: bool = False
    within: str = ""


def mounts(spec: BoxSpec, *, overlay: bool) -> tuple[Mount, ...]:
    """The root first, then what lies on it, in the order in which they are mounted.

    Without overlayfs below the box's home, the root is a copy that needs no mount, and podman's store, which needs an
    overlayfs of its own, is a tmpfs: it loses its contents when the box stops.
    """
    home = Home(spec.home)
    layers = f"lowerdir={spec.rootfs},upperdir={home.upper},workdir={home.work}"
    root = (Mount("overlay", "", "overlay", layers),) if overlay else ()
    containers = Mount(str(home.containers), CONTAINERS) if overlay else Mount("tmpfs", CONTAINERS, "tmpfs", "mode=755")
    store = (Mount(str(spec.image_store), IMAGE_STORE, read_only=True),) if spec.image_store else ()
    binds = (Mount(each.outer, each.inner, read_only=not each.writable, within=each.within) for each in spec.binds)
    return (*root, containers, Mount(str(home.data), DATA), *store, *binds)


def nspawn(spec: BoxSpec) -> tuple[str, ...]:
    """argv of systemd-nspawn: no registration, no files outside the box, network of the supervisor (see nspawn(1)).

    The system calls added to nspawn's own list: keyrings and bpf(2) for container runtimes and systemd.
    """
    return (
        "systemd-nspawn",
        f"--directory={STAGE}",
        "--boot",
        f"--machine={spec.node_name}",
        "--register=no",
        "--keep-unit",
        "--settings=no",
        "--network-namespace-path=/proc/1/ns/net",
        "--resolv-conf=off",
        "--timezone=off",
        "--link-journal=no",
        "--console=pipe",
        "--capability=all",
        f"--drop-capability={','.join(f'CAP_{name.upper()}' for name in NOT_IN_A_BOX)}",
        "--system-call-filter=add_key keyctl bpf",
    )


def rootfs_of(told: bytes) -> Path | None:
    """The root file system below a box's layer, by what its supervisor was told; None where that says nothing of it."""
    try:
        mounted: list[dict[str, str]] = json.loads(told)["mounts"]
        below = next(each["data"] for each in mounted if each["kind"] == "overlay" and not each["inner"])
        return Path(below.partition("lowerdir=")[2].partition(",")[0])
    except (ValueError, KeyError, TypeError, StopIteration):
        return None


def supervisor_plan(spec: BoxSpec, *, overlay: bool, own_cgroup: bool) -> str:
    """The JSON text for `supervisor.py`; `own_cgroup` is false where systemd delegates one to us."""
    home = Home(spec.home)
    plan = {
        "lock": str(home.lock),
        "console": str(home.console),
        "root": str(home.root),
        "cgroup": spec.unit if own_cgroup else "",
        "cgroups_file": str(home.cgroups),
        "mounts": [asdict(each) for each in mounts(spec, overlay=overlay)],
        "argv": nspawn(spec),
        "environment": _ENVIRONMENT,
    }
    return json.dumps(plan, indent=1)
