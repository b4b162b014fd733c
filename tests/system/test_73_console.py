"""The console of a server in a real browser: what is typed there arrives, and it shows what the server shows."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterator
from typing import Any

import pytest

from hotstack_os.deploy.machine import machine_of
from hotstack_os.exec.wait import until
from system.browser import Page, eventually, page
from system.conftest import ROOT, CloudUnderTest
from system.servers import Servers, running

pytestmark = pytest.mark.long
NAME = "server-a"
ALIKE = 0.9
"""Least share of the pixels that are lit in either picture and the same in both; the text cursor blinks."""
LIT = 500
"""Least number of lit pixels: there is text."""
PICTURES = ROOT / "artefacts"
"""Where both pictures are kept."""
CONNECTED = "(document.getElementById('status') || {textContent: ''}).textContent.startsWith('Connected')"
SAME = """
(async (wanted) => {
  const shown = document.querySelector('canvas');
  const image = await createImageBitmap(await (await fetch(wanted)).blob());
  if (image.width != shown.width || image.height != shown.height) {
    return [0, shown.width, shown.height, image.width, image.height];
  }
  const other = new OffscreenCanvas(image.width, image.height).getContext('2d');
  other.drawImage(image, 0, 0);
  const one = shown.getContext('2d').getImageData(0, 0, shown.width, shown.height).data;
  const two = other.getImageData(0, 0, image.width, image.height).data;
  const lit = (picture, at) => picture[at] + picture[at + 1] + picture[at + 2] > 96;
  let same = 0, either = 0, here = 0, there = 0;
  for (let at = 0; at < one.length; at += 4) {
    if (lit(one, at)) here++;
    if (lit(two, at)) there++;
    if (!lit(one, at) && !lit(two, at)) continue;
    either++;
    const [red, green, blue] = [0, 1, 2].map(color => Math.abs(one[at + color] - two[at + color]));
    if (red + green + blue < 24) same++;
  }
  return [same / Math.max(either, 1), here, there];
})("data:image/png;base64,%s")
"""


@pytest.fixture(scope="module")
def servers(cloud: CloudUnderTest) -> Iterator[Servers]:
    """Of this module's own: those of the session have been removed when all modules run."""
    with running(cloud) as made:
        yield made


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


def test_keys_arrive_and_the_picture_is_the_servers(servers: Servers, console: Page) -> None:
    token = secrets.token_hex(8)
    console.evaluate("document.querySelector('canvas').focus()")
    console.type(f"\ntouch /run/{token}\n")
    until(lambda: servers.a.ssh(f"ls /run/{token} 2> /dev/null || true") or None, token, seconds=20, step=1)
    identity = servers.cloud.openstack("server", "show", NAME)["id"]
    PICTURES.mkdir(exist_ok=True)

    def compared() -> list[Any]:
        """Share of lit pixels that are the same, number here, number there."""
        seen = screenshot(servers.cloud, identity)
        (PICTURES / "console.png").write_bytes(console.picture())
        (PICTURES / "console-by-virsh.png").write_bytes(seen)
        return list(console.evaluate(SAME % base64.b64encode(seen).decode()))

    def agree() -> bool:
        alike, *lit = compared()
        return bool(alike > ALIKE and min(lit) > LIT)

    until(agree, f"the pictures in {PICTURES} to be the same", seconds=20, step=1, last=lambda: str(compared()))
