"""What the documents tell their readers to type does what they say, typed word by word."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator

import pytest

from documents import ROOT, RUN, Block, blocks
from system.conftest import CloudUnderTest

SERVER = "first"
"""What the pages call their server."""
SECONDS = 300


@pytest.fixture
def tidy(cloud: CloudUnderTest) -> Iterator[CloudUnderTest]:
    """The pages' server is gone afterwards, whatever came of them."""
    yield cloud
    entry = ("--os-cloud", cloud.name)
    if SERVER in cloud.client(*entry, "server", "list", "-f", "value", "-c", "Name").stdout.split():
        cloud.client(*entry, "server", "delete", "--wait", SERVER)


def script(found: list[Block]) -> str:
    """All commands for one shell, as a reader has one; each is announced, so that the output can be told apart."""
    said = []
    for block in found:
        for number, command in enumerate(block.commands()):
            said += [f"echo '{_mark(block, number)}'", command]
    return "\n".join(["set -e", *said, ""])


def _mark(block: Block, number: int) -> str:
    return f"--- {block} {number}"


def output(block: Block) -> str:
    """What the block says that its commands say."""
    typed = "\n".join(f"# {command}" for command in block.commands())
    return block.text.removeprefix(typed).strip()


@pytest.mark.parametrize("page", [RUN[0], *(pytest.param(page, marks=pytest.mark.long) for page in RUN[1:])])
def test_a_page_does_what_it_says(tidy: CloudUnderTest, page: str) -> None:
    found = [block for block in blocks(page) if block.shell and not block.reason]
    assert found
    done = subprocess.run(
        ["sh", "-c", script(found)],
        cwd=ROOT,
        env={**os.environ, **tidy.environment, "HOTSTACK_NAME": tidy.name},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    for block in found:
        if wanted := output(block):
            last = _mark(block, len(block.commands()) - 1)
            assert done.stdout.partition(f"{last}\n")[2].startswith(wanted), done.stdout
