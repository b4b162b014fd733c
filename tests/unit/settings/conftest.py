"""A settings file in a temporary directory, loaded against a small fixed world."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent

import pytest

from hotstack_os.settings.cloud import Cloud
from hotstack_os.settings.loading import load
from hotstack_os.settings.problems import Problem, SettingsError
from unit.settings.world import RELEASES, SERVICES, Load, Mistakes


@pytest.fixture
def load_text(tmp_path: Path) -> Load:
    """`load_text(yaml, environ)`: the cloud of a file with this text."""

    def run(text: str, environ: Mapping[str, str] | None = None) -> Cloud:
        path = tmp_path / "settings.yaml"
        path.write_text(dedent(text), "utf-8")
        return load(path, environ or {}, SERVICES, RELEASES)

    return run


@pytest.fixture
def mistakes(load_text: Load) -> Mistakes:
    """`mistakes(yaml, environ)`: key → problem; the text must not load."""

    def run(text: str, environ: Mapping[str, str] | None = None) -> dict[str, Problem]:
        with pytest.raises(SettingsError) as caught:
            load_text(text, environ)
        return {problem.key: problem for problem in caught.value.problems}

    return run
