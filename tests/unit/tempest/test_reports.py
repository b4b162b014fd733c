"""Reports say what came of each test; what keeps a run from being good is a failure in all of them."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from hotstack_os.tempest import reports
from hotstack_os.tempest.outcomes import Outcome, judge

ONE, TWO, THREE, FOUR = (f"tempest.api.x.T.test_{name}" for name in ("one", "two", "three", "four"))
VERDICT = judge(
    [ONE, TWO, THREE],
    [
        Outcome(ONE, "passed", 1.5),
        Outcome(TWO, "failed", 2.0, "Traceback\nBroken: <b>&\x1b", "a log"),
        Outcome(FOUR, "skipped", why="no swift"),
    ],
)


def test_junit_counts_and_names_them() -> None:
    suite = ElementTree.fromstring(reports.junit("cloud", VERDICT, 0.0, 3.5))  # noqa: S314 (our own)
    assert {name: suite.get(name) for name in ("tests", "failures", "skipped")} == {
        "tests": "4",
        "failures": "2",
        "skipped": "1",
    }
    cases = {case.get("name"): case for case in suite}
    assert cases["test_one"].get("classname") == "tempest.api.x.T"
    assert len(cases["test_one"]) == 0
    failure = cases["test_two"].find("failure")
    assert failure is not None
    assert failure.get("message") == "failed: Broken: <b>&"
    assert cases["test_three"].find("failure") is not None
    assert cases["test_four"].find("skipped") is not None


def test_the_page_shows_them_and_nothing_in_them_is_markup() -> None:
    text = reports.page("cloud", VERDICT, 0.0, 3.5)
    assert all(word in text for word in (TWO, THREE, "test_one", "a log", "Broken: &lt;b&gt;&amp;", "no swift"))


def test_the_summary_counts() -> None:
    said = reports.summary(VERDICT, 3.5)
    assert said.startswith("Tempest: 1 passed, 1 failed, 1 skipped, 1 missing in ")
    assert "2 that had to pass did not" in said


def test_json_has_everything() -> None:
    said = reports.as_json(VERDICT, 3.5, {"html": "x"})
    assert said["good"] is False
    assert [each["status"] for each in said["required"]] == ["passed", "failed", "missing"]
    assert said["others"] == [{"test": FOUR, "status": "skipped", "seconds": 0.0, "why": "no swift"}]


def test_reports_are_their_owners(tmp_path: Path) -> None:
    written = reports.write(tmp_path, "cloud", VERDICT, 0.0, 3.5)
    assert {Path(path).stat().st_mode & 0o777 for path in written.values()} == {0o600}
    assert Path(written["junit"]).read_text() == reports.junit("cloud", VERDICT, 0.0, 3.5)
