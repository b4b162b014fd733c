"""When a run of Tempest is good: every required test ran and passed, and nothing else failed."""

from __future__ import annotations

import pytest

from hotstack_os.tempest.outcomes import Outcome, Status, judge, outcome, plain

ONE, TWO = "tempest.api.x.T.test_one", "tempest.api.x.T.test_two"


def passed(test: str) -> Outcome:
    return Outcome(test, "passed", 1.0)


def test_all_passed_is_good() -> None:
    verdict = judge([ONE, TWO], [passed(TWO), passed(ONE)])
    assert verdict.good
    assert [each.test for each in verdict.required] == [ONE, TWO]


@pytest.mark.parametrize("status", ["failed", "skipped"])
def test_a_required_test_that_did_not_pass_is_bad(status: Status) -> None:
    verdict = judge([ONE, TWO], [passed(ONE), Outcome(TWO, status, why="because")])
    assert not verdict.good
    assert [(each.test, each.status, each.why) for each in verdict.bad] == [(TWO, status, "because")]


def test_a_required_test_of_which_nothing_was_heard_is_missing() -> None:
    verdict = judge([ONE, TWO], [passed(ONE)])
    assert not verdict.good
    assert [(each.test, each.status) for each in verdict.bad] == [(TWO, "missing")]


@pytest.mark.parametrize(("status", "becomes"), [("skipped", "skipped"), ("failed", "failed")])
def test_a_class_that_does_not_start_takes_its_tests_along(status: Status, becomes: Status) -> None:
    of_class = Outcome("setUpClass (tempest.api.x.T)", status, why="no such feature")
    verdict = judge([ONE, TWO], [of_class])
    assert not verdict.good
    assert [(each.test, each.status) for each in verdict.required] == [(ONE, becomes), (TWO, becomes)]
    assert "no such feature" in verdict.bad[0].why


def test_a_class_that_fails_to_clean_up_is_bad_though_its_tests_passed() -> None:
    verdict = judge([ONE], [passed(ONE), Outcome("tearDownClass (tempest.api.x.T)", "failed", why="left over")])
    assert not verdict.good
    assert [each.test for each in verdict.bad] == ["tearDownClass (tempest.api.x.T)"]


def test_others_may_be_skipped_but_not_fail() -> None:
    assert judge([ONE], [passed(ONE), Outcome(TWO, "skipped")]).good
    assert not judge([ONE], [passed(ONE), Outcome(TWO, "failed")]).good


def test_nothing_is_not_good() -> None:
    assert not judge([], []).good
    assert not judge([], [Outcome(ONE, "skipped")]).good


def test_the_worst_of_several_outcomes_counts() -> None:
    assert not judge([ONE], [Outcome(ONE, "failed"), passed(ONE)]).good
    assert not judge([ONE], [passed(ONE), Outcome(ONE, "skipped")]).good


def said(status: str, **details: str) -> dict[str, object]:
    test = "tempest.api.x.T.test_one[id-1234,smoke]"
    return {"test": test, "status": status, "seconds": 2.5, "worker": "worker-1", "details": details}


def test_a_line_of_the_runner_becomes_an_outcome() -> None:
    assert outcome(said("success")) == Outcome(ONE, "passed", 2.5, worker="worker-1")
    assert outcome(said("skip", reason="no swift")) == Outcome(ONE, "skipped", 2.5, "no swift", worker="worker-1")
    failed = outcome(said("fail", traceback="Traceback: no", **{"pythonlogging:''": "log"}))
    assert failed == Outcome(ONE, "failed", 2.5, "Traceback: no", "log", "worker-1")


@pytest.mark.parametrize("status", ["inprogress", "uxsuccess", "unknown", "new word of subunit"])
def test_what_did_not_end_well_failed(status: str) -> None:
    found = outcome(said(status))
    assert (found.status, found.why) == ("failed", status)


def test_attributes_are_no_part_of_an_id() -> None:
    assert plain(f"{ONE}[id-1,smoke]") == plain(ONE) == ONE
