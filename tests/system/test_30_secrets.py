"""No secret comes to light, looked for in every place where one has come to light elsewhere."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess

from hotstack_os.exec.wait import until
from hotstack_os.settings.secrets import Vault
from system.conftest import CloudUnderTest
from system.leaks import found, places

CANARY = "canary-b1c6f0d2a94e"


def test_the_search_finds_a_canary_in_every_place(cloud: CloudUnderTest) -> None:
    """A search that finds nothing proves nothing unless it is known to find."""
    digest = hashlib.sha256(CANARY.encode()).hexdigest()
    planted = subprocess.Popen(["sleep", "60"], env={**os.environ, "CANARY": CANARY})
    named = subprocess.Popen(["sh", "-c", f"sleep 60; : {CANARY}"])
    try:
        cloud.shell(
            f"mkdir -p /etc/hotstack-os/config/canary; echo {digest} > /etc/hotstack-os/config/canary/x;"
            f"printf '[Unit]\\nDescription={CANARY}\\n[Service]\\nType=oneshot\\nExecStart=true\\n'"
            " > /etc/systemd/system/canary.service; systemctl daemon-reload; systemctl start canary.service;"
            f"logger {CANARY}; echo {CANARY} > /var/log/canary.log;"
            "image=$(podman ps -q | head -1 | xargs podman inspect --format '{{.ImageName}}');"
            f"podman create --name canary --label x={CANARY} --network none $image true"
        )
        (cloud.state / "canary").write_text(CANARY)
        with cloud.watch:
            until(lambda: any(CANARY.encode() in each for each in cloud.watch.argv), "the watch to see it", seconds=5)
        where = places(cloud)
        assert found(CANARY, where) == where.keys()
    finally:
        for process in (planted, named):
            process.kill()
            process.wait()
        cloud.shell(
            "podman rm canary; rm -rf /etc/hotstack-os/config/canary /etc/systemd/system/canary.service;"
            "rm /var/log/canary.log; systemctl daemon-reload"
        )
        (cloud.state / "canary").unlink()


def test_no_secret_is_anywhere(cloud: CloudUnderTest) -> None:
    secrets = Vault.open(cloud.state).all()
    assert len(secrets) >= 6
    with cloud.watch:  # it has seen the first `up`; here comes one that finds everything there
        cloud.run("up")
        assert cloud.openstack("token", "issue")["id"]
    where = places(cloud)
    assert {name: spots for name, secret in secrets.items() if (spots := found(secret.reveal(), where))} == {}


def test_secret_files_are_for_their_users_only(cloud: CloudUnderTest) -> None:
    listed = cloud.shell("find /etc/hotstack-os/secrets -type f -printf '%m %u\\n' | sort -u").splitlines()
    assert listed
    assert all(line.startswith("400 ") for line in listed), listed
    assert cloud.shell("stat -c %a /etc/hotstack-os/health.json").strip() == "600"
    assert json.loads((cloud.state / "secrets.json").read_text())
    assert (cloud.state / "secrets.json").stat().st_mode & 0o777 == 0o600
