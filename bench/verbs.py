#!/usr/bin/env python3
"""How long verbs take on a cloud that is up: minimum, median and maximum of several whole commands.

Usage: bench/verbs.py [RUNS]. Verbs take turns, so that a busy moment of the machine hits all of them alike.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
VERBS = (("--version",), ("status",), ("plan",), ("up", "--quiet"), ("openstack", "token", "issue"))


def main(runs: int) -> None:
    seconds: dict[tuple[str, ...], list[float]] = {verb: [] for verb in VERBS}
    for _ in range(runs):
        for verb, measured in seconds.items():
            began = time.monotonic()
            subprocess.run([str(ROOT / "hotstack-os"), *verb], capture_output=True, check=False)
            measured.append(time.monotonic() - began)
    for verb, measured in seconds.items():
        name = " ".join(verb)
        print(
            f"{name:24} min {min(measured):6.2f}  median {statistics.median(measured):6.2f}  max {max(measured):6.2f}"
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
