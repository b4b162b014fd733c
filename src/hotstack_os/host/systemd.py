"""What systemd says of units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hotstack_os.exec import Command, Host

ANSWER_SECONDS = 30.0
"""A manager that answers at all does so sooner; systemctl itself would wait 90 s for one that hangs."""


def show_units(host: Host, units: Sequence[str], properties: Sequence[str]) -> Mapping[str, Mapping[str, str]]:
    """unit → property → its value, as `systemctl show` says; of units that are not there too (LoadState not-found)."""
    if not units:
        return {}
    show = ("systemctl", "show", f"--property={','.join(properties)}", *units)
    said = host.run(Command(show, "have systemd show its units", timeout=ANSWER_SECONDS)).stdout
    blocks = [dict(line.split("=", 1) for line in block.splitlines()) for block in said.strip().split("\n\n")]
    return dict(zip(units, blocks, strict=True))
