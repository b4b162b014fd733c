#!/usr/bin/env python3
"""How long the comparison of what is wanted with what is there takes, without looking: the pure part of a plan.

Usage: bench/planning.py [RESOURCES] [RUNS]. Run it with the environment's python and PYTHONPATH=src. Each resource has
three needs, as far apart as those of a cloud of several nodes have.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Mapping
from dataclasses import replace

from hotstack_os.core.diff import Desired, Observed, diff
from hotstack_os.core.model import Absent, Ledger, Owned, Present, Ref, Resource


def wanted(count: int) -> Desired:
    refs = [Ref("file", f"n{number}", f"node{number % 10}") for number in range(count)]
    needs = [frozenset(refs[max(0, number - step)] for step in (1, 10, 100) if number) for number in range(count)]
    return {ref: Resource(ref, {"text": "x" * 100}, need) for ref, need in zip(refs, needs, strict=True)}


def main(count: int, runs: int) -> None:
    desired = wanted(count)
    ledger: Ledger = {ref: Owned(ref, each.needs) for ref, each in desired.items()}
    there: Observed = {ref: Present(each.state) for ref, each in desired.items()}
    absent: Observed = dict.fromkeys(desired, Absent())
    tenth = set(list(desired)[::10])
    changed: Observed = {ref: Present({"text": "y"} if ref in tenth else each.state) for ref, each in desired.items()}
    kept = {ref: each for ref, each in desired.items() if ref not in tenth}
    gone = {ref: replace(each, needs=each.needs & kept.keys()) for ref, each in kept.items()}
    cases: Mapping[str, tuple[Desired, Observed, Ledger]] = {
        "all to be made": (desired, absent, {}),
        "nothing to do": (desired, there, ledger),
        "every tenth changed": (desired, changed, ledger),
        "every tenth removed": (gone, there, ledger),
        "every tenth foreign": (desired, absent, {ref: each for ref, each in ledger.items() if ref not in tenth}),
        "all to be removed": ({}, there, ledger),
    }
    for name, case in cases.items():
        seconds = []
        for _ in range(runs):
            began = time.monotonic()
            diff(*case)
            seconds.append(time.monotonic() - began)
        print(f"{name:20} {count} resources: median {statistics.median(seconds):.2f} s")


if __name__ == "__main__":
    main(*(int(word) for word in (*sys.argv[1:], *(3600, 5)[len(sys.argv) - 1 :])))
