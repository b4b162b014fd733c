"""What cannot work is refused in one clear sentence, and nothing is lost or half done."""

from __future__ import annotations

from pathlib import Path

from hotstack_os.exec.wait import until
from system.conftest import CloudUnderTest


def test_an_image_of_another_format_is_refused_before_anything_is_done(cloud: CloudUnderTest, tmp_path: Path) -> None:
    image = tmp_path / "note.qcow2"
    image.write_text("not a disk\n")
    before = cloud.settings.read_text()
    cloud.settings.write_text(f"{before}content: {{images: {{note: {{file: {image}}}}}}}\n")
    try:
        for verb in ("plan", "up"):
            said = cloud.run(verb, accept=(1,)).stderr
            assert f"wanted {image}, of the image note, in the format qcow2; found raw" in said
            assert "content.images.note" in said.splitlines()[-1]
    finally:
        cloud.settings.write_text(before)
    assert cloud.json("plan")["actions"] == []


def test_a_server_that_is_too_large_says_so_and_goes(cloud: CloudUnderTest) -> None:
    before = cloud.shell("pgrep qemu-system || true")
    cloud.client("flavor", "create", "--ram", "1", "--vcpus", "1", "--disk", "900000", "too-large")
    create = ("server", "create", "--flavor", "too-large", "--image", "hotstack-guest", "--network", "private")
    cloud.client("--os-cloud", cloud.name, *create, "too-large")
    shown = until(lambda: refused(cloud) or None, "Nova to have decided", seconds=60, step=1)
    assert "No valid host was found" in shown
    cloud.client("--os-cloud", cloud.name, "server", "delete", "--wait", "too-large")
    cloud.client("flavor", "delete", "too-large")
    assert cloud.shell("pgrep qemu-system || true") == before


def refused(cloud: CloudUnderTest) -> str:
    server = cloud.openstack("--os-cloud", cloud.name, "server", "show", "too-large")
    assert server["status"] != "ACTIVE"
    return str(server["fault"]["message"]) if server["status"] == "ERROR" else ""
