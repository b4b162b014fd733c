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


def libvirtd_conf() -> str:
    """Who may talk to it: its own user, and the group kvm."""
    return "\n".join(
        [
            "# Written by HotStack-OS.",
            'unix_sock_group = "kvm"',
            'unix_sock_rw_perms = "0770"',
            'auth_unix_rw = "none"',
            "keepalive_interval = 5",
            "keepalive_count = 5",
            "",
        ]
    )


def qemu_conf() -> str:
    """QEMU's files are opened by its user's group; there is no security driver in a session."""
    return "\n".join(["# Written by HotStack-OS.", 'security_driver = "none"', ""])


def unit() -> str:
    """libvirtd without an end of its own; its servers outlive its restarts (KillMode=process)."""
    return "\n".join(
        [
            "# Written by HotStack-OS.",
            "[Unit]",
            "Description=HotStack-OS session libvirtd",
            "",
            "[Service]",
            "Type=notify",
            f"ExecStart={PROGRAM} --timeout 0",
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
