"""Whether a node can do something, decided by doing it, within bounds. Each answer carries its reason."""

from __future__ import annotations

from pathlib import Path

from hotstack_os.exec import Command, Host
from hotstack_os.exec.patience import stretched

TRIED_DATAPATH = "hot-probe"
TRIED_DISK = "/run/hotstack-os-probe.qcow2"
UP, BOOT_SECONDS = "services start", 10
"""What the test image says when it is up, and how long it may take (good hardware: 1 s; in software: 6 s)."""
TRIES = 3
"""Raised when something else is tried: what was decided before is then decided again."""
_ANY = frozenset(range(256))


def datapath(host: Host) -> tuple[str, str]:
    """ "system" where the kernel has Open vSwitch, else "netdev" (userspace), with the reason.

    A kernel that has the module but refuses it to this machine counts as one without.
    """
    host.run(Command(("modprobe", "--quiet", "openvswitch"), "load the module", accept=frozenset({0, 1})))
    made = host.run(Command(("ovs-dpctl", "add-dp", TRIED_DATAPATH), "try a kernel datapath", accept=_ANY))
    if made.status == 0:
        host.run(Command(("ovs-dpctl", "del-dp", TRIED_DATAPATH), "remove the tried datapath"))
        return "system", "the kernel made a datapath"
    return "netdev", f"the kernel made none: {_last_line(made.stderr)}"


def virtualisation(host: Host, guest: Path) -> tuple[str, str]:
    """ "kvm" where `guest`, the test image, comes up in time with KVM, else "qemu" (in software), with the reason.

    A device that opens proves little: under some hypervisors each exit of a guest takes a fifth of a millisecond, and a
    kernel needs minutes to boot; others (kvm-pvm) give up at what a boot loader does. So the test image has to come
    up, from BIOS to its services.
    """
    if host.stat(["/dev/kvm"])["/dev/kvm"] is None:
        return "qemu", "there is no /dev/kvm"
    if not guest.is_file():
        return "qemu", "the test image, which would show whether KVM works, is not built yet"
    return _booted(host, guest)


_BOOT = """
disk=$1 seconds=$2 up=$3
shift 3
trap 'rm -f "$disk.said"' EXIT
mkfifo "$disk.said"
timeout "$seconds" "$@" < /dev/null > "$disk.said" 2>&1 &
grep --text --max-count=1 -e "$up" -e '^KVM ' -e '^qemu-system' < "$disk.said"
kill $! 2> /dev/null
wait
"""
"""Arguments: disk, seconds, what the guest says when it is up, and QEMU; says that, or what QEMU has against it."""


def _booted(host: Host, guest: Path) -> tuple[str, str]:
    host.write(TRIED_DISK, guest.read_bytes(), mode=0o644)
    disk = ("-m", "128", "-cpu", "host", "-snapshot", "-drive", f"file={TRIED_DISK},format=qcow2,if=virtio")
    seconds = f"{stretched(BOOT_SECONDS):.0f}"
    argv = ("sh", "-c", _BOOT, "sh", TRIED_DISK, seconds, UP, *_QEMU, *disk, "-serial", "stdio")
    try:
        ran = host.run(Command(argv, "boot a guest with KVM", timeout=BOOT_SECONDS * 2, accept=_ANY))
    finally:
        host.remove(TRIED_DISK)
    if UP in ran.stdout:
        return "kvm", f"a guest with KVM was up after {ran.seconds:.1f} s"
    return "qemu", f"a guest with KVM did not come up within {seconds} s: {_last_line(ran.stdout)}"


_QEMU = ("qemu-system-x86_64", "-accel", "kvm", "-nodefaults", "-nographic", "-nic", "none", "-no-reboot")


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else "no reason given"
