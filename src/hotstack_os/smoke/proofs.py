"""What a running cloud must be able to do, each proved with the guests of the stack."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from typing import Any

from hotstack_os.content.api import Api
from hotstack_os.errors import HotstackError
from hotstack_os.exec.wait import until
from hotstack_os.smoke.guest import Guest
from hotstack_os.smoke.wanted import Wanted

BOOT_SECONDS = 90
"""A guest without hardware virtualisation boots in about 6 s; several at once share the processors."""
SOON = 30
"""What follows without further boots: a disk that was plugged in, flows of a new port, a line on a console."""
PINGS = 5
SERIAL = 20
"""So many characters of a volume's id fit into a virtio disk's serial number (virtio 1.2, 5.2.6.1)."""
METADATA = "http://169.254.169.254/openstack/latest/meta_data.json"


class Proofs:
    """The proofs; each returns what was seen, or raises a `HotstackError` with what was wanted and found."""

    def __init__(
        self, api: Api, wanted: Wanted, guests: tuple[Guest, Guest], told: dict[str, Any], boot: float
    ) -> None:
        """`told`: the stack's outputs; `boot`: seconds that the guests may still need until they answer."""
        self._api = api
        self._wanted = wanted
        self._a, self._b = guests
        self._outputs = told
        self._boot = boot

    def ping(self) -> str:
        """The node's echo requests reach both guests at their floating IPs, and none is lost."""
        for guest in self._guests():
            self._when_up(guest, guest.answers_ping, f"an answer of {guest.name} to ping at {guest.floating}")
        lost = [guest.floating for guest in self._guests() if not guest.answers_ping(PINGS)]
        require(not lost, f"{PINGS} of {PINGS} pings answered", f"fewer from {', '.join(lost)}")
        return ", ".join(guest.floating for guest in self._guests())

    def ssh(self) -> str:
        """Both guests let the key of this run in."""
        for guest in self._guests():
            self._when_up(guest, guest.takes_key, f"{guest.name} to take the key at {guest.floating}")
        return ", ".join(f"root@{guest.floating}" for guest in self._guests())

    def console(self) -> str:
        """Nova shows what the guests' user data said on their consoles."""
        for guest in self._guests():
            marker = f"hotstack-os smoke {self._outputs['run']} on {self._server(guest)[HOSTNAME]}"
            until(
                lambda guest=guest, marker=marker: marker in self._console(guest),  # type: ignore[misc]
                f"{marker!r} in the console log of {guest.name}",
                seconds=SOON,
                step=1,
                last=lambda guest=guest: last_lines(self._console(guest)),  # type: ignore[misc]
            )
        return f"user data of run {self._outputs['run']}"

    def metadata(self) -> str:
        """What the guests are told of themselves is what Nova's API says of them."""
        for guest in self._guests():
            server = self._server(guest)
            said = guest.says(f"timeout 10 wget -q -O - {METADATA}; echo; hostname", "ask for metadata")
            document, _, hostname = said.strip().rpartition("\n")
            seen = metadata_identity(document)
            require(seen == guest.id, f"metadata of server {guest.id} in {guest.name}", seen)
            require(hostname == server[HOSTNAME], f"the host name {server[HOSTNAME]} in {guest.name}", hostname)
        return ", ".join(f"{guest.name} is {guest.id}" for guest in self._guests())

    def dns(self) -> str:
        """A guest resolves the name of an API by the cloud's name server, and the API answers it."""
        name = self._wanted.api.partition(":")[0]
        said = self._a.says(f"nslookup {name} 2>&1; true", f"resolve {name}")
        seen = resolved(said)
        address = str(self._wanted.api_address)
        require(seen == {address}, f"{name} to be {address} for a guest", ", ".join(sorted(seen)) or said.strip())
        answer = self._a.says(f"timeout 10 wget -q -O - http://{self._wanted.api}/v3", f"ask {self._wanted.api}")
        require('"version"' in answer, f"Keystone's answer at {self._wanted.api} for a guest", answer[:200])
        return f"{name} → {address}"

    def volume(self) -> str:
        """A guest reads from a volume that was plugged into it what it wrote; another runs from a volume."""
        data, root = (str(self._outputs[name]) for name in ("data", "root"))
        disk = until(
            lambda: self._disk(self._a, data),
            f"a disk with the serial number {data[:SERIAL]} in {self._a.name}",
            seconds=SOON,
            step=1,
            last=lambda: self._a.says(LIST_DISKS, "list disks"),
        )
        wrote, read = self._a.says(WRITE_AND_READ.format(disk=disk), f"write to /dev/{disk} and read").split()
        require(wrote == read, f"{wrote} back from /dev/{disk}", read)
        found = self._disk(self._b, root)
        require(found == "vda", f"{self._b.name} to have the volume {root} as its first disk", found or "no such disk")
        return f"1 MiB on {self._a.name}:/dev/{disk}; {self._b.name} runs from {root}"

    def trunk(self) -> str:
        """The guests reach each other through a network that only their trunks' VLANs lead to."""
        for guest in self._guests():
            guest.says(vlan_script(guest, self._wanted.vlan.prefixlen), f"set up VLAN {guest.vlan}")
        one = f"ping -q -c 1 -W 1 {self._b.inside} > /dev/null 2>&1 && echo answered || true"
        route = f"VLAN {self._a.vlan} of {self._a.name} → VLAN {self._b.vlan} of {self._b.name}"
        wanted = f"an answer to ping over {route}"
        until(lambda: self._a.says(one, f"ping {self._b.inside}"), wanted, seconds=SOON, step=1)
        said = self._a.says(f"ping -q -c 3 -W 2 {self._b.inside}; true", f"ping {self._b.inside}")
        require(" 3 packets received" in said, f"3 of 3 pings answered over {route}", last_lines(said))
        return route

    def _guests(self) -> tuple[Guest, Guest]:
        return self._a, self._b

    def _when_up(self, guest: Guest, look: Callable[[], bool], wanted: str) -> None:
        """Until `look` is true; a server that does not run any more ends the wait."""

        def answered() -> bool:
            if look():
                return True
            status = self._server(guest)["status"]
            require(status == "ACTIVE", f"the server {guest.name} to be ACTIVE", status)
            return False

        until(answered, wanted, seconds=self._boot, step=0.5, last=lambda: last_lines(self._console(guest)))

    def _server(self, guest: Guest) -> dict[str, Any]:
        server: dict[str, Any] = self._api.get("compute", f"/servers/{guest.id}")["server"]
        return server

    def _console(self, guest: Guest) -> str:
        body = {"os-getConsoleOutput": {"length": None}}
        return str(self._api.send("POST", "compute", f"/servers/{guest.id}/action", body)["output"])

    def _disk(self, guest: Guest, volume: str) -> str:
        """The name of the disk that is the volume; empty while there is none."""
        return disk_with(guest.says(LIST_DISKS, "list disks"), volume)


