"""The world that the tests of the settings load against, and the types of their fixtures."""

from __future__ import annotations

from collections.abc import Callable

from hotstack_os.settings.cloud import Cloud
from hotstack_os.settings.problems import Problem
from hotstack_os.settings.takes import Takes

SERVICES = dict.fromkeys(("keystone", "nova-api", "nova-compute", "neutron-server"), Takes())
RELEASES = ("2025.1", "2025.2", "2026.1")

Load = Callable[..., Cloud]
Mistakes = Callable[..., dict[str, Problem]]
