#!/usr/bin/env python3
"""TCP between two servers of one network, in turns through the cloud and over a plain Linux bridge.

Usage: bench/throughput.py [--rounds 3] [--seconds 20] [--to NODE] [--json] [VERB OPTIONS…], such as -s FILE.

The servers, their QEMU processes and TAP devices are the same both times: for the bridge, the devices are taken out of
Open vSwitch for a while. One server sends blocks without end and writes down when each began and ended on its clock;
blocks that began or ended while the devices moved are left out. With --to, the server that receives then moves to
another node while it runs, and what crosses the nodes is measured too. Prints megabits a second.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
NAMES = ("throughput-from", "throughput-to")
PORT, BLOCK = 7000, 4  # MB
SSH = ("ssh", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
       "-o", "LogLevel=ERROR", "-o", "ConnectTimeout=5", "-i", "/root/throughput-key")  # fmt: skip
SINK = "printf '#!/bin/sh\\nexec cat > /dev/null\\n' > /tmp/sink; chmod 755 /tmp/sink"
LISTEN = f"nc -ll -p {PORT} -e /tmp/sink > /dev/null 2>&1 &"
SEND = f"""
now() {{ cut -d" " -f1 /proc/uptime; }}
while true; do
  began=$(now)
  dd if=/dev/zero bs=1M count={BLOCK} 2> /dev/null | nc TARGET {PORT} && echo $began $(now)
done > /tmp/blocks 2> /dev/null &
"""
MOVE = """
import json, subprocess, sys, time
ports, seconds, rounds = json.loads(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])

def run(*argv):
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip()

found = {}
for port in ports:
    rows = json.loads(run("ovs-vsctl", "--format=json", "--columns=name,external_ids", "find", "interface",
                          "external_ids:iface-id=" + port))["data"]
    (name, (_, pairs)), = rows
    found[name] = dict(pairs)
bridge = run("ovs-vsctl", "port-to-br", next(iter(found)))
print(json.dumps(["cloud", time.time(), time.time() + seconds]), flush=True)
time.sleep(seconds)
for _ in range(rounds):
    run("ip", "link", "add", "plain", "type", "bridge")
    run("ip", "link", "set", "plain", "up")
    try:
        for name in found:
            run("ovs-vsctl", "del-port", bridge, name)
            run("ip", "link", "set", name, "master", "plain", "up")
        began = time.time()
        time.sleep(seconds)
        print(json.dumps(["bridge", began, time.time()]), flush=True)
    finally:
        for name, marks in found.items():
            run("ip", "link", "set", name, "nomaster")
            run("ovs-vsctl", "--may-exist", "add-port", bridge, name, "--", "set", "interface", name,
                *("external_ids:%s=%s" % (key, json.dumps(value)) for key, value in marks.items()))
        run("ip", "link", "delete", "plain")
    began = time.time()
    time.sleep(seconds)
    print(json.dumps(["cloud", began, time.time()]), flush=True)
"""


class Cloud:
    """The cloud that the options name, as its user sees it."""

    def __init__(self, options: list[str]) -> None:
        self.options = options
        said = json.loads(self.verb("env", "--json"))
        self.name, self.state = said["OS_CLOUD"], Path(said["OS_CLIENT_CONFIG_FILE"]).parent
        self.floating: dict[str, str] = {}

    def verb(self, verb: str, *words: str, stdin: str = "") -> str:
        """What a verb prints."""
        argv = [str(ROOT / "hotstack-os"), verb, *self.options, *words]
        return subprocess.run(argv, input=stdin, stdout=subprocess.PIPE, text=True, check=True).stdout

    def client(self, *words: str) -> Any:
        """What the OpenStack client says to the cloud's user, as data where there is any."""
        text = self.verb("openstack", "--", "--os-cloud", self.name, *words)
        return json.loads(text) if "json" in words else text

    def move(self, server: str, node: str) -> None:
        """A server that runs moves to a node, unless it is there."""
        admin = ("--os-cloud", f"{self.name}-admin", "--os-compute-api-version", "2.74")
        identity = self.client("server", "show", server, "-f", "json")["id"]
        shown = json.loads(self.verb("openstack", "--", *admin, "server", "show", identity, "-f", "json"))
        if shown["OS-EXT-SRV-ATTR:host"] != node:
            words = ("server", "migrate", "--live-migration", "--host", node, "--wait", identity)
            self.verb("openstack", "--", *admin, *words)

    def node(self, *argv: str, stdin: str = "") -> str:
        """Standard output of a command on the node."""
        return self.verb("box", "enter", "--", *argv, stdin=stdin)

    def ssh(self, address: str, script: str) -> str:
        """Standard output of a script in a server."""
        return self.node(*SSH, f"root@{address}", script)


