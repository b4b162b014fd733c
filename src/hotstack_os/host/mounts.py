"""Mounts as /proc/self/mountinfo tells them (proc_pid_mountinfo(5)). Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Mount:
    """`root` of the file system on `device` appears at `point`."""

    device: str
    root: str
    point: str


def mounts(mountinfo: str) -> list[Mount]:
    """All mounts, the oldest first."""
    fields = (line.split() for line in mountinfo.splitlines())
    return [Mount(device, _plain(root), _plain(point)) for _, _, device, root, point, *_ in fields]


def onto_itself(mountinfo: str, path: str) -> int:
    """How often a directory is mounted onto itself, as ip-netns(8) does with /run/netns: nothing else is below."""
    found = mounts(mountinfo)
    return sum(each.point == path and _is_itself(each, found) for each in found)


def _is_itself(bind: Mount, found: list[Mount]) -> bool:
    below = [each for each in found if bind.point.startswith(f"{each.point.rstrip('/')}/")]
    holder = max(below, key=lambda each: len(each.point), default=None)
    if holder is None or holder.device != bind.device:
        return False
    inside = bind.point.removeprefix(holder.point.rstrip("/"))
    return bind.root == holder.root.rstrip("/") + inside


def _plain(field: str) -> str:
    """Blanks and backslashes are written in octal."""
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        field = field.replace(code, character)
    return field
