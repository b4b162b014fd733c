"""Effective settings: every value says where it comes from, and what is shown is what would be loaded."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from hotstack_os.settings.effective import annotated, leaves, origins
from hotstack_os.settings.loading import load
from hotstack_os.settings.problems import dotted
from hotstack_os.settings.takes import Takes
from hotstack_os.settings.text import as_settings

TEXT = """\
name: lab
region:
networks:
  mtu: 9000
services:
  keystone:
    config:
      token:
        expiration: "7200"
        odd.name: "yes"
"""
ENVIRON = {"REGION_NAME": "East"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "s.yaml"
    path.write_text(TEXT)
    return path


def test_every_value_says_where_it_comes_from(file: Path) -> None:
    cloud = load(file, ENVIRON, {"keystone": Takes()})
    where = origins(cloud, file, ENVIRON)
    assert where.keys() == {dotted(route) for route, _ in leaves(as_settings(cloud))}
    assert where["name"] == f"{file}:1"
    assert where["region"] == "REGION_NAME"
    assert where["networks.mtu"] == f"{file}:4"
    assert where["services.keystone.config.token.expiration"] == f"{file}:9"
    assert where["networks.gateway"] == where["ports.keystone"] == where["target"] == "default"


def test_a_key_without_a_value_is_a_default(file: Path) -> None:
    assert origins(load(file, {}, {"keystone": Takes()}), file, {})["region"] == "default"


def test_no_file(tmp_path: Path) -> None:
    assert set(origins(load(None, {}, {}), None, {}).values()) == {"default"}


def test_what_is_shown_is_what_would_be_loaded(file: Path, tmp_path: Path) -> None:
    cloud = load(file, ENVIRON, {"keystone": Takes()})
    shown = annotated(cloud, origins(cloud, file, ENVIRON))
    assert yaml.safe_load(shown) == as_settings(cloud)
    again = tmp_path / "again.yaml"
    again.write_text(shown)
    assert load(again, {}, {"keystone": Takes()}) == cloud
    assert "mtu: 9000" in shown
    assert f"# {file}:4" in shown
