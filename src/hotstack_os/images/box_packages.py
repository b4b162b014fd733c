"""Debian packages of a node, with the reason for each. A box is made of them; a local host must have them installed."""

from __future__ import annotations

from collections.abc import Mapping

NODE: Mapping[str, str] = {
    "python3": "our agent, probes and wrappers on the node",
    "podman": "runs the services",
    "netavark": "podman's networks",
    "aardvark-dns": "netavark expects it even where names come from hosts files",
    "nftables": "netavark's rules and our firewall",
    "runc": "container runtime that also works in hybrid cgroup hierarchies",
    "catatonit": "podman --init",
    "openvswitch-switch": "hot-int and hot-ex",
    "libvirt-daemon": "session libvirtd of the user hotstack",
    "libvirt-daemon-driver-qemu": "libvirtd's QEMU driver",
    "libvirt-daemon-driver-storage": "libvirtd starts only with its storage driver when it was built with it",
    "libvirt-daemon-driver-nodedev": "nova-compute lists host devices",
    "libvirt-daemon-driver-secret": "nova-compute asks for secrets of volumes",
    "libvirt-daemon-driver-nwfilter": "nova-compute asks for filters",
    "libvirt-clients": "virsh",
    "qemu-system-x86": "servers",
    "qemu-utils": "qemu-img on the node",
    "ipxe-qemu": "network boot of servers",
    "seabios": "BIOS of servers",
    "ovmf": "UEFI of servers",
    "iproute2": "addresses, namespaces",
    "iputils-ping": "looking at networks",
    "kmod": "modules of OVS and KVM where they can be loaded",
    "procps": "sysctl",
    "libcap2-bin": "setcap for libvirtd where ambient capabilities do not work",
    "acl": "looking at and repairing permissions",
    "ethtool": "offloads of internal ports",
    "curl": "looking at APIs from the node",
    "tcpdump": "looking at packets",
    "socat": "consoles and sockets",
    "openssh-client": "into servers, from the node",
    "bind9-host": "asking dnsmasq",
    "less": "reading logs",
}
"""Needed on every node."""

BOX: Mapping[str, str] = {
    "systemd": "PID 1",
    "systemd-sysv": "init, poweroff",
    "dbus": "systemctl, loginctl",
    "dbus-user-session": "user services",
    "libpam-systemd": "user sessions and lingering",
    "netbase": "names of protocols",
    "ca-certificates": "Debian's own certificates",
    "tzdata": "time zones in logs",
}
"""Needed in addition to make a machine of a bare root file system; a local host has them."""

MASKED: Mapping[str, str] = {
    "apt-daily.timer": "a box is not updated in place",
    "apt-daily-upgrade.timer": "a box is not updated in place",
    "dpkg-db-backup.timer": "a box is thrown away",
    "e2scrub_all.timer": "no LVM in a box",
    "e2scrub_reap.service": "no LVM in a box",
    "fstrim.timer": "the disks are the outer machine's",
    "man-db.timer": "no manual pages",
    "logrotate.timer": "services log to the journal",
    "systemd-udevd.service": "the devices are the outer machine's",
    "systemd-udevd-control.socket": "the devices are the outer machine's",
    "systemd-udevd-kernel.socket": "the devices are the outer machine's",
    "systemd-udev-trigger.service": "the devices are the outer machine's",
    "systemd-networkd-wait-online.service": "no network is waited for",
    "libvirtd.service": "the session libvirtd of the user hotstack is used instead",
    "libvirtd.socket": "the session libvirtd of the user hotstack is used instead",
    "libvirtd-ro.socket": "the session libvirtd of the user hotstack is used instead",
    "libvirtd-admin.socket": "the session libvirtd of the user hotstack is used instead",
    "libvirt-guests.service": "the session libvirtd looks after its servers",
    "virtlogd.service": "the session libvirtd starts its own",
    "virtlogd.socket": "the session libvirtd starts its own",
    "virtlogd-admin.socket": "the session libvirtd starts its own",
    "virtlockd.service": "no lock manager",
    "virtlockd.socket": "no lock manager",
    "virtlockd-admin.socket": "no lock manager",
    "podman-auto-update.timer": "images are ours",
    "podman-restart.service": "systemd starts containers",
    "podman-clean-transient.service": "no transient store",
}
"""Units that Debian enables and that a box must not run."""

DISABLED: Mapping[str, str] = {
    "openvswitch-switch.service": "started once /etc/openvswitch/system-id.conf is written",
    "nftables.service": "rules are ours",
    "netavark-dhcp-proxy.socket": "addresses are fixed",
    "netavark-dhcp-proxy.service": "addresses are fixed",
    "uuidd.socket": "nobody asks for UUIDs in bulk",
    "podman.socket": "nobody talks to podman through a socket",
}
"""Units that start only when a cloud asks for them."""
