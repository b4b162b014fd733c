"""The kinds of single values in settings: how each is read, what it is called, when it is refused.

A reader takes what YAML gave and returns the value or raises `Unfit` with a sentence made for that mistake.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import AddressValueError, IPv4Address, IPv4Network, NetmaskValueError
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from hotstack_os.settings.problems import show


class Unfit(ValueError):
    """A value that cannot be used; with better words than those of its kind where there are any."""

    def __init__(self, wanted: str = "", found: str = "", hint: str = "") -> None:
        super().__init__(wanted)
        self.wanted = wanted
        self.found = found
        self.hint = hint


def release(value: object) -> str:
    """`2025.2` without quotes is a number in YAML and a name for us; `stable/2025.2` is what DevStack users write."""
    if isinstance(value, bool) or not isinstance(value, str | float):
        raise Unfit
    return str(value).removeprefix("stable/")


def address(value: object) -> IPv4Address:
    """One IPv4 address."""
    try:
        return IPv4Address(_text(value))
    except AddressValueError:
        raise Unfit from None


def resolver(value: object) -> IPv4Address:
    """An address at which something can answer."""
    found = address(value)
    if found.is_multicast or found.is_unspecified or found.is_reserved:
        raise Unfit("an address at which a resolver can answer")
    return found


def network(narrowest: int) -> Callable[[object], IPv4Network]:
    """A reader of IPv4 networks with prefixes up to /`narrowest`, in a range that ordinary hosts may have."""

    def read(value: object) -> IPv4Network:
        text = _text(value)
        if "/" not in text:
            raise Unfit(hint="Write the prefix too, such as 172.31.0.0/25.")
        try:
            found = IPv4Network(text, strict=False)
        except (AddressValueError, NetmaskValueError):
            raise Unfit from None
        if found.network_address != IPv4Address(text.partition("/")[0]):
            raise Unfit("a network without host bits", hint=f"Did you mean {found}?")
        if found.prefixlen > narrowest:
            raise Unfit(f"a network of /{narrowest} or larger")
        _ordinary(found)
        return found

    return read


_SPECIAL = tuple(IPv4Network(net) for net in ("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3"))


def _ordinary(found: IPv4Network) -> None:
    for special in _SPECIAL:
        if found.overlaps(special):
            raise Unfit("a network of addresses for hosts", f"{found}, which overlaps {special}")


_PATH = re.compile(r"/[A-Za-z0-9._+/-]*")
_BELOW = (
    "bin",
    "boot",
    "dev",
    "etc",
    "lib",
    "lib32",
    "lib64",
    "libx32",
    "proc",
    "run",
    "sbin",
    "sys",
    "usr",
    "var/run",
)
_EXACT = (
    "", "home", "media", "mnt", "opt", "root", "srv", "tmp", "var", "var/backups", "var/cache", "var/lib", "var/local",
    "var/lock", "var/log", "var/mail", "var/opt", "var/spool", "var/tmp", "var/lib/containers", "var/lib/dpkg",
    "var/lib/libvirt", "var/lib/machines", "var/lib/systemd",
)  # fmt: skip


def directory(value: object) -> PurePosixPath:
    """An absolute directory that may be ours alone.

    The letters are limited to those that mean nothing to systemd units, podman's `-v`, mount options and NFS shares.
    """
    text = _text(value)
    if not text.startswith("/"):
        raise Unfit("an absolute path")
    if not _PATH.fullmatch(text) or len(text) > 200:
        raise Unfit("a path of at most 200 letters, digits and . _ + -")
    if {".", ".."} & set(text.split("/")):
        raise Unfit("a path without . and .. in it")
    path = PurePosixPath("/" + text.strip("/"))
    inside = [top for top in _BELOW if path.is_relative_to(f"/{top}")]
    if inside or str(path)[1:] in _EXACT:
        raise Unfit("a directory of the cloud's own", f"{str(path)!r}, which belongs to the system")
    return path


def vlans(value: object) -> tuple[int, int]:
    """The first and the last VLAN id."""
    if not isinstance(value, list) or len(value) != 2 or any(type(item) is not int for item in value):
        raise Unfit
    first, last = value
    if not 1 <= first <= last <= 4094:
        raise Unfit(found=f"[{first}, {last}]")
    return first, last


def mirror(value: object) -> str:
    """A URL for APT. Credentials have no place in settings, since settings are shown and recorded."""
    text = _text(value)
    try:
        parts = urlsplit(text)
    except ValueError:
        raise Unfit(found="no URL") from None
    if "@" in text:
        raise Unfit("a URL without credentials", "one with credentials", "Put them into apt_auth.conf(5).")
    fits = re.fullmatch(r"[!-~]+", text) and not re.search(r"[\[\]\"'\\<>]", text)
    host = bool(parts.netloc) != (parts.scheme == "file")
    if not fits or parts.scheme not in {"http", "https", "file"} or not host:
        raise Unfit
    return text


def download(value: object) -> str:
    """Where a file is downloaded from; without credentials, as for `mirror`."""
    text = _text(value)
    parts = urlsplit(text)
    if "@" in parts.netloc:
        raise Unfit("a URL without credentials", "one with credentials")
    if parts.scheme not in {"http", "https"} or not parts.hostname or not re.fullmatch(r"[!-~]+", text):
        raise Unfit
    return text


def local_file(value: object) -> Path:
    """A file of the operator's machine; whether it is there is seen when it is used."""
    text = _text(value)
    if not text.startswith("/") or not text.isprintable():
        raise Unfit(hint="Settings are read from any directory: write the path from the root on.")
    return Path(text)


