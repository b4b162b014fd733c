"""Reports of a run: JSON, JUnit XML and HTML. What they hold is pure; `write` puts them in a directory."""

from __future__ import annotations

import time
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from hotstack_os.tempest.outcomes import Outcome, Status, Verdict

JUNIT, PAGE = "junit.xml", "report.html"
_NOT_XML = {code: None for code in range(32) if code not in (9, 10, 13)}
"""Characters that XML 1.0 has no way to write."""


def write(directory: Path, cloud: str, verdict: Verdict, began: float, seconds: float) -> dict[str, str]:
    """Both files, for their owner's eyes only: what tests log may hold tokens. Their paths by kind."""
    texts = {JUNIT: junit(cloud, verdict, began, seconds), PAGE: page(cloud, verdict, began, seconds)}
    for name, text in texts.items():
        path = directory / name
        path.touch(mode=0o600)
        path.write_text(text)
    return {"junit": str(directory / JUNIT), "html": str(directory / PAGE)}


def summary(verdict: Verdict, seconds: float) -> str:
    """One line for people."""
    kinds: tuple[Status, ...] = ("passed", "failed", "skipped", "missing")
    counts = ", ".join(f"{verdict.count(kind)} {kind}" for kind in kinds if kind == "passed" or verdict.count(kind))
    judged = "good" if verdict.good else f"not good: {len(verdict.bad)} that had to pass did not"
    return f"Tempest: {counts} in {seconds:.0f} s; {judged}."


def as_json(verdict: Verdict, seconds: float, written: Mapping[str, str]) -> dict[str, Any]:
    """The stable form: see docs/JSON.md."""
    return {
        "good": verdict.good,
        "seconds": round(seconds, 1),
        "required": [_as_json(each) for each in verdict.required],
        "others": [_as_json(each) for each in verdict.others],
        "reports": dict(written),
    }


def _as_json(each: Outcome) -> dict[str, Any]:
    return {"test": each.test, "status": each.status, "seconds": each.seconds, "why": each.why}


def junit(cloud: str, verdict: Verdict, began: float, seconds: float) -> str:
    """JUnit's XML, as CI systems read it. A required test that was skipped or is missing is a failure there too."""
    bad = set(verdict.bad)
    cases = (*verdict.required, *verdict.others)
    skipped = sum(each.status == "skipped" and each not in bad for each in cases)
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(began))
    head = {"name": f"tempest {cloud}", "timestamp": stamp, "time": f"{seconds:.3f}", "errors": "0"}
    counts = {"tests": str(len(cases)), "failures": str(len(bad)), "skipped": str(skipped)}
    suite = ElementTree.Element("testsuite", {**head, **counts})
    for each in cases:
        group, _, name = each.test.rpartition(".")
        case = ElementTree.SubElement(suite, "testcase", classname=group, name=name, time=f"{each.seconds:.3f}")
        if each in bad:
            failure = ElementTree.SubElement(case, "failure", message=_clean(_title(each)))
            failure.text = _clean(each.why)
            ElementTree.SubElement(case, "system-out").text = _clean(each.log)
        elif each.status == "skipped":
            ElementTree.SubElement(case, "skipped", message=_clean(each.why))
    ElementTree.indent(suite)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(suite, encoding="unicode") + "\n"


def page(cloud: str, verdict: Verdict, began: float, seconds: float) -> str:
    """The report for people: one HTML file that needs no other."""
    import jinja2  # noqa: PLC0415 (takes longer to import than listing needs)

    text = resources.files("hotstack_os.tempest").joinpath("files/report.html.j2").read_text()
    template = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined).from_string(text)
    bad = set(verdict.bad)
    groups: dict[str, list[Outcome]] = {}
    for each in (*verdict.required, *verdict.others):
        if each not in bad:
            groups.setdefault(each.test.rpartition(".")[0], []).append(each)
    stamp = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(began))
    said = {"cloud": cloud, "summary": summary(verdict, seconds), "stamp": stamp, "good": verdict.good}
    return template.render(**said, bad=verdict.bad, groups=dict(sorted(groups.items())))


def _title(each: Outcome) -> str:
    lines = each.why.strip().splitlines()
    return f"{each.status}: {lines[-1]}" if lines else each.status


def _clean(text: str) -> str:
    return text.translate(_NOT_XML)
