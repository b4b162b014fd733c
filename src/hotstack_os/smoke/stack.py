"""The one Heat stack of the scenario."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from importlib import resources
from typing import Any

from hotstack_os.content.api import Api
from hotstack_os.errors import HotstackError
from hotstack_os.exec.wait import until

NAME = "hotstack-os-smoke"
API = "orchestration"
CREATE_SECONDS, DELETE_SECONDS = 300, 180
STEP = 0.5
_IN_PROGRESS, _COMPLETE = "IN_PROGRESS", "COMPLETE"


class Stack:
    """The stack in the project that `api` is about: there or not, whoever made it."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def create(self, parameters: Mapping[str, str]) -> None:
        """Make it and wait until all of it is there; a failure of any part ends the wait with that part's reason.

        The request is sent from a thread: who is interrupted here leaves only when Heat has answered, and so never
        removes what is only just about to be made.
        """
        template = resources.files("hotstack_os.smoke").joinpath("template.yaml").read_text()
        minutes = CREATE_SECONDS // 60
        body = {"stack_name": NAME, "template": template, "parameters": parameters, "disable_rollback": True}
        with ThreadPoolExecutor(1) as pool:
            pool.submit(self._api.send, "POST", API, "/stacks", body | {"timeout_mins": minutes}).result()
        until(self.complete, f"the stack {NAME}", seconds=CREATE_SECONDS, step=STEP, last=self._unfinished)

    def complete(self) -> bool:
        """Whether all of it is there; raises where something failed, or where there is no stack."""
        found = self._found()
        if not found:
            raise HotstackError(f"a stack {NAME}", "none", "Make one that stays: hotstack-os smoke --keep.")
        status = str(found[0]["stack_status"])
        if not status.endswith((_IN_PROGRESS, _COMPLETE)):
            raise HotstackError(f"the stack {NAME} to be made", f"{status}: {found[0]['stack_status_reason']}")
        return status == f"CREATE_{_COMPLETE}"

    def outputs(self) -> dict[str, Any]:
        """The values of its outputs by name."""
        shown = self._api.get(API, self._path(self._found()[0]))["stack"]
        return {each["output_key"]: each["output_value"] for each in shown["outputs"]}

    def remove(self) -> bool:
        """Delete every stack of this name and wait until it is gone; whether there was one."""
        found = self._found()
        for each in found:
            self._api.send("DELETE", API, self._path(each))
        until(self._gone, f"no stack {NAME}", seconds=DELETE_SECONDS, step=STEP, last=self._unfinished)
        return bool(found)

    def _gone(self) -> bool:
        found = self._found()
        failed = [each for each in found if each["stack_status"] == "DELETE_FAILED"]
        if failed:
            raise HotstackError(f"the stack {NAME} to be deleted", str(failed[0]["stack_status_reason"]))
        return not found

    def _found(self) -> list[dict[str, Any]]:
        stacks: list[dict[str, Any]] = self._api.get(API, f"/stacks?name={NAME}")["stacks"]
        return stacks

    def _path(self, found: Mapping[str, Any]) -> str:
        return f"/stacks/{NAME}/{found['id']}"

    def _unfinished(self) -> str:
        """Which of its parts are not what they are to be."""
        for each in self._found():
            listed = self._api.get(API, f"{self._path(each)}/resources")["resources"]
            open_ones = [part for part in listed if part["resource_status"].endswith(_IN_PROGRESS)]
            return ", ".join(f"{part['resource_name']} {part['resource_status']}" for part in open_ones)
        return "no stack"
