"""The console of a server in a real browser: what is typed there arrives, and it shows what the server shows."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from hotstack_os.deploy.machine import machine_of
from hotstack_os.exec.wait import until
from system.browser import Page, eventually, page
from system.conftest import CloudUnderTest
from system.servers import Servers

pytestmark = pytest.mark.long
NAME = "server-a"
ALIKE = 0.98
"""Least share of pixels that are the same; the text cursor blinks."""
CONNECTED = "(document.getElementById('status') || {textContent: ''}).textContent.startsWith('Connected')"
SAME = """
(async (wanted) => {
  const shown = document.querySelector('canvas');
  const image = await createImageBitmap(await (await fetch(wanted)).blob());
  if (image.width != shown.width || image.height != shown.height) {
    return [shown.width, shown.height, image.width, image.height, 0];
  }
  const other = new OffscreenCanvas(image.width, image.height).getContext('2d');
  other.drawImage(image, 0, 0);
  const one = shown.getContext('2d').getImageData(0, 0, shown.width, shown.height).data;
  const two = other.getImageData(0, 0, image.width, image.height).data;
  let same = 0, lit = 0;
  for (let at = 0; at < one.length; at += 4) {
    const [red, green, blue] = [0, 1, 2].map(color => Math.abs(one[at + color] - two[at + color]));
    if (red + green + blue < 24) same++;
    if (one[at] + one[at + 1] + one[at + 2] > 96) lit++;
  }
  return [same * 4 / one.length, lit];
})("data:image/png;base64,%s")
"""


@pytest.fixture
def console(servers: Servers) -> Iterator[Page]:
    cloud = servers.cloud
    url = cloud.openstack("console", "url", "show", "--novnc", NAME)["url"]
    assert url.startswith(f"http://nova.{cloud.wanted.domain}:{cloud.wanted.ports['novnc']}/")
    with page(door(cloud)) as opened:
        opened.open(url)
        eventually(opened, CONNECTED, "noVNC to be connected")
        yield opened


def door(cloud: CloudUnderTest) -> tuple[str, ...]:
    """The way into the cloud's network, with its names."""
    return machine_of(cloud.wanted).client_argv(())


def screenshot(cloud: CloudUnderTest, identity: str) -> bytes:
    """What QEMU says that the server shows, as PNG."""
    virsh = f"podman exec hotstack-os-nova-compute virsh --quiet screenshot {identity} /tmp/shown.png > /dev/null"
    return base64.b64decode(cloud.shell(f"{virsh}; podman exec hotstack-os-nova-compute base64 /tmp/shown.png"))


def test_keys_arrive_and_the_picture_is_the_servers(servers: Servers, console: Page, tmp_path: Path) -> None:
    token = secrets.token_hex(8)
    console.evaluate("document.querySelector('canvas').focus()")
    console.type(f"\ntouch /run/{token}\n")
    until(lambda: servers.a.ssh(f"ls /run/{token} 2> /dev/null || true") or None, token, seconds=20, step=1)
    identity = servers.cloud.openstack("server", "show", NAME)["id"]
    seen = screenshot(servers.cloud, identity)
    (tmp_path / "console.png").write_bytes(console.picture())
    (tmp_path / "virsh.png").write_bytes(seen)
    same, lit = eventually(console, SAME % base64.b64encode(seen).decode(), "a comparison")[-2:]
    assert lit > 500, "the screen is empty"
    assert same > ALIKE, f"{same:.3f} of the pixels are the same; see {tmp_path}"
