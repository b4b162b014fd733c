"""A failure is told when it comes, in a line and its last words; all of it is kept."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from hotstack_os.core.apply import Step
from hotstack_os.core.model import Ref, Resource
from hotstack_os.core.plan import Action
from hotstack_os.deploy import cloud as clouds
from hotstack_os.deploy import failures
from hotstack_os.deploy.stages import Stages
from hotstack_os.errors import HotstackError
from hotstack_os.exec import Command, CommandFailed, Result
from hotstack_os.images import builder
from hotstack_os.settings.cloud import Cloud
from hotstack_os.settings.loading import load

LONG = "\n".join(f"line {number}" for number in range(100))
FAILED = CommandFailed(Result(Command(("/usr/bin/buildah", "y" * 3000), "build the image nova"), 1, LONG, "", 1.0))


class Heard:
    """A reporter that remembers."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.failed: list[str] = []

    def begin(self, stage: str) -> None:
        self.said.append(stage)

    def end(self, stage: str, seconds: float, *, failed: bool) -> None:
        self.said.append(f"{stage} {seconds} {failed}")

    def say(self, line: str) -> None:
        self.said.append(line)

    def fail(self, text: str) -> None:
        self.failed.append(text)


def cloud(tmp_path: Path) -> Cloud:
    places = {"HOTSTACK_STATE_DIR": str(tmp_path / "clouds"), "HOTSTACK_CACHE_DIR": str(tmp_path / "cache")}
    made = load(None, places, {})
    made.state.mkdir(parents=True)
    return made


def test_what_can_be_done_is_told_with_what_failed(tmp_path: Path) -> None:
    """An action's own way out stands nowhere else: the end of `up` names it with a line."""
    heard = Heard()
    error = HotstackError("the schema of heat to be migrated", "a table in its way", "Load what was kept: zcat dump")
    failures.tell(heard, tmp_path, "update schema/heat", error)
    (told,) = heard.failed
    assert told.splitlines()[-1].strip() == "→ Load what was kept: zcat dump"


def test_a_failed_action_is_told_at_once_and_kept_whole(tmp_path: Path) -> None:
    heard, lab = Heard(), cloud(tmp_path)
    show = clouds._shown(lab, Stages(heard))
    action = Action("create", Resource(Ref("service", "nova-api", "lab")), None, ())
    show(Step(action, "begin"))
    show(Step(action, "failed", 3.0, FAILED))
    show(Step(replace(action, verb="update"), "done", 4.0))
    (told,) = heard.failed
    lines = told.splitlines()
    assert lines[0] == (
        "create lab:service/nova-api failed: wanted to build the image nova; found buildah ended with status 1:"
    )
    assert lines[1:] == [f"    line {number}" for number in range(90, 100)]
    assert heard.said == ["update lab:service/nova-api (4.0 s)"]
    kept = (lab.state / failures.FILE).read_text()
    assert "y" * 3000 in kept
    assert "line 0\n" in kept
    assert (lab.state / failures.FILE).stat().st_mode & 0o777 == 0o600


def test_what_cannot_be_kept_is_told_all_the_same(tmp_path: Path) -> None:
    heard = Heard()
    failures.tell(heard, tmp_path / "nowhere", "image nova", OSError("no room"))
    assert heard.failed == ["image nova failed: no room"]


def test_a_failed_image_is_told_before_others_have_ended(tmp_path: Path) -> None:
    heard, lab, events = Heard(), cloud(tmp_path), list[builder.Event]()

    class Assembler:
        def makers(self, _: object) -> list[object]:
            return []

        def build(self, recipe: object) -> None:
            if recipe is slow.recipe:
                while not any(event.kind == "failed" for event in events):
                    pass  # as long as it takes the other one to fail
            else:
                raise FAILED

    def state(name: str) -> builder.ImageState:
        image = type("Image", (), {"name": name, "parent": ""})()
        return builder.ImageState(type("Recipe", (), {"image": image})(), ("missing",))

    slow, broken = state("slow"), state("broken")
    schedule = builder._Schedule(Assembler(), [slow, broken], events.append)  # type: ignore[arg-type]
    with pytest.raises(CommandFailed) as raised:
        schedule.run()
    assert raised.value is FAILED
    assert [event.error for event in events if event.kind == "failed"] == [FAILED]
    assert events[-1].kind == "finished"
    for event in events:
        if event.error:
            failures.tell(heard, lab.state, f"image {event.image}", event.error)
    assert heard.failed[0].startswith("image broken failed: wanted to build the image nova; found buildah ended with")
    assert sys.getsizeof(heard.failed[0]) < 1000
