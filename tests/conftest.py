"""How properties are tried: the same examples each time, so that a run that passed passes again.

`brief` is for `make check`, which is to be short; `--hypothesis-profile=wide` looks further, with other examples each
time. And what failed is told at once: a run on a cloud takes long, and may be ended before its summary.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings

LAST_LINES = 40
"""Of what a failed test says: where it failed, and with what."""
SLOW = [HealthCheck.too_slow]
"""A busy machine says nothing of a test: one that looked for its first example for half a minute had failed."""

settings.register_profile("steady", max_examples=60, deadline=None, derandomize=True, suppress_health_check=SLOW)
settings.register_profile("brief", max_examples=15, deadline=None, derandomize=True, suppress_health_check=SLOW)
settings.register_profile("wide", max_examples=2000, deadline=None, suppress_health_check=SLOW)
settings.load_profile("steady")


def pytest_configure(config: pytest.Config) -> None:
    if config.option.verbose < 0 or hasattr(config, "workerinput"):
        return
    config.pluginmanager.register(_AtOnce(config), "told-at-once")


class _AtOnce:
    """Tells failures when they happen, in runs that name each test."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            terminal = self._config.pluginmanager.get_plugin("terminalreporter")
            assert terminal is not None
            terminal.ensure_newline()
            for line in report.longreprtext.splitlines()[-LAST_LINES:]:
                terminal.write_line(f"    {line}")