def measured(cloud: Cloud, rounds: int, seconds: float, other: str) -> dict[str, list[float]]:
    """way → Mbit/s of each block."""
    cloud.node("sh", "-c", "umask 077; cat > /root/throughput-key", stdin=(cloud.state / "id_ed25519").read_text())
    floating, fixed, ports = cloud.floating, {}, []
    for name in NAMES:
        given = ("--image", "hotstack-guest", "--flavor", "hotstack.tiny", "--network", "private")
        cloud.client("server", "create", *given, "--key-name", "hotstack", "--wait", name)
        address = cloud.client("floating", "ip", "create", "public", "-f", "json")["floating_ip_address"]
        floating[name] = address
        cloud.client("server", "add", "floating", "ip", name, address)
        (port,) = cloud.client("port", "list", "--server", name, "-f", "json")
        fixed[name] = port["Fixed IP Addresses"][0]["ip_address"]
        ports.append(port["ID"])
    source, target = NAMES
    for name in NAMES:
        if other:
            cloud.move(name, cloud.node("hostname").strip())
        reached(cloud, floating[name])
    cloud.ssh(floating[target], f"{SINK}; {LISTEN}")
    cloud.ssh(floating[source], SEND.replace("TARGET", fixed[target]))
    phases = [json.loads(each) for each in
              cloud.node("python3", "-c", MOVE, json.dumps(ports), str(seconds), str(rounds)).splitlines()]  # fmt: skip
    if other:
        cloud.move(target, other)
        phases.append(["between", time.time(), time.time() + rounds * seconds])
        time.sleep(rounds * seconds)
    reached(cloud, floating[source])
    ahead = time.time() - float(cloud.ssh(floating[source], "cut -d' ' -f1 /proc/uptime"))
    found: dict[str, list[float]] = {way: [] for way, _, _ in phases}
    for line in cloud.ssh(floating[source], "cat /tmp/blocks").splitlines():
        began, ended = (float(each) + ahead for each in line.split())
        # A second at each end for the clocks' difference and for addresses to be found again.
        for way in (way for way, first, last in phases if first + 1 < began and ended < last - 1):
            found[way].append(BLOCK * 8 * 1.048576 / (ended - began))
    return found


def reached(cloud: Cloud, address: str) -> None:
    """Wait until a server takes the key."""
    for _ in range(60):
        try:
            cloud.ssh(address, "true")
        except subprocess.CalledProcessError:
            time.sleep(1)
        else:
            return
    raise SystemExit(f"wanted SSH to {address} within a minute; found none")


def remove(cloud: Cloud) -> None:
    """Take away what was made."""
    there = {each["Name"] for each in cloud.client("server", "list", "-f", "json")}
    for name in set(NAMES) & there:
        cloud.client("server", "delete", "--wait", name)
    for address in cloud.floating.values():
        cloud.client("floating", "ip", "delete", address)
    cloud.node("rm", "-f", "/root/throughput-key")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--to", default="", metavar="NODE")
    parser.add_argument("--json", action="store_true")
    arguments, options = parser.parse_known_args()
    cloud = Cloud(options)
    try:
        found = measured(cloud, arguments.rounds, arguments.seconds, arguments.to)
    finally:
        remove(cloud)
    if arguments.json:
        print(json.dumps(found))
    else:
        for way, rates in found.items():
            print(f"{way:7} {len(rates)} blocks, median {statistics.median(rates):.0f} Mbit/s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
