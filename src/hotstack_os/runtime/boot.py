"""The units around the services: what a node restores at boot, the target, its gate, and the health watch. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from hotstack_os.catalogue.spec import Directory
from hotstack_os.network import firewall
from hotstack_os.runtime.quadlet import FIREWALL, HEALTH, SETUP, TARGET, unit_name

READY = "hotstack-os-ready.service"
WATCH = "hotstack-os-health.service"
_WRITTEN = "# Written by HotStack-OS."


_NETNS = Directory("/run/netns")
"""ip-netns(8) makes it a mount of its own. It is no more ours than any other program's that uses name spaces."""


def firewall_unit() -> str:
    """The oneshot that has the rules in force before anything that they are about is there.

    Before systemd-sysctl, since forwarding may be on from the machine's own files; before Open vSwitch brings the
    bridges, and before networks; after others who begin by flushing all rules, nftables.service among them.
    """
    switch = ("ovsdb-server.service", "ovs-vswitchd.service", "openvswitch-switch.service")
    before = ("network-pre.target", "systemd-sysctl.service", *switch, "shutdown.target")
    return "\n".join(
        [
            _WRITTEN,
            "[Unit]",
            "Description=HotStack-OS firewall",
            "DefaultDependencies=no",
            "Wants=network-pre.target",
            "RequiresMountsFor=/etc /usr",
            "After=systemd-modules-load.service nftables.service",
            f"Before={' '.join(before)}",
            "Conflicts=shutdown.target",
            "",
            "[Service]",
            "Type=oneshot",
            "RemainAfterExit=yes",
            f"ExecStart={firewall.LOAD}",
            "",
            "[Install]",
            "WantedBy=sysinit.target",
            "",
        ]
    )


def setup(
    bridges: Iterable[str],
    addresses: Iterable[tuple[str, str]],
    directories: Iterable[Directory],
    routes: Iterable[tuple[str, str]] = (),
    *,
    forwards: bool = True,
) -> str:
    """The oneshot that restores what does not outlive a boot; running it again changes nothing.

    `addresses` are (interface, address/length); `directories` those that lie in a tmpfs; `routes` (network, gateway).
    """
    # Once more: where the rules cannot be loaded, nothing else is done, and Requires= would stop us with their unit.
    lines = [f"ExecStart={firewall.LOAD}"]
    lines += [f"ExecStart=/usr/sbin/ip link set {bridge} up" for bridge in bridges]
    lines += [f"ExecStart=/usr/sbin/ip address replace {cidr} dev {interface}" for interface, cidr in addresses]
    lines += [f"ExecStart=/usr/sbin/ip route replace {network} via {gateway}" for network, gateway in routes]
    lines += ["ExecStart=/usr/sbin/sysctl --quiet --write net.ipv4.ip_forward=1"] if forwards else []
    lines += [
        f"ExecStart=/usr/bin/install -d -o {each.owner} -g {each.group} -m {each.mode:04o} {each.path}"
        for each in (*directories, _NETNS)
    ]
    return "\n".join(
        [
            _WRITTEN,
            "[Unit]",
            "Description=HotStack-OS node setup",
            f"After=openvswitch-switch.service {FIREWALL}",
            f"Wants=openvswitch-switch.service {FIREWALL}",
            f"Before={TARGET}",
            "",
            "[Service]",
            "Type=oneshot",
            "RemainAfterExit=yes",
            *lines,
            "",
            "[Install]",
            f"WantedBy={TARGET}",
            "",
        ]
    )


def target() -> str:
    """Active when everything answered once; what holds later is told by `hotstack-os status`."""
    return "\n".join(
        [
            _WRITTEN,
            "[Unit]",
            "Description=HotStack-OS cloud",
            f"Requires={READY}",
            f"After={READY}",
            f"Wants={WATCH}",
            "",
            "[Install]",
            "WantedBy=multi-user.target",
            "",
        ]
    )


def ready(services: Iterable[str], seconds: int) -> str:
    """The gate before the target: waits until all services answer at the same time."""
    units = " ".join(unit_name(name) for name in services)
    return "\n".join(
        [
            _WRITTEN,
            "[Unit]",
            "Description=HotStack-OS services answer",
            f"After={SETUP} {units}",
            f"Wants={SETUP} {units}",
            "",
            "[Service]",
            "Type=oneshot",
            "RemainAfterExit=yes",
            f"ExecStart={HEALTH} wait-all {seconds}",
            f"TimeoutStartSec={seconds + 30}",
            "",
        ]
    )


def watch() -> str:
    """The one light process that asks all services all the time."""
    return "\n".join(
        [
            _WRITTEN,
            "[Unit]",
            "Description=HotStack-OS health watch",
            f"After={SETUP}",
            "StartLimitIntervalSec=0",
            "",
            "[Service]",
            f"ExecStart={HEALTH} watch",
            "Restart=always",
            "RestartSec=1",
            "Nice=5",
            "MemoryMax=128M",
            "",
            "[Install]",
            f"WantedBy={TARGET}",
            "",
        ]
    )
