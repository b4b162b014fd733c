"""Twenty servers, one after another: none fails, none is built twice, none waits for an event until time is out."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from system.conftest import ROOT, CloudUnderTest

COUNT = 20
VIF_TIMEOUT = 300
"""Nova's vif_plugging_timeout in seconds; a server that waited for it has taken longer."""


@pytest.mark.long
def test_twenty_servers_in_a_row_become_active(cloud: CloudUnderTest) -> None:
    argv = [
        sys.executable,
        str(ROOT / "bench" / "servers.py"),
        "--count",
        str(COUNT),
        "--json",
        "-s",
        str(cloud.settings),
    ]
    done = subprocess.run(argv, env=cloud.environment, capture_output=True, text=True, check=False, timeout=1800)
    servers = json.loads(done.stdout)
    assert [(each["status"], each["builds"], each["fault"]) for each in servers] == [("ACTIVE", 1, "")] * COUNT
    assert max(each["seconds"] for each in servers) < VIF_TIMEOUT
    assert "Timeout waiting for" not in cloud.run("logs", "nova-compute", "--since", "1h", "-n", "100000").stdout
