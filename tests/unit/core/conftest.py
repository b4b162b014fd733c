from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from unit.core.fakes import memory


@pytest.fixture
def path() -> Iterator[Path]:
    """Where a journal may lie."""
    with memory() as path:
        yield path
