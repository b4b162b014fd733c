#!/usr/bin/env python3
"""Servers one after another: seconds from request to ACTIVE by Nova's own records of its actions.

Usage: bench/servers.py [--count 20] [--json] [VERB OPTIONS…], such as -s FILE or --cloud NAME. The server of before is
deleted and gone before the next is asked for. Ends with status 1 if one did not become ACTIVE.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
SCRIPT = r"""
import datetime, json, sys, time, urllib.error, urllib.request
asked = json.load(sys.stdin)  # not in argv: it has a token

def call(method, url, body=None):
    data = None if body is None else json.dumps(body).encode()
    headers = {"X-Auth-Token": token, "Content-Type": "application/json", "OpenStack-API-Version": "compute 2.93"}
    with urllib.request.urlopen(urllib.request.Request(url, data, headers, method=method), timeout=60) as answer:
        text = answer.read()
        return answer, json.loads(text) if text else {}

token, urls = asked["token"], asked["urls"]
compute = urls["nova"]
image = call("GET", urls["glance"] + "/v2/images?name=hotstack-guest")[1]["images"][0]["id"]
flavor = next(each["id"] for each in call("GET", compute + "/flavors")[1]["flavors"] if each["name"] == "hotstack.tiny")
network = call("GET", urls["neutron"] + "/v2.0/networks?name=private")[1]["networks"][0]["id"]

def instant(text):
    return datetime.datetime.fromisoformat(text)

for number in range(asked["count"]):
    wanted = {"name": "in-a-row-%d" % number, "imageRef": image, "flavorRef": flavor, "networks": [{"uuid": network}]}
    server = compute + "/servers/" + call("POST", compute + "/servers", {"server": wanted})[1]["server"]["id"]
    deadline = time.monotonic() + 300
    while (found := call("GET", server)[1]["server"])["status"] == "BUILD" and time.monotonic() < deadline:
        time.sleep(0.2)
    action = next(each for each in call("GET", server + "/os-instance-actions")[1]["instanceActions"]
                  if each["action"] == "create")
    detail = call("GET", server + "/os-instance-actions/" + action["request_id"])[1]["instanceAction"]
    ends = [instant(each["finish_time"]) for each in detail["events"] if each["finish_time"]]
    took = (max(ends) - instant(detail["start_time"])).total_seconds() if ends else None
    builds = sum(each["event"] == "compute__do_build_and_run_instance" for each in detail["events"])
    print(json.dumps({"status": found["status"], "seconds": took, "builds": builds,
                      "fault": found.get("fault", {}).get("message", "")}), flush=True)
    call("DELETE", server)
    while time.monotonic() < deadline:
        try:
            call("GET", server)
        except urllib.error.HTTPError as error:
            if error.code == 404:
                break
            raise
        time.sleep(0.2)
"""


def said(*words: str) -> Any:
    """What the command prints, as data."""
    done = subprocess.run([str(ROOT / "hotstack-os"), *words], stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)


def measured(count: int, options: list[str]) -> list[dict[str, Any]]:
    """One entry per server: status, seconds, how often it was built, fault."""
    name = said("status", "--json", *options)["nodes"][0]["name"]
    token = said("openstack", *options, "--", "--os-cloud", name, "token", "issue", "-f", "json")["id"]
    urls = {each["name"]: each["url"] for each in said("status", "--json", *options)["endpoints"]}
    access = {"token": token, "urls": urls, "count": count}
    argv = [str(ROOT / "hotstack-os"), "box", "enter", *options, "--", "python3", "-c", SCRIPT]
    done = subprocess.run(argv, input=json.dumps(access), stdout=subprocess.PIPE, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--json", action="store_true")
    arguments, options = parser.parse_known_args()
    servers = measured(arguments.count, options)
    seconds = [each["seconds"] for each in servers if each["status"] == "ACTIVE"]
    if arguments.json:
        print(json.dumps(servers))
    elif seconds:
        median = statistics.median(seconds)
        print(f"{len(seconds)} of {len(servers)} ACTIVE: {min(seconds):.1f} / {median:.1f} / {max(seconds):.1f} s")
    return 0 if len(seconds) == arguments.count else 1


if __name__ == "__main__":
    sys.exit(main())
