"""Runs stestr in a directory and says what comes of each test, as a line of JSON; runs in Tempest's own environment.

usage: stream.py list REGEX...           {"test": ID} for each test that is there
       stream.py run LOAD_LIST WORKERS   {"test", "status", "seconds", "worker", "details"} for each as it ends

`details` maps the names of what the test attached (traceback, reason, pythonlogging) to their texts. The exit status is
0 when stestr ran, whatever came of the tests, else stestr's.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import subunit  # type: ignore[import-not-found]
import testtools  # type: ignore[import-not-found]

STESTR = os.path.join(os.path.dirname(sys.executable), "stestr")


def say(message: dict[str, Any]) -> None:
    """One line of standard output, at once."""
    print(json.dumps(message), flush=True)


def texts(details: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """What is attached to a test and is text."""
    for name, content in details.items():
        if content.content_type.type == "text":
            yield name, content.as_text()


def ended(case: dict[str, Any]) -> None:
    """A test has ended, or stopped saying anything; that it exists is said of all before they run."""
    if case["status"] == "exists":
        return
    began, done = case["timestamps"]
    workers = [tag for tag in case["tags"] if tag.startswith("worker-")]
    say(
        {
            "test": case["id"],
            "status": case["status"],
            "seconds": round((done - began).total_seconds(), 3) if began and done else 0.0,
            "worker": workers[0] if workers else "",
            "details": dict(texts(case["details"])),
        }
    )


def run(load_list: str, workers: str) -> int:
    """Run the tests of a file."""
    argv = [STESTR, "run", "--subunit", "--load-list", load_list, "--concurrency", workers]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as process:
        result = testtools.StreamToDict(ended)
        result.startTestRun()
        subunit.ByteStreamToStreamResult(process.stdout, non_subunit_name="stdout").run(result)
        result.stopTestRun()
    # 1 also says that tests failed, which their lines do better.
    return 0 if process.returncode == 1 else process.returncode


def listed(patterns: list[str]) -> int:
    """Say which tests there are."""
    done = subprocess.run([STESTR, "list", *patterns], stdout=subprocess.PIPE, text=True, check=False)
    for line in done.stdout.splitlines():
        if line.startswith("tempest."):
            say({"test": line})
        elif line:
            print(line, file=sys.stderr)
    return done.returncode


if __name__ == "__main__":
    verb, *words = sys.argv[1:]
    if not os.path.isdir(".stestr"):
        subprocess.run([STESTR, "init"], check=True)
    sys.exit(run(*words) if verb == "run" else listed(words))
