"""A headless Chromium in a cloud's network, spoken to in the DevTools protocol over a pair of pipes.

Messages are JSON, each ended by a zero byte (https://chromedevtools.github.io/devtools-protocol/).
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any

from hotstack_os.exec.wait import until

OPTIONS = (
    "--headless=new",
    "--no-sandbox",  # as root, and already in a network of its own
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--no-proxy-server",
    "--window-size=1100,900",
    "--remote-debugging-pipe",
)
KEYS = {" ": ("Space", 32), "\n": ("Enter", 13), "/": ("Slash", 191), "-": ("Minus", 189), ".": ("Period", 190)}
"""Characters that are neither letters nor digits: `code` and Windows' number of their key, on an American keyboard."""


class Page:
    """One page of the browser."""

    def __init__(self, to: IO[bytes], answers: IO[bytes]) -> None:
        self._to, self._answers = to, answers
        self._number = 0
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]

    def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """The result of a command; events that come before it are dropped."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if hasattr(self, "_session"):
            message["sessionId"] = self._session
        self._to.write(json.dumps(message).encode() + b"\0")
        self._to.flush()
        while True:
            answer = json.loads(self._read())
            if answer.get("id") == self._number:
                assert "error" not in answer, f"{method}: {answer}"
                return dict(answer["result"])

    def _read(self) -> bytes:
        collected = bytearray()
        while (byte := self._answers.read(1)) != b"\0":
            assert byte, "the browser has ended"
            collected += byte
        return bytes(collected)

    def open(self, url: str) -> None:
        self._call("Page.navigate", url=url)

    def evaluate(self, script: str) -> Any:
        """The value of an expression; a promise is waited for."""
        said = self._call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in said, said
        return said["result"].get("value")

    def type(self, text: str) -> None:
        """Press the keys for a text of lower-case letters, digits and the characters of `KEYS`, one after the other."""
        for character in text:
            code, number = KEYS.get(character, ("", 0))
            if character.isdigit():
                code, number = f"Digit{character}", ord(character)
            elif character.isalpha():
                code, number = f"Key{character.upper()}", ord(character.upper())
            assert code, f"no key for {character!r}"
            key = "Enter" if character == "\n" else character
            for event in ("keyDown", "keyUp"):
                self._call("Input.dispatchKeyEvent", type=event, key=key, code=code, windowsVirtualKeyCode=number)

    def picture(self) -> bytes:
        """What the page looks like, as PNG."""
        return base64.b64decode(self._call("Page.captureScreenshot", format="png")["data"])


def installed() -> Path:
    """Debian's Chromium; it is installed where it is missing."""
    if not shutil.which("chromium"):
        install = ["apt-get", "install", "--yes", "--quiet", "--no-install-recommends", "chromium"]
        subprocess.run(install, check=True, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"})
    found = shutil.which("chromium")
    assert found
    return Path(found)


@contextmanager
def page(door: Sequence[str]) -> Iterator[Page]:
    """A page of a browser that runs behind `door`, a command that runs the command it is given."""
    orders, to = os.pipe()
    answers, said = os.pipe()
    # Chromium reads from descriptor 3 and writes to 4.
    move = ("bash", "-c", f'exec "$@" 3<&{orders} 4>&{said}', "bash")
    with TemporaryDirectory() as profile, os.fdopen(to, "wb") as writer, os.fdopen(answers, "rb") as reader:
        argv = [*move, *door, str(installed()), *OPTIONS, f"--user-data-dir={profile}", "about:blank"]
        process = subprocess.Popen(
            argv,
            pass_fds=(orders, said),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        os.close(orders)
        os.close(said)
        try:
            yield Page(writer, reader)
        finally:
            process.terminate()
            process.wait(30)
            # Its helpers outlive it for a moment, and write to the profile that is about to be removed.
            until(lambda: not end_group(process.pid), "the browser's helpers to end", seconds=30, step=0.1)


def end_group(number: int) -> bool:
    """Kill the processes of a group; whether there were any."""
    try:
        os.killpg(number, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def eventually(where: Page, script: str, wanted: str, seconds: float = 30) -> Any:
    """The value of an expression, once it is true."""
    return until(lambda: where.evaluate(script) or None, wanted, seconds=seconds, step=0.5)
