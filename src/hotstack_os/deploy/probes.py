"""Whether a node can do something, decided by doing it, within bounds. Each answer carries its reason."""

from __future__ import annotations

import struct

from hotstack_os.exec import Command, Host
from hotstack_os.exec.command import CommandTimeout

TRIED_DATAPATH = "hot-probe"
TRIED_SECTOR = "/run/hotstack-os-probe.bin"
EXITS, SECONDS = 20_000, 5.0
"""So often must a virtual processor get out of the guest and back within so many seconds (good hardware: 0.05 s)."""
_ANY = frozenset(range(256))
_DONE = 0x10 << 1 | 1
"""QEMU's exit status when a guest writes 0x10 to isa-debug-exit."""


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


def virtualisation(host: Host) -> tuple[str, str]:
    """ "kvm" where a guest of KVM does real work in time, else "qemu" (in software), with the reason.

    A device that opens proves little: under some hypervisors each exit of a guest takes a fifth of a millisecond, and a
    kernel needs minutes to boot. So a boot sector makes many exits, and KVM is good if they are done in time.
    """
    if host.stat(["/dev/kvm"])["/dev/kvm"] is None:
        return "qemu", "there is no /dev/kvm"
    host.write(TRIED_SECTOR, boot_sector(EXITS), mode=0o644)
    try:
        ran = host.run(Command(_qemu(), "try a guest with KVM", timeout=SECONDS, accept=_ANY))
    except CommandTimeout:
        return "qemu", f"a guest with KVM did not make {EXITS} exits within {SECONDS:g} s"
    finally:
        host.remove(TRIED_SECTOR)
    if ran.status != _DONE:
        return "qemu", f"QEMU with KVM: {_last_line(ran.stderr)}"
    return "kvm", f"a guest with KVM made {EXITS} exits in {ran.seconds:.1f} s"


def _qemu() -> tuple[str, ...]:
    disk = ("-drive", f"file={TRIED_SECTOR},format=raw,if=floppy,read-only=on")
    bare = ("-nodefaults", "-nographic", "-nic", "none", "-no-reboot", "-m", "16")
    return ("qemu-system-x86_64", "-accel", "kvm", *bare, "-device", "isa-debug-exit,iobase=0xf4,iosize=1", *disk)


def boot_sector(exits: int) -> bytes:
    """512 bytes that run CPUID `exits` times, each of which leaves the guest, and then write 0x10 to port 0xf4."""
    code = b"".join(
        (
            b"\xfa",  # cli
            b"\x66\xb9" + struct.pack("<I", exits),  # mov ecx, exits
            b"\x66\x51",  # again: push ecx
            b"\x66\x31\xc0",  # xor eax, eax
            b"\x0f\xa2",  # cpuid
            b"\x66\x59",  # pop ecx
            b"\x67\xe2\xf4",  # loop again (counting in ecx)
            b"\xb0\x10\xe6\xf4",  # mov al, 0x10; out 0xf4, al
            b"\xf4",  # hlt
        )
    )
    return code.ljust(510, b"\0") + b"\x55\xaa"


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else "no reason given"
