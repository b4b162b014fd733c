"""What a running box is and has, seen from inside and outside."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from hotstack_os.box import DATA, IMAGE_STORE, Box, list_boxes
from hotstack_os.exec import Command, Host, run_here

ANY = frozenset(range(256))


@pytest.fixture
def host(running: Box) -> Iterator[Host]:
    host = running.host()
    yield host
    host.close()


def sh(host: Host, script: str) -> str:
    return host.run(Command(("sh", "-c", script))).stdout.strip()


def test_systemd_is_pid_1_and_nothing_failed(host: Host) -> None:
    assert sh(host, "cat /proc/1/comm; systemctl is-system-running; systemctl --failed --quiet") == "systemd\nrunning"


def test_it_has_a_name_an_identity_and_no_resolver(running: Box, host: Host) -> None:
    assert sh(host, "hostname; cat /etc/hostname; getent hosts node1 | cut -d' ' -f1") == "node1\nnode1\n127.0.1.1"
    identity = sh(host, "cat /etc/machine-id")
    assert len(identity) == 32
    assert identity != Path("/etc/machine-id").read_text(encoding="ascii").strip()
    assert host.read(["/etc/resolv.conf"])["/etc/resolv.conf"] == b""
    assert running.spec.rootfs.joinpath("etc/machine-id").read_text(encoding="ascii").strip() != identity


def test_network_is_its_own_and_complete(host: Host) -> None:
    outside = set(Path("/sys/class/net").iterdir())
    assert sh(host, "ls /sys/class/net") == "lo"
    assert "127.0.0.1/8" in sh(host, "ip -brief address show dev lo")
    sh(
        host,
        "ip link add hsb0 type bridge && ip link add hsv0 type veth peer name hsv1 && ip link set hsv0 master hsb0",
    )
    sh(host, "ip netns add hsn && ip link set hsv1 netns hsn && ip netns delete hsn && ip link delete hsb0")
    assert set(Path("/sys/class/net").iterdir()) == outside


def test_open_vswitch_bridge_in_user_space(host: Host) -> None:
    if not Path("/dev/net/tun").exists():
        pytest.skip("no TAP devices on this machine")
    sh(host, "systemctl start openvswitch-switch && ovs-vsctl add-br hsbr -- set bridge hsbr datapath_type=netdev")
    try:
        sh(host, "ip address add 10.9.8.7/24 dev hsbr && ip link set hsbr up && ping -c 1 -W 2 10.9.8.7")
        assert sh(host, "ovs-vsctl get interface hsbr error") == "[]"
    finally:
        sh(host, "ovs-vsctl del-br hsbr")


def test_only_network_settings_of_the_kernel_are_writable(host: Host) -> None:
    assert sh(host, "echo 1 >/proc/sys/net/ipv4/ip_forward && cat /proc/sys/net/ipv4/ip_forward") == "1"
    before = Path("/proc/sys/kernel/panic").read_text(encoding="ascii")
    for path in ("/proc/sys/kernel/panic", "/proc/sys/vm/swappiness", "/sys/kernel/mm/ksm/run", "/proc/sysrq-trigger"):
        result = host.run(Command(("sh", "-c", f"echo 0 >{path}"), accept=ANY))
        assert result.status != 0, path
        assert "Read-only" in result.stderr or "nonexistent" in result.stderr, path
    assert Path("/proc/sys/kernel/panic").read_text(encoding="ascii") == before


@pytest.mark.parametrize(
    "script", ["date --set=@$(date +%s)", "dmesg --clear", "python3 -c 'import os; os.open(\"/dev/mem\", 2)'"]
)
def test_clock_and_log_of_the_machine_are_out_of_reach(host: Host, script: str) -> None:
    assert host.run(Command(("sh", "-c", script), accept=ANY)).status != 0


@pytest.mark.parametrize(("path", "mode"), [("/dev/net/tun", 0o666), ("/dev/kvm", 0o660), ("/dev/fuse", 0o666)])
def test_device_nodes_are_its_own(running: Box, host: Host, path: str, mode: int) -> None:
    if not Path(path).exists():
        pytest.skip(f"no {path} on this machine")
    before = Path(path).stat()
    inside = Path(f"/proc/{running.state().leader}/root{path}").stat()
    assert stat.S_IMODE(inside.st_mode) == mode
    assert inside.st_rdev == before.st_rdev
    assert (inside.st_dev, inside.st_ino) != (before.st_dev, before.st_ino)
    sh(host, f"chmod 600 {path} && chmod {mode:o} {path} && : <>{path}")
    assert Path(path).stat() == before


def test_binds_and_image_store(running: Box, host: Host) -> None:
    place = running.spec.home.parent
    assert sh(host, "cat /srv/seen; echo hello >/srv/shared/inside; chown 4242 /srv/shared/inside") == "from outside"
    assert place.joinpath("shared/inside").read_text(encoding="ascii") == "hello\n"
    assert place.joinpath("shared/inside").stat().st_uid == 4242
    for path in ("/srv/seen", f"{IMAGE_STORE}/x"):
        assert "Read-only" in host.run(Command(("sh", "-c", f"echo >{path}"), accept=ANY)).stderr


def test_data_and_containers_are_not_on_overlayfs(running: Box, host: Host) -> None:
    kinds = sh(host, f"stat -f -c %T / {DATA} /var/lib/containers").split("\n")
    assert kinds[0] == "overlayfs"
    assert "overlayfs" not in kinds[1:]
    sh(host, f"echo kept >{DATA}/file")
    assert running.spec.home.joinpath("data/file").read_text(encoding="ascii") == "kept\n"


def test_shared_root_stays_as_it_was(running: Box, host: Host) -> None:
    sh(host, "echo changed >/etc/issue && rm /etc/debian_version")
    assert running.spec.rootfs.joinpath("etc/debian_version").exists()
    assert running.spec.rootfs.joinpath("etc/issue").read_text(encoding="utf-8") != "changed\n"


def test_who_enters_is_in_the_control_group_of_the_box(host: Host) -> None:
    assert "0::/entered" in sh(host, "cat /proc/self/cgroup").split("\n")
    sh(host, "systemd-run --quiet --scope true")


def test_enter_and_network_argv(running: Box) -> None:
    assert run_here(Command(running.enter_argv(("hostname",)))).stdout == "node1\n"
    own = run_here(Command(("readlink", "/proc/self/ns/net"))).stdout
    theirs = run_here(Command(running.enter_argv(("readlink", "/proc/self/ns/net")))).stdout
    outer_program = run_here(Command(running.netns_argv(("sh", "-c", "readlink /proc/self/ns/net; pwd -P")))).stdout
    assert outer_program.splitlines() == [theirs.strip(), "/"]
    assert theirs != own


def test_it_is_listed(running: Box) -> None:
    ((name, state),) = list_boxes(running.spec.home.parent)
    assert (name, state.status, state.leader) == (running.spec.name, "running", running.state().leader)


CONTAINERS = """
set -e
mkdir -p /tmp/tree/usr /tmp/tree/tmp /tmp/tree/etc
for each in bin sbin lib lib64; do ln -sfn usr/$each /tmp/tree/$each; done
tar -C /tmp/tree -c . | podman import -q - localhost/empty:1
podman network create --subnet 10.77.0.0/24 --gateway 10.77.0.1 hsnet
for n in 2 3; do
  podman run -q -d --name c$n --network hsnet --ip 10.77.0.$n -v /usr:/usr:ro localhost/empty:1 sleep 300
done
podman exec c2 ping -c 1 -W 2 10.77.0.3
podman exec c3 sh -c 'echo written >/tmp/file; cat /tmp/file'
podman run --rm --read-only --cap-drop=all --security-opt=no-new-privileges --user 4242 -v /usr:/usr:ro \
  localhost/empty:1 id -u
"""
QUADLET = "[Container]\nImage=localhost/empty:1\nVolume=/usr:/usr:ro\nExec=sleep 300\nPodmanArgs=--stop-signal=KILL\n"


def test_podman_networks_and_quadlet(host: Host) -> None:
    try:
        assert host.run(Command(("sh", "-c", CONTAINERS))).stdout.endswith("written\n4242\n")
        host.make_directory("/etc/containers/systemd", mode=0o755)
        host.write("/etc/containers/systemd/hsq.container", QUADLET, mode=0o644)
        sh(host, "systemctl daemon-reload && systemctl start hsq")
        assert sh(host, "podman ps --filter name=systemd-hsq --format '{{.State}}'") == "running"
    finally:
        sh(host, "systemctl stop hsq; podman rm -fa -t 0 && podman network rm -f hsnet")
