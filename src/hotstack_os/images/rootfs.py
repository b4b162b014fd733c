"""Making root file systems with mmdebstrap, each once."""

from __future__ import annotations

from pathlib import Path

from hotstack_os.errors import HotstackError
from hotstack_os.exec import Command, run_here
from hotstack_os.images import sources
from hotstack_os.images.bases import BOX, CONTAINER, EXCLUDED, NO_TRACES, SUITE, RootFs
from hotstack_os.images.store import Store

__all__ = ["BOX", "CONTAINER", "RootFs", "build_rootfs", "mmdebstrap_argv", "package_sources", "rootfs_path"]


def rootfs_path(store: Store, rootfs: RootFs) -> Path:
    """Where the root file system is, or will be: a directory with `tree/` (box) or `rootfs.tar` (container)."""
    return store.cache / "rootfs" / f"{rootfs.name}-{rootfs.digest}"


def build_rootfs(store: Store, rootfs: RootFs, lines: tuple[str, ...]) -> Path:
    """Make the root file system unless it is there; returns its `rootfs_path`. The caller holds the store's lock.

    `lines` are sources.list lines, empty for mmdebstrap's default. Beside the result lies `sources.list`, what it was
    made from, for later downloads; the result itself knows no archive.
    """
    done = rootfs_path(store, rootfs)
    if done.is_dir():
        return done
    work = store.work / done.name
    work.mkdir(parents=True)
    command = Command(
        mmdebstrap_argv(rootfs, work, lines),
        f"make the root file system of a {rootfs.name}",
        env={"TMPDIR": str(store.work)},
        timeout=1200,
    )
    run_here(command)
    done.parent.mkdir(exist_ok=True)
    work.replace(done)
    return done


def mmdebstrap_argv(rootfs: RootFs, work: Path, lines: tuple[str, ...]) -> tuple[str, ...]:
    """The argv of mmdebstrap(1) that puts the root file system and its sources.list into the directory `work`."""
    target = work / ("tree" if rootfs.name == "box" else "rootfs.tar")
    kept = (
        f"cp {{root}}/var/lib/dpkg/status {work}/dpkg-status",
        f"cd {{root}}/etc/apt && grep -hs ^deb sources.list sources.list.d/*.list > {work}/sources.list || true",
    )
    hooks = (*rootfs.hooks, *kept, NO_TRACES)
    return (
        "mmdebstrap",
        "--variant=minbase",
        f"--format={'directory' if rootfs.name == 'box' else 'tar'}",
        *(f"--dpkgopt={option}" for option in (*EXCLUDED, "force-unsafe-io")),
        "--aptopt=APT::Install-Recommends false",
        *((f"--include={','.join(rootfs.packages)}",) if rootfs.packages else ()),
        *("--customize-hook=" + hook.replace("{root}", '"$1"') for hook in hooks),
        SUITE,
        str(target),
        *lines,
    )


def package_sources(store: Store, mirror: str | None) -> tuple[str, ...]:
    """sources.list lines for image builds: this machine's, else those that the first root file system was made from."""
    lines = sources.debian_sources(SUITE, mirror)
    recorded = rootfs_path(store, CONTAINER) / "sources.list"
    if not lines and recorded.is_file():
        lines = tuple(line for line in recorded.read_text().splitlines() if line.startswith("deb "))
    if not lines:
        raise HotstackError(
            "a source of Debian packages", "none in this machine's apt configuration", "Set mirrors.debian."
        )
    return lines
