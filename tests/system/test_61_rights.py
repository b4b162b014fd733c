"""What somebody tries who holds a container, or is a user of the node, on a cloud that is up."""

from __future__ import annotations

import pytest

from system.conftest import CloudUnderTest

pytestmark = pytest.mark.long

INSIDE = ("podman", "exec", "hotstack-os-glance", "sh", "-ec")
LIBVIRTD = "/usr/sbin/libvirtd"


def test_a_link_that_a_service_put_into_its_data_leads_root_nowhere(cloud: CloudUnderTest) -> None:
    """Glance moves a directory of its own away and has /etc in its place; `up` is to mend the directory."""
    look = "stat -c '%U %G %a' /etc /etc/shadow"
    before = cloud.shell(look)
    cloud.node(*INSIDE, "cd /var/lib/glance; mv images kept; ln -s /etc images")
    try:
        said = cloud.run("up", accept=(1,)).stderr
        assert "/var/lib/hotstack-os/glance/images is a symbolic link to /etc, owned by 64201" in said
        assert cloud.shell(look) == before
    finally:
        cloud.node(*INSIDE, "cd /var/lib/glance; rm images; mv kept images")
    assert cloud.run("plan").stdout == "Nothing to do.\n"


def test_only_root_and_its_own_user_run_the_libvirtd_that_may_make_devices(cloud: CloudUnderTest) -> None:
    assert cloud.node("getcap", LIBVIRTD).split() == [LIBVIRTD, "cap_net_admin=ep"]
    assert cloud.node("dpkg-statoverride", "--list", LIBVIRTD) == f"root hotstack 750 {LIBVIRTD}\n"
    assert "libvirt" in cloud.node(LIBVIRTD, "--version")
    assert "libvirt" in cloud.node("runuser", "--user", "hotstack", "--", LIBVIRTD, "--version")
    for other in ("nobody", "daemon"):
        assert cloud.node("runuser", "--user", other, "--", LIBVIRTD, "--version", accept=(1, 126)) == ""
