"""What servers move between nodes by, in clouds that have more than one.

Running ones go from QEMU to QEMU, told by libvirtd to libvirtd; disks of others are copied by scp, for which Nova logs
in at the other node (nova/virt/libvirt/volume/remotefs.py). All of that listens on the nodes' own addresses, and the
firewall lets in other nodes alone.
"""

from __future__ import annotations

import base64
import textwrap

from hotstack_os.catalogue.common import Section
from hotstack_os.catalogue.context import Context
from hotstack_os.catalogue.spec import Component, ConfigFile, Ini, Mount, Options, Probe, Service
from hotstack_os.hidden import Hidden
from hotstack_os.render.lines import Lines

SSH_PORT, LIBVIRT_PORT = 8022, 16509
IDENTITY = "/etc/hotstack/migration/id_ed25519"
HOST_KEY = "/etc/hotstack/migration/host_ed25519"
UMASK = "/root/.bashrc"
"""sshd gives its sessions a umask of its own; a shell that it starts reads this file first (bash(1))."""
_LOGIN, _HOST = "nova-migration", "nova-migration-host"
"""Seeds in the vault: one key pair for who logs in, one for who is logged in to, on all nodes."""

# RFC 8410: a private key is its seed behind these bytes; RFC 8709: a public one its 32 bytes behind its type.
_PKCS8 = bytes.fromhex("302e020100300506032b657004220420")
_TYPE = b"ssh-ed25519"


def private_key(context: Context, seed: str) -> Hidden:
    """An Ed25519 key in PEM, the same each time; OpenSSH's own format has a random number in it."""
    raw = base64.urlsafe_b64decode(context.fernet(seed).reveal())
    body = "\n".join(textwrap.wrap(base64.b64encode(_PKCS8 + raw).decode(), 64))
    return context.fernet(seed).around(f"-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n")


def public_key(context: Context, seed: str) -> str:
    """Its public half, as authorized_keys has it."""
    # Imported here: clouds with one node do without.
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415

    raw = base64.urlsafe_b64decode(context.fernet(seed).reveal())
    public = Ed25519PrivateKey.from_private_bytes(raw).public_key().public_bytes_raw()
    wire = b"".join(len(part).to_bytes(4, "big") + part for part in (_TYPE, public))
    return f"{_TYPE.decode()} {base64.b64encode(wire).decode()}"


def libvirt_options(context: Context) -> Section:
    """What Nova's section [libvirt] says of it."""
    return {"live_migration_inbound_addr": context.ip, "live_migration_uri": "qemu+tcp://%s/session"}


def ssh_config(_: Context) -> str:
    return "\n".join(
        [
            "Host *",
            f"  Port {SSH_PORT}",
            f"  IdentityFile {IDENTITY}",
            "  UserKnownHostsFile /etc/hotstack/migration/known_hosts",
            "  StrictHostKeyChecking yes",
            "  BatchMode yes",
            "",
        ]
    )


def sshd_config(context: Context) -> Ini:
    return {
        "sshd": {
            "ListenAddress": f"{context.ip}:{SSH_PORT}",
            "HostKey": HOST_KEY,
            "AuthorizedKeysFile": "/etc/hotstack/migration/authorized_keys",
            "AuthenticationMethods": "publickey",
            "PermitRootLogin": "prohibit-password",
            "UsePAM": "no",
            "AllowTcpForwarding": "no",
            "X11Forwarding": "no",
            "PidFile": "none",
            # Disks are written by their group too, which is QEMU's.
            "Subsystem": "sftp internal-sftp -u 0002",
        }
    }


SSHD_OPTIONS = Options(
    ("sshd",),
    own={
        "sshd": dict.fromkeys(
            (
                "ListenAddress", "Port", "HostKey", "AuthorizedKeysFile", "AuthenticationMethods", "PermitRootLogin",
                "Subsystem", "PidFile", "Match", "Include",
            ),
            "Other nodes log in by it, and nobody else.",
        )
    },
    lines=Lines(" "),
)  # fmt: skip

CLIENT_FILES = (
    ConfigFile("/etc/ssh/ssh_config.d/hotstack.conf", ssh_config, several=True),
    ConfigFile(IDENTITY, lambda context: private_key(context, _LOGIN), several=True),
    ConfigFile(
        "/etc/hotstack/migration/known_hosts", lambda context: f"* {public_key(context, _HOST)}\n", several=True
    ),
)
"""What nova-compute logs in with."""

COMPONENT = Component(
    name="nova-migration",
    services=(
        Service(
            name="nova-ssh",
            image="nova",
            command=("/usr/sbin/sshd", "-D", "-e", "-f", "/etc/hotstack/migration/sshd_config"),
            port=SSH_PORT,
            at=("ip",),
            probe=Probe("tcp"),
            config=(
                ConfigFile("/etc/hotstack/migration/sshd_config", sshd_config, options=SSHD_OPTIONS),
                ConfigFile(UMASK, lambda _: "umask 0002\n"),
                ConfigFile(HOST_KEY, lambda context: private_key(context, _HOST)),
                ConfigFile(
                    "/etc/hotstack/migration/authorized_keys", lambda context: f"{public_key(context, _LOGIN)}\n"
                ),
            ),
            mounts=(Mount("{instances}"),),
            # sshd parts itself into processes of less rights; files are root's and the session libvirtd's user's.
            capabilities=("CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SYS_CHROOT"),
        ),
    ),
)
"""On every node of a cloud that has further ones."""
