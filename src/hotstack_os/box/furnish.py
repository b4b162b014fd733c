"""Files that make a shared root file system this one box: written into its own layer while it does not run."""

from __future__ import annotations

import uuid
from pathlib import Path

from hotstack_os.box import devices
from hotstack_os.box.spec import BoxSpec
from hotstack_os.errors import HotstackError
from hotstack_os.whole import put

_JOURNAL = """\
# Kept over reboots, within limits.
[Journal]
Storage=persistent
SystemMaxUse=256M
SystemKeepFree=1G
"""


def first_files(spec: BoxSpec) -> dict[str, str]:
    """What a new box starts with; afterwards these files are its own."""
    node = spec.node_name
    return {
        "etc/hostname": f"{node}\n",
        "etc/hosts": f"127.0.0.1 localhost\n127.0.1.1 {node}\n::1 localhost\n",
        "etc/machine-id": f"{uuid.uuid4().hex}\n",
        "etc/resolv.conf": "",  # a box has no outside
        "etc/systemd/journald.conf.d/hotstack-os.conf": _JOURNAL,
    }


def files_at_boot(layer: Path, rootfs: Path) -> dict[str, str]:
    """What depends on this machine as it is now."""
    own = _inside(layer, "etc/group")
    groups = (own if own.is_file() else rootfs / "etc/group").read_text(encoding="utf-8")  # nobody writes to a fifo
    names = {line.split(":")[0] for line in groups.splitlines()}
    return {"etc/tmpfiles.d/hotstack-os-devices.conf": devices.tmpfiles(devices.present(), names)}


def write(layer: Path, files: dict[str, str]) -> None:
    """Put each in place whole, 0644 root. A link in its place is replaced; one on the way to it is refused."""
    for name, text in files.items():
        for parent in reversed(Path(name).parents):
            _make(_inside(layer, str(parent)))
        put(layer / name, text)


def _inside(layer: Path, name: str) -> Path:
    """The path of a thing in the layer, which root of the box may have filled with links to this machine's files.

    The box does not run: what is seen now stays so.
    """
    path = layer
    for part in Path(name).parts:
        path = path / part
        if path.is_symlink():
            hint = "It would lead out of the box. Remove it, or the box."
            raise HotstackError(f"{path} as the box's own", f"a symbolic link to {path.readlink()}", hint)
    return path


def _make(directory: Path) -> None:
    """0755 where it is missing, whatever the umask."""
    try:
        directory.mkdir()
    except FileExistsError:
        return
    directory.chmod(0o755)
