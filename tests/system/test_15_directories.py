"""Every directory below the data paths of a cloud that has just come up, with owner, group and mode."""

from __future__ import annotations

import os
import re
from pathlib import Path

from system.conftest import CloudUnderTest

GOLDEN = Path(__file__).parents[1] / "golden" / "directories.txt"
DATA = "/var/lib/hotstack-os"
NAMES = {"data": DATA, "instances": f"{DATA}/nova-instances", "volumes": f"{DATA}/cinder-nfs",
         "mounts": f"{DATA}/nova-mnt"}  # fmt: skip
"""What the table calls the paths of the settings."""
USED = re.compile(rf"{DATA}/(nova-instances/([0-9a-f-]{{36}}|_base|locks)|neutron/(external|ovn-metadata-proxy))[ /]")
"""What is there only once a server was."""


def test_directories_are_those_of_the_golden_table(cloud: CloudUnderTest) -> None:
    lines = {
        line
        for name, called in NAMES.items()
        for line in listed(cloud, str(getattr(cloud.wanted.paths, name)), called)
        if not USED.match(line)
    }
    table = "".join(f"{line}\n" for line in sorted(lines))
    if os.environ.get("UPDATE_GOLDEN"):
        GOLDEN.write_text(table)
    assert table == GOLDEN.read_text()


def listed(cloud: CloudUnderTest, path: str, called: str) -> list[str]:
    """Directories at and below a path; not those whose names are made anew each time."""
    anew = f"'(' -path {path}/rabbitmq/mnesia -o -path {path}/cinder/mnt ')' -prune"
    found = cloud.shell(f"find {path} -type d -printf '%p %u %g %m\\n' {anew}")
    return [called + line.removeprefix(path) for line in found.splitlines()]
