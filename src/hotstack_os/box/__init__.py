"""Boxes: throw-away machines with a real systemd on this one, run by systemd-nspawn.

A box lives in one directory (`BoxSpec.home`) and in processes; nothing of it reaches this machine's mount table,
interfaces, device nodes or process groups, and what there is goes when its supervisor goes, however that happens.
"""

from hotstack_os.box.machine import Box, list_boxes
from hotstack_os.box.paths import DATA, IMAGE_STORE
from hotstack_os.box.podman import STORAGE_CONF, storage_conf
from hotstack_os.box.spec import Bind, BoxSpec, BoxState, Status
from hotstack_os.box.wire import Wire

__all__ = [
    "DATA",
    "IMAGE_STORE",
    "STORAGE_CONF",
    "Bind",
    "Box",
    "BoxSpec",
    "BoxState",
    "Status",
    "Wire",
    "list_boxes",
    "storage_conf",
]
