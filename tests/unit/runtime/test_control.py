"""Starts that a person asked for are waited for as long as systemd is at them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import cast

import pytest

from hotstack_os.exec import Command, Host, Result
from hotstack_os.runtime import control


class Node:
    """A `Host` that notes what it is asked for."""

    def __init__(self) -> None:
        self.asked: list[Command] = []

    def run(self, command: Command) -> Result:
        self.asked.append(command)
        return Result(command, 0, "", "", 0.0)


@pytest.mark.parametrize(
    "verb",
    [
        lambda host: control.start(host, ["glance"]),
        lambda host: control.restart(host, ["glance"]),
        control.start_all,
        lambda host: control.restart_all(host, ["glance"]),
    ],
)
def test_a_start_that_goes_on_is_not_given_up(verb: Callable[[Host], None]) -> None:
    """A unit's start may take ten times its patience (health.py), and those that need each other add up."""
    node = Node()
    verb(cast("Host", node))
    assert node.asked
    assert {each.timeout for each in node.asked} == {math.inf}
