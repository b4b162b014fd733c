"""What a node needs to run servers: the user of the session libvirtd, its directories, OVN's place in Open vSwitch."""

from __future__ import annotations

from collections.abc import Iterator

from hotstack_os.catalogue.context import Context
from hotstack_os.catalogue.nova import HOTSTACK_UID
from hotstack_os.core.model import Ref, Resource
from hotstack_os.host import capabilities, files, units, user_units, users
from hotstack_os.runtime import libvirt, quadlet

OFCTRL_WAIT_MILLISECONDS = "8000"


def chassis(context: Context) -> dict[str, str]:
    """external_ids by which ovn-controller knows who it is (ovn-controller(8)).

    Routers of projects have their way out through the first node, so that further ones can go.
    """
    south = f"tcp:{context.address('ovn-sb-db')}:{context.ports['ovn-sb-db']}"
    return {
        "ovn-remote": south,
        "ovn-encap-type": "geneve",
        "ovn-encap-ip": context.ip,
        "ovn-bridge": "hot-int",
        "ovn-bridge-datapath-type": context.facts.datapath.value,
        "ovn-bridge-mappings": "provider:hot-ex",
        **({} if context.further else {"ovn-cms-options": "enable-chassis-as-gw"}),
        "ovn-monitor-all": "true",
        # A new ovn-controller keeps the old flows until it has computed its own: servers stay reachable meanwhile.
        "ovn-ofctrl-wait-before-clear": OFCTRL_WAIT_MILLISECONDS,
    }


def other_config(context: Context) -> dict[str, str]:
    """Guests leave checksums to the hardware, which the userspace datapath forgets unless it handles whole segments.

    ovn-controller sets vlan-limit itself. It is here to be given back when that is gone.
    """
    tso = {"userspace-tso-enable": "true"} if context.facts.datapath.value == "netdev" else {}
    return {**tso, "vlan-limit": "0"}


def resources(context: Context, reachable: frozenset[Ref]) -> Iterator[Resource]:
    """Host preparation for servers; the node's own address is there when `reachable` is."""
    node = context.facts.name
    user = users.user(libvirt.USER, node, uid=HOTSTACK_UID, home=libvirt.HOME, groups=("kvm",))
    yield user
    # Whoever runs it has its power: nobody but the user it is for, and root.
    alone = capabilities.rights(libvirt.PROGRAM, node, "root", libvirt.USER, 0o750, frozenset({user.ref}))
    yield alone
    yield capabilities.capability(libvirt.PROGRAM, node, libvirt.CAPABILITIES, frozenset({alone.ref}))
    yield from _libvirt(context, user.ref, reachable if context.peers else frozenset())
    yield _mount(context)


def _libvirt(context: Context, user: Ref, before: frozenset[Ref]) -> Iterator[Resource]:
    node, several = context.facts.name, bool(context.peers)
    listen, shared = (context.ip, str(context.cloud.paths.mounts)) if several else ("", "")
    config = f"{libvirt.HOME}/.config"
    directories: list[Resource] = []
    for path in (config, f"{config}/libvirt", f"{config}/systemd", f"{config}/systemd/user"):
        each = files.directory(path, node, owner=libvirt.USER, group=libvirt.USER)
        directories.append(Resource(each.ref, each.state, frozenset({user, *(d.ref for d in directories)}), user))
    yield from directories
    texts = {"libvirtd.conf": libvirt.libvirtd_conf(listen), "qemu.conf": libvirt.qemu_conf(shared)}
    written = []
    for name, text in texts.items():
        each = files.file(f"{config}/libvirt/{name}", node, text)
        written.append(Resource(each.ref, each.state, frozenset({user, *(d.ref for d in directories)}), user))
    yield from written
    power = Ref(capabilities.CAPABILITY, libvirt.PROGRAM, node)
    needs = frozenset({user, power, *before, *(each.ref for each in written)})
    text = libvirt.unit(listen, quadlet.digest(texts))
    yield user_units.user_unit(libvirt.USER, libvirt.HOME, libvirt.UNIT, node, text, needs, user)


def _mount(context: Context) -> Resource:
    """The place where volumes appear: a file system of its own, so that Nova sees what is mounted in it (ismount)."""
    path, node = str(context.cloud.paths.mounts), context.facts.name
    text = "\n".join(
        [
            "# Written by HotStack-OS.",
            "[Unit]",
            "Description=HotStack-OS mount points of volumes",
            "Before=hotstack-os.target",
            "",
            "[Mount]",
            "What=tmpfs",
            f"Where={path}",
            "Type=tmpfs",
            "Options=mode=2775,uid=root,gid=kvm,size=1m",
            "",
            "[Install]",
            "WantedBy=multi-user.target",
            "",
        ]
    )
    data = Ref(files.DIRECTORY, str(context.cloud.paths.data), node)
    return units.unit(mount_unit(path), node, text, frozenset({data}))


def mount_unit(path: str) -> str:
    """The name of a path's mount unit (systemd-escape(1) --path)."""
    escaped = "".join(
        char if char.isalnum() or char in "_." or char == "/" else f"\\x{ord(char):02x}" for char in path.strip("/")
    )
    return escaped.replace("/", "-") + ".mount"
