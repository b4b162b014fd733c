"""OpenStack's own tests, by the verb: a selection for CI that covers each service (`make tempest` runs all)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from hotstack_os.tempest import lists
from system.conftest import CloudUnderTest

pytestmark = pytest.mark.long
SECONDS = 1800
NOT_THERE = "tempest.api.identity.v3.test_tokens.TokensV3Test.test_that_is_not_there"


@pytest.fixture(scope="module")
def said(cloud: CloudUnderTest) -> Any:
    done = cloud.run("tempest", "--list", "ci", "--json", timeout=SECONDS, accept=(0, 1))
    return {**json.loads(done.stdout), "status": done.returncode, "talk": done.stderr}


def test_everything_that_has_to_pass_ran_and_passed(said: Any) -> None:
    bad = {each["test"]: each["why"][-500:] for each in said["required"] if each["status"] != "passed"}
    bad |= {each["test"]: each["why"][-500:] for each in said["others"] if each["status"] == "failed"}
    assert not bad
    assert said["status"] == 0
    assert [each["test"] for each in said["required"]] == list(lists.bundled("ci"))


def test_reports_are_written(said: Any) -> None:
    suite = ElementTree.parse(said["reports"]["junit"]).getroot()  # noqa: S314 (our own)
    assert suite.get("tests") == str(len(said["required"]) + len(said["others"]))
    assert lists.bundled("ci")[0].rpartition(".")[0] in Path(said["reports"]["html"]).read_text()


def test_a_test_that_is_not_there_fails_the_run(cloud: CloudUnderTest) -> None:
    listed = cloud.settings.with_name("tempest.list")
    listed.write_text(f"tempest.api.identity.v3.test_tokens.TokensV3Test.test_create_token\n{NOT_THERE}\n")
    done = cloud.run("tempest", "--list", str(listed), accept=(1,), timeout=SECONDS)
    assert f"missing: {NOT_THERE}" in done.stderr
    assert "1 passed, 1 missing" in done.stdout


def test_nothing_of_it_stays_in_the_cloud(cloud: CloudUnderTest) -> None:
    assert not [each for each in cloud.openstack("flavor", "list", "--all") if "tempest" in each["Name"]]
    assert not [each for each in cloud.openstack("image", "list") if "tempest" in each["Name"]]
    assert not [each for each in cloud.openstack("project", "list") if "tempest" in each["Name"]]
