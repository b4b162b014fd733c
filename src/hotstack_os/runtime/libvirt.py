"""The session libvirtd of the user hotstack: its configuration, its unit, and the powers it needs. Pure.

Servers are processes of an ordinary user. Nova sees the domains of this session only, so that other machines of the
host's own libvirt neither show up nor disturb it.
"""

from __future__ import annotations

USER = "hotstack"
HOME = "/var/lib/hotstack"
UNIT = "hotstack-os-libvirtd-session.service"
PROGRAM = "/usr/sbin/libvirtd"
CAPABILITIES = "cap_net_admin=ep"
"""For TAP devices. A capability of the file, not an ambient one: that would pass on to QEMU, which must have none."""


def libvirtd_conf(listen: str = "") -> str:
    """Who may talk to it: its own user, and the group kvm; where `listen` is an address, libvirtds of other nodes.

    The firewall tells these by their addresses. Boxes of one machine have one firmware, and its UUID; libvirt refuses
    to migrate to itself.
    """
    return "\n".join(
        [
            "# Written by HotStack-OS.",
            'unix_sock_group = "kvm"',
            'unix_sock_rw_perms = "0770"',
            'auth_unix_rw = "none"',
            "keepalive_interval = 5",
            "keepalive_count = 5",
            *(_between(listen) if listen else ()),
            "",
        ]
    )


def _between(address: str) -> tuple[str, ...]:
    return (
        "listen_tls = 0",
        "listen_tcp = 1",
        f'listen_addr = "{address}"',
        'auth_tcp = "none"',
        'host_uuid_source = "machine-id"',
    )


def qemu_conf(shared: str = "") -> str:
    """QEMU's files are opened by its user's group; there is no security driver in a session.

    What is below the directory `shared` is the same on all nodes, which libvirt cannot see: it would refuse to migrate.
    """
    several = (f'shared_filesystems = [ "{shared}" ]',) if shared else ()
    return "\n".join(["# Written by HotStack-OS.", 'security_driver = "none"', *several, ""])


def unit(listen: str = "", configuration: str = "") -> str:
    """libvirtd without an end of its own; its servers outlive its restarts (KillMode=process).

    `configuration` names what it reads when it starts, so that another one is another unit, and a restart.
    """
    return "\n".join(
        [
            "# Written by HotStack-OS.",
            "[Unit]",
            "Description=HotStack-OS session libvirtd",
            *((f"# Reads {configuration}.",) if configuration else ()),
            # The address to listen at may come after it, at a boot.
            *(("StartLimitIntervalSec=0",) if listen else ()),
            "",
            "[Service]",
            "Type=notify",
            f"ExecStart={PROGRAM} --timeout 0{' --listen' if listen else ''}",
            "UMask=0002",
            "Restart=always",
            "RestartSec=1",
            "KillMode=process",
            "LimitNOFILE=infinity",
            "",
            "[Install]",
            "WantedBy=default.target",
            "",
        ]
    )
