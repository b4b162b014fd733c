"""The share in which volumes are, the same for Cinder, which fills it, and for Nova, which attaches from it."""

from __future__ import annotations

from hotstack_os.catalogue.context import Context
from hotstack_os.catalogue.spec import Ini

SERVER = "hotstack-os.fakenfs.local"


def share(context: Context) -> str:
    """The share as mount(8) is asked for it. No such server exists: mount.nfs makes a bind mount of it."""
    return f"{SERVER}:{context.cloud.paths.volumes}"


def mount_wrapper_conf(context: Context) -> Ini:
    """What mount.nfs (images/files/mount.nfs) reads."""
    return {"share": {"source": share(context), "directory": str(context.cloud.paths.volumes)}}