def sha256(value: object) -> str:
    """A SHA-256 checksum in small letters."""
    text = value if isinstance(value, str) else str(value)
    if not re.fullmatch("[0-9a-fA-F]{64}", text):
        found = f"{len(text)} characters" if re.fullmatch("[0-9a-fA-F]*", text) else show(value)
        hint = "Put it into quotes to make it a text." if not isinstance(value, str) else ""
        raise Unfit(found=found, hint=hint or "sha256sum FILE prints it.")
    return text.lower()


QEMU_NAMES = {"vhd": "vpc", "vhdx": "vhdx"}
"""What qemu-img calls the formats of disks that Glance keeps and that no server boots from."""


def disk_format(value: object) -> object:
    """A disk format, as Glance names it, from which servers boot; of others, how they become one."""
    if value in ("vhd", "vhdx"):
        name = QEMU_NAMES[str(value)]
        hint = f"qemu-img convert -f {name} -O qcow2 FILE FILE.qcow2 makes one of it."
        raise Unfit("a disk format that servers boot from", f"{str(value)!r}, which Nova refuses", hint)
    return value


def ingress(value: object) -> str:
    """What a security group lets in: a protocol, for tcp and udp with a port or a range of ports."""
    text = _text(value)
    found = re.fullmatch(r"(tcp|udp)/([1-9][0-9]{0,4})(?:-([1-9][0-9]{0,4}))?", text)
    if text != "icmp" and not (found and int(found[2]) <= int(found[3] or found[2]) <= 65535):
        raise Unfit(hint="Such as tcp/22 or udp/5000-6000.")
    return text


def property_text(value: object) -> str:
    """The value of a property, as the APIs take it: a text. Truth values are written as Nova reads them."""
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, str | int | float) or not str(value).isprintable() or len(str(value)) > 255:
        raise Unfit
    return str(value)


def option(value: object) -> str | int | float | bool:
    """A value in an ini file: one line. Never shown in messages, since people put passwords there."""
    if isinstance(value, list):
        raise Unfit(hint="Write a list as one text with commas.")
    if value is None or isinstance(value, dict):
        raise Unfit(hint='An empty value is written "".' if value is None else "")
    assert isinstance(value, str | int | float)
    if isinstance(value, str) and not value.isprintable():
        raise Unfit("one line of printable characters", "other characters")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise Unfit(found=show(value))
    return value


def number(value: object) -> object:
    """A number, whole or not; true and false are none."""
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value
