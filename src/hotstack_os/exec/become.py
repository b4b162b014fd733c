"""Other programs for a terminal: they take our place, or are told what a person's shell would lead astray."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NoReturn

from hotstack_os import interrupt, surroundings
from hotstack_os.errors import HotstackError

PROXIES = tuple(
    name
    for each in ("http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy")
    for name in (each, each.upper())
)
"""Ways to the outside, which no cloud of ours is."""
_ALIEN = ("OS_", "PYTHON")
"""How variables begin that tell OpenStack's clients of other clouds, and our Python of other modules."""


def become(argv: tuple[str, ...], more: Mapping[str, str] | None = None) -> NoReturn:
    """Turn into another program, with the umask that we were started with, and `more` in its environment."""
    interrupt.check()
    environment = {**own(os.environ), **(more or {})}
    os.umask(surroundings.given_umask())
    try:
        os.execvpe(argv[0], argv, environment)  # noqa: S606 (there is no shell in it)
    except FileNotFoundError:
        raise HotstackError(f"to run {argv[0]}", "no such program on this machine") from None


def own(environ: Mapping[str, str]) -> dict[str, str]:
    """An environment without what speaks of other clouds, and of other Pythons than ours."""
    return {name: value for name, value in environ.items() if not name.startswith(_ALIEN)}


def direct(argv: tuple[str, ...]) -> tuple[str, ...]:
    """argv of a program that goes past any proxy."""
    return ("env", *(word for name in PROXIES for word in ("-u", name)), *argv)
