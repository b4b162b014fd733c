"""Root file systems and boxes for tests, here and in tests/contract."""

from __future__ import annotations

import os
from pathlib import Path

from hotstack_os.exec import Command, Host, run_here

PACKAGES = (
    "aardvark-dns", "dbus", "dbus-user-session", "iproute2", "iputils-ping", "libpam-systemd", "netavark", "nftables",
    "openvswitch-switch", "podman", "procps", "python3", "runc", "systemd", "systemd-container", "systemd-sysv",
    "uidmap", "util-linux",
)  # fmt: skip
USUAL = ("usr/lib/systemd/systemd", "usr/bin/podman", "usr/bin/ovs-vsctl", "usr/bin/python3")


def box_rootfs(*needed: str) -> Path:
    """A box root file system with the usual programs and the `needed` files: the cloud's own where the cache has one.

    Otherwise a small one is built once, with the packages of this machine's own apt mirror.
    """
    cache = Path(os.environ.get("HOTSTACK_CACHE_DIR", "/var/cache/hotstack-os"))
    built = cache / "test-rootfs"
    for candidate in (*cache.glob("rootfs/*"), *cache.glob("rootfs/*/*"), built):
        if all((candidate / each).exists() for each in (*USUAL, *needed)):
            return candidate
    _build(built)
    return built


def empty_image_store(path: Path) -> Path:
    """podman refuses an additional store without its files; buildah makes them, in a mount namespace."""
    path.mkdir()
    private = ("unshare", "--mount", "--propagation", "private")
    run_here(Command((*private, "buildah", "--root", str(path), "--runroot", f"{path}.run", "images")))
    return path


def _build(target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    asked = Command(("apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"))
    mirror = run_here(asked).stdout.splitlines()[0]
    part = target.with_name(f"{target.name}.part")
    include = f"--include={','.join(PACKAGES)}"
    run_here(Command(("rm", "-rf", "--", str(part), str(target))))
    run_here(Command(("mmdebstrap", "--variant=minbase", include, "trixie", str(part), mirror), timeout=300))
    part.rename(target)


def me(host: Host) -> str:
    """The user that the host's agent is, for tests that also run without root."""
    return host.run(Command(("id", "-un"))).stdout.strip()
