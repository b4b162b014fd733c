"""The everyday verbs on a real cloud."""

from __future__ import annotations

import hashlib
import io
import os
import signal
import subprocess
import tarfile
from pathlib import Path

import pytest

from hotstack_os.exec.wait import until
from hotstack_os.settings.secrets import Vault
from system.conftest import ROOT, CloudUnderTest
from system.leaks import found as found_in


def started(cloud: CloudUnderTest) -> dict[str, str]:
    """Service → when its container was started."""
    lines = cloud.shell("podman inspect --format '{{.Name}} {{.State.StartedAt}}' $(podman ps -q)").splitlines()
    return {line.split(" ", 1)[0].removeprefix("hotstack-os-"): line.split(" ", 1)[1] for line in lines}


def sick(cloud: CloudUnderTest) -> set[str]:
    """Services that are not healthy."""
    return {each["name"] for each in cloud.json("status", accept=(0, 1))["services"] if each["health"] != "healthy"}


def servers(cloud: CloudUnderTest) -> str:
    """The processes of the session libvirtd."""
    return cloud.shell("pgrep -u hotstack -a libvirtd")


def test_status_tells_versions_nodes_choices_and_endpoints(cloud: CloudUnderTest) -> None:
    said = cloud.json("status")
    services = {each["name"]: each for each in said["services"]}
    assert services["keystone"]["version"].split(".")[0] == "28"
    assert all(each["version"] and each["image"] and each["node"] for each in services.values())
    running = cloud.shell("podman inspect --format '{{.ImageName}}' hotstack-os-keystone").strip()
    assert services["keystone"]["image"] == running
    (node,) = said["nodes"]
    assert node["state"] == "running"
    assert {each["name"]: each["value"] for each in node["choices"]}["datapath"] in {"netdev", "system"}
    real = {each["URL"] for each in cloud.openstack("endpoint", "list") if each["Interface"] == "public"}
    assert {each["url"] for each in said["endpoints"]} == real


def test_logs_are_in_the_order_of_time_and_of_the_services_asked_for(cloud: CloudUnderTest) -> None:
    cloud.shell("systemd-cat -t x echo not ours")
    lines = cloud.run("logs", "keystone", "mariadb", "--since", "1h", "-n", "500").stdout.splitlines()
    entries = [line for line in lines if line[:2] == "20"]
    assert len(entries) > 20
    assert [line[:23] for line in entries] == sorted(line[:23] for line in entries)
    assert {line.split()[2] for line in entries} == {"keystone", "mariadb"}
    assert "\x1b" not in "".join(lines)
    assert len(cloud.run("logs", "keystone", "-n", "3").stdout.splitlines()) >= 3
    assert "wanted a time" in cloud.run("logs", "--since", "nonsense", accept=(64,)).stderr


def test_following_ends_at_ctrl_c_and_leaves_nothing(cloud: CloudUnderTest) -> None:
    argv = [str(ROOT / "hotstack-os"), "logs", "--settings", str(cloud.settings), "keystone", "-f", "-n", "1"]
    # Where tests run in the background of a shell, Ctrl-C is ignored, and children would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(argv, env=cloud.environment, stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        assert process.stdout is not None
        assert " keystone " in process.stdout.readline()
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(20) == 0
    finally:
        process.kill()
    until(lambda: "--follow" not in cloud.shell("ps -eo args"), "journalctl to end", seconds=5)


@pytest.mark.parametrize("status", [0, 7])
def test_exec_runs_in_the_container_and_keeps_the_status(cloud: CloudUnderTest, status: int) -> None:
    done = cloud.run("exec", "keystone", "--", "sh", "-c", f"id -un; exit {status}", accept=(status,))
    assert done.stdout == "keystone\n"
    assert cloud.run("exec", "--root", "keystone", "--", "id", "-un").stdout == "root\n"