LIST_DISKS = "grep -H . /sys/block/vd*/serial || true"

HOSTNAME = "OS-EXT-SRV-ATTR:hostname"

WRITE_AND_READ = """
head -c 1048576 /dev/urandom > /tmp/block && sha256sum < /tmp/block | cut -d ' ' -f 1
dd if=/tmp/block of=/dev/{disk} bs=65536 seek=16 2> /dev/null && sync && echo 3 > /proc/sys/vm/drop_caches
dd if=/dev/{disk} bs=65536 skip=16 count=16 2> /dev/null | sha256sum | cut -d ' ' -f 1
"""


def require(good: bool, wanted: str, found: str) -> None:
    """HotstackError with both unless it is good."""
    if not good:
        raise HotstackError(wanted, found)


def metadata_identity(document: str) -> str:
    """The id of the server that a meta_data.json is about; what was there instead where it is none."""
    try:
        return str(json.loads(document)["uuid"])
    except (ValueError, KeyError, TypeError):
        return document[:200] or "no answer"


def resolved(said: str) -> set[str]:
    """IPv4 addresses of the answer in what BusyBox's nslookup says; the name server's own comes before the name."""
    _, _, answer = said.partition("Name:")
    return set(re.findall(r"^Address(?: \d+)?: *(\d+\.\d+\.\d+\.\d+)", answer, re.MULTILINE))


def disk_with(listed: str, volume: str) -> str:
    """The disk whose serial number is the volume's, in lines like "/sys/block/vdb/serial:SERIAL"; else empty."""
    pairs: Iterable[list[str]] = (line.split(":", 1) for line in listed.splitlines() if ":" in line)
    return next((path.split("/")[3] for path, serial in pairs if serial.strip() == volume[:SERIAL]), "")


def vlan_script(guest: Guest, prefix: int) -> str:
    """Gives the guest its VLAN on the trunk, with the subport's address; harmless when repeated."""
    name = f"vlan{guest.vlan}"
    return (
        f"[ -e /sys/class/net/{name} ] || ip link add link eth0 name {name} type vlan id {guest.vlan}\n"
        f"ip link set {name} address {guest.mac} && ip link set {name} up &&"
        f" ip address replace {guest.inside}/{prefix} dev {name}"
    )


def last_lines(text: str, count: int = 5) -> str:
    """The last lines that are not empty."""
    return "\n".join([line for line in text.splitlines() if line.strip()][-count:])
