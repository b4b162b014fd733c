"""Lingering: logind that is kept waiting by systemd is asked again, and what it refuses is said at once."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hotstack_os.core.plan import Action
from hotstack_os.exec import Command, CommandFailed, Result
from hotstack_os.host.users import UserHandler, user

LATE = "Could not enable linger: Connection timed out"


class Logind:
    """A `Host` on which everything succeeds but what loginctl is asked."""

    def __init__(self, *said: str) -> None:
        self._said = list(said)
        self.asked: list[tuple[str, ...]] = []

    def run(self, command: Command) -> Result:
        why = ""
        if command.argv[0] == "loginctl":
            self.asked.append(command.argv)
            why = self._said.pop(0) if self._said else ""
        return Result(command, 1 if why else 0, "64220\n", why, 0.0).check()


def make(host: Logind) -> None:
    made = user("hotstack", "n", uid=64220, home="/var/lib/hotstack", groups=("kvm",))
    UserHandler(host).apply(Action("create", made, None, ()))  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    pause: Callable[[float], None] = lambda _: None  # noqa: E731
    monkeypatch.setattr("time.sleep", pause)


def test_logind_is_asked_again_while_systemd_keeps_it_waiting() -> None:
    host = Logind(LATE, "Failed to activate service 'org.freedesktop.login1': timed out (25000ms)")
    make(host)
    assert host.asked == [("loginctl", "enable-linger", "hotstack")] * 3


def test_what_logind_refuses_is_said_at_once() -> None:
    host = Logind("Could not enable linger: Access denied")
    with pytest.raises(CommandFailed, match="Access denied"):
        make(host)
    assert len(host.asked) == 1