def test_a_shell_takes_a_script(cloud: CloudUnderTest) -> None:
    argv = [str(ROOT / "hotstack-os"), "shell", "--settings", str(cloud.settings)]
    done = subprocess.run(
        argv, env=cloud.environment, input="hostname; exit 3", capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (3, f"{cloud.name}\n")


def test_restart_restarts_that_container_alone(cloud: CloudUnderTest) -> None:
    before = started(cloud)
    cloud.run("restart", "heat-api")
    after = started(cloud)
    assert {name for name in after if after[name] != before[name]} == {"heat-api"}
    assert cloud.json("plan")["actions"] == []


@pytest.mark.long
def test_stop_and_start_keep_data_and_servers(cloud: CloudUnderTest) -> None:
    project = cloud.openstack("project", "create", "kept-over-stop")["id"]
    before = servers(cloud)
    cloud.run("stop")
    said = cloud.json("status", accept=(1,))
    assert {(each["state"], each["health"]) for each in said["services"]} == {("inactive", "unhealthy")}
    assert cloud.node("podman", "ps", "--quiet") == ""
    assert servers(cloud) == before
    refused = cloud.run("exec", "keystone", "--", "id", accept=(1,))
    assert "hotstack-os start keystone" in refused.stderr
    cloud.run("start")
    until(lambda: sick(cloud) == set(), "all services to be healthy", seconds=60, step=1)
    assert cloud.openstack("project", "show", "kept-over-stop")["id"] == project
    cloud.client("project", "delete", project)
    assert cloud.json("plan")["actions"] == []


def test_a_stopped_service_is_told_and_started_again(cloud: CloudUnderTest) -> None:
    cloud.run("stop", "heat-engine")
    services = {each["name"]: each["state"] for each in cloud.json("status", accept=(1,))["services"]}
    assert [name for name, state in services.items() if state != "active"] == ["heat-engine"]
    cloud.run("start", "heat-engine")
    until(lambda: sick(cloud) == set(), "heat-api, which asks heat-engine, to be healthy again", seconds=60, step=1)


def found(cloud: CloudUnderTest) -> set[str]:
    """The checks that find problems in the cloud."""
    said = cloud.json("doctor", accept=(0, 1))
    problems = {each["check"] for each in said["findings"] if each["severity"] == "problem"}
    assert said["problems"] == len([each for each in said["findings"] if each["severity"] == "problem"])
    return {each["check"] for each in said["findings"] if each["subject"] == cloud.name} & problems


@pytest.mark.long
def test_doctor_finds_nothing_in_a_good_cloud_and_says_how_to_mend_another(cloud: CloudUnderTest) -> None:
    assert found(cloud) == set()
    cloud.shell(
        "systemctl stop hotstack-os-heat-api; systemctl reset-failed hotstack-os-heat-api || true;"
        "runuser -u hotstack -- env XDG_RUNTIME_DIR=/run/user/$(id -u hotstack)"
        " systemctl --user stop hotstack-os-libvirtd-session"
    )
    try:
        shown = cloud.run("doctor", accept=(1,)).stdout
        assert "→ hotstack-os start heat-api" in shown
        assert "\x1b" not in shown
        assert found(cloud) >= {"services", "libvirt", "drift"}
    finally:
        cloud.run("up")
    until(lambda: found(cloud) == set(), "a good cloud again", seconds=60)


@pytest.mark.long
def test_doctor_sees_what_was_broken_on_the_node(cloud: CloudUnderTest) -> None:
    """Without forwarding no service reaches Keystone, and every question to an API ends in its time-out."""
    cloud.shell(
        "nft delete table inet hotstack_os; sysctl -qw net.ipv4.ip_forward=0;"
        "mkdir /run/filler; fallocate -l $(df --output=avail -B1 /run | tail -1) /run/filler/x || true"
    )
    try:
        assert found(cloud) >= {"firewall", "forwarding", "disk-space", "drift"}
    finally:
        cloud.shell("rm -r /run/filler")
        cloud.run("up")
    until(lambda: found(cloud) == set(), "a good cloud again", seconds=60)


@pytest.mark.long
def test_uninstall_takes_services_and_leaves_data_and_servers(cloud: CloudUnderTest) -> None:
    project = cloud.openstack("project", "create", "kept-over-uninstall")["id"]
    before, vault = servers(cloud), (cloud.state / "secrets.json").read_bytes()
    refused = cloud.run("uninstall", accept=(64,))
    assert "Nothing was removed" in refused.stderr
    cloud.run("uninstall", "--yes")
    assert {each["state"] for each in cloud.json("status", accept=(1,))["services"]} == {"absent"}
    left = cloud.shell("find /etc /run /usr/lib -xdev -name '*hotstack-os*' -not -path '*/journal/*' | sort")
    assert not [line for line in left.splitlines() if "/etc/hotstack-os" in line or ".container" in line], left
    assert cloud.node("podman", "ps", "--all", "--quiet") == ""
    assert cloud.shell("systemctl list-units --failed --plain --no-legend") == ""
    assert servers(cloud) == before
    assert "nothing had to be done" in cloud.run("uninstall", "--yes").stdout
    assert found(cloud) >= {"services", "firewall"}
    cloud.run("up")
    assert (cloud.state / "secrets.json").read_bytes() == vault
    assert cloud.openstack("project", "show", "kept-over-uninstall")["id"] == project
    cloud.client("project", "delete", project)
    assert cloud.json("plan")["actions"] == []


def test_an_archive_has_everything_but_secrets(cloud: CloudUnderTest, tmp_path: Path) -> None:
    """Each secret is planted where the archive looks: in a service's log and in a configuration file."""
    secrets = {name: secret.reveal() for name, secret in Vault.open(cloud.state).all().items()}
    told = "\n".join(f"planted {text} {hashlib.sha256(text.encode()).hexdigest()}" for text in secrets.values())
    argv = [str(ROOT / "hotstack-os"), "exec", "--settings", str(cloud.settings), "keystone", "--",
            "sh", "-c", "cat > /proc/1/fd/2"]  # fmt: skip
    subprocess.run(argv, env=cloud.environment, input=f"{told}\n", text=True, check=True)
    config = "/etc/hotstack-os/config/canary"
    try:
        cloud.shell(
            f"mkdir {config}; journalctl -u hotstack-os-keystone -o cat --since -5min | grep ^planted > {config}/x;"
            f"test $(wc -l < {config}/x) -ge {len(secrets)}"
        )
        path = Path(cloud.run("diagnose", "-o", str(tmp_path / "d.tar.gz")).stdout.strip())
    finally:
        cloud.shell(f"rm -rf {config}; journalctl --rotate; journalctl --vacuum-time=1s")
    assert path.stat().st_mode & 0o777 == 0o600
    with tarfile.open(path) as archive:
        texts = {each.name: (archive.extractfile(each) or io.BytesIO()).read() for each in archive}
    assert texts[f"d/node{config}/x"].count(b"planted **** ****") >= len(secrets)
    assert texts["d/node/logs/keystone.log"].count(b"planted **** ****") >= len(secrets)
    assert {name: spots for name, secret in secrets.items() if (spots := found_in(secret, texts))} == {}
    pieces = {"settings.yaml", "status.json", "plan.txt", "generations.json", "journal.jsonl", "errors.txt"}
    pieces |= {f"node/{name}" for name in ("ovs/show", "ovn/nb", "libvirt/servers", "podman/containers")}
    assert {f"d/{name}" for name in pieces} <= texts.keys()
    assert texts["d/errors.txt"] == b""
