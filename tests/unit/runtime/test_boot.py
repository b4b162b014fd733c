"""The units around the services, as systemd reads them."""

from __future__ import annotations

import configparser
import shutil
import subprocess
from pathlib import Path

import pytest

from hotstack_os.catalogue.spec import Directory
from hotstack_os.runtime import boot, quadlet

SETUP = boot.setup(("hot-ex",), [("hot-ex", "10.0.0.1/25")], [Directory("/run/x", "64210", "64211", 0o750)])
TEXTS = {
    quadlet.FIREWALL: boot.firewall_unit(),
    quadlet.SETUP: SETUP,
    quadlet.TARGET: boot.target(),
    boot.READY: boot.ready(("one", "two"), 100),
    boot.WATCH: boot.watch(),
}


def options(name: str) -> dict[tuple[str, str], list[str]]:
    """(section, key) → its values, of which there may be several."""
    found: dict[tuple[str, str], list[str]] = {}
    section = ""
    for line in TEXTS[name].splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif "=" in line and not line.startswith("#"):
            key, _, value = line.partition("=")
            found.setdefault((section, key), []).append(value)
    return found


def test_setup_restores_what_a_reboot_loses() -> None:
    assert options(quadlet.SETUP)["Service", "ExecStart"] == [
        "/usr/sbin/nft -f /etc/hotstack-os/firewall.nft",
        "/usr/sbin/ip link set hot-ex up",
        "/usr/sbin/ip address replace 10.0.0.1/25 dev hot-ex",
        "/usr/sbin/sysctl --quiet --write net.ipv4.ip_forward=1",
        "/usr/bin/install -d -o 64210 -g 64211 -m 0750 /run/x",
        "/usr/bin/install -d -o root -g root -m 0755 /run/netns",
    ]
    assert options(quadlet.SETUP)["Service", "RemainAfterExit"] == ["yes"]


def test_rules_are_in_force_before_what_they_are_about() -> None:
    rules, after = options(quadlet.FIREWALL), options(quadlet.SETUP)
    assert rules["Service", "ExecStart"] == ["/usr/sbin/nft -f /etc/hotstack-os/firewall.nft"]
    assert rules["Unit", "DefaultDependencies"] == ["no"]
    before = rules["Unit", "Before"][0].split()
    # Forwarding of the machine's own files, bridges, and networks of others; ours come after the switch.
    assert {"systemd-sysctl.service", "ovs-vswitchd.service", "network-pre.target"} <= set(before)
    assert "nftables.service" in rules["Unit", "After"][0].split()  # it begins with a flush of all
    assert quadlet.FIREWALL in after["Unit", "After"][0].split()
    assert quadlet.FIREWALL in after["Unit", "Wants"][0].split()


def test_the_target_is_green_only_when_the_gate_let_it_through() -> None:
    target = options(quadlet.TARGET)
    assert target["Unit", "Requires"] == target["Unit", "After"] == [boot.READY]


def test_the_gate_waits_for_all_services_and_pulls_none_down() -> None:
    gate = options(boot.READY)
    services = f"{quadlet.SETUP} hotstack-os-one.service hotstack-os-two.service"
    assert gate["Unit", "After"] == gate["Unit", "Wants"] == [services]
    assert ("Unit", "Requires") not in gate
    assert gate["Service", "ExecStart"] == ["/usr/lib/hotstack-os/health.py wait-all 100"]
    assert int(gate["Service", "TimeoutStartSec"][0]) > 100


def test_the_watch_is_never_given_up() -> None:
    watch = options(boot.WATCH)
    assert watch["Service", "Restart"] == ["always"]
    assert watch["Unit", "StartLimitIntervalSec"] == ["0"]


@pytest.mark.parametrize("name", TEXTS)
def test_sections_are_in_order(name: str) -> None:
    parser = configparser.RawConfigParser(strict=False)
    parser.read_string(TEXTS[name])
    assert parser.sections()[0] == "Unit"
    assert set(parser.sections()) <= {"Unit", "Service", "Install"}


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd-analyze")
@pytest.mark.parametrize("name", TEXTS)
def test_systemd_reads_them(name: str, tmp_path: Path) -> None:
    def complaints(text: str) -> str:
        # Programs of the node are not on this machine.
        path = tmp_path / name
        path.write_text(
            "\n".join("ExecStart=/bin/true" if "ExecStart=" in line else line for line in text.splitlines())
        )
        argv = ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", "--generators=no", str(path)]
        said = subprocess.run(argv, capture_output=True, text=True, check=False).stderr
        return "\n".join(line for line in said.splitlines() if name in line and "xecutable" not in line)

    assert complaints(TEXTS[name]) == ""
    assert "Unknown" in complaints(TEXTS[name].replace("Description", "Descripton"))
