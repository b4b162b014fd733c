#!/usr/bin/env python3
"""Memory of a running cloud by service: PSS of every process of the box, conmon and helpers included.

Usage: bench/memory.py [CLOUD]. Proportional set size shares each page among those who map it, so the sum is what the
cloud really takes (proc(5), smaps_rollup). Processes are attributed by their control group.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[1]
SCRIPT = r"""
import glob, re
for path in glob.glob("/proc/[0-9]*/smaps_rollup"):
    base = path.rsplit("/", 1)[0]
    try:
        pss = re.search(r"^Pss: *(\d+)", open(path).read(), re.M)
        group = open(base + "/cgroup").read().strip().rpartition(":")[2]
        print(pss.group(1) if pss else 0, group or "/")
    except (FileNotFoundError, ProcessLookupError):
        pass
"""


def main(cloud: str) -> None:
    argv = [str(ROOT / "hotstack-os"), "box", "--cloud", cloud, "enter", "--", "python3", "-c", SCRIPT]
    lines = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.splitlines()
    kilobytes: Counter[str] = Counter()
    for line in lines:
        pss, group = line.split(" ", 1)
        name = re.search(r"hotstack-os-([a-z-]+)\.service", group)
        kilobytes[name.group(1) if name else "system"] += int(pss)
    for name, size in kilobytes.most_common():
        print(f"{name:32} {size / 1024:8.0f} MiB")
    print(f"{'all':32} {sum(kilobytes.values()) / 1024:8.0f} MiB")


if __name__ == "__main__":
    main(*sys.argv[1:] or ["hotstack-os"])
