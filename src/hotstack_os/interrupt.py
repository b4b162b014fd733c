"""Ctrl-C, and whoever ends us politely: waits end at once, and the program within two seconds, without a traceback.

The first signal raises KeyboardInterrupt in the main thread; `check` raises it in all others that wait. What is not
done with it then is cut off: nothing that this program does needs a last word to stay consistent, since it may be
killed at any moment. A second signal does not wait for that.

Imports little: these are the program's first lines, and an interrupt before they were carried out would be a traceback.
"""

from __future__ import annotations

import _thread
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import NoReturn

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
GRACE = 1.5
"""Seconds from the signal to the end of a program that does not end by itself."""
_SOON = 0.01
_IMPORTS = "<frozen importlib._bootstrap>"


class _Heard:
    """What is known of signals. Plain values: a handler may find any lock held by the thread that it interrupts."""

    number = 0
    late = False
    told = False
    over: int | None = None
    main = _thread.get_ident()
    shields = 0
    ends: list[Callable[[], None]] = []  # noqa: RUF012 (there is one, as there is one program)


def listen() -> None:
    """Hear signals from now on; those that our starter wants ignored, as nohup(1) does, stay so."""
    _Heard.main = _thread.get_ident()
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _hear)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)


def check() -> None:
    """KeyboardInterrupt where the program shall end."""
    if _Heard.number:
        raise KeyboardInterrupt


@contextmanager
def shielded() -> Iterator[None]:
    """A block that is not interrupted; the next wait after it is. For what takes milliseconds and must be whole."""
    check()
    ours = _thread.get_ident() == _Heard.main
    _Heard.shields += ours
    try:
        yield
    finally:
        _Heard.shields -= ours


def at_end(end: Callable[[], None]) -> None:
    """Have `end` called, in any thread, before the program is cut off."""
    _Heard.ends.append(end)


def last_word() -> int:
    """Say that the program ends, once; the exit status as shells know it."""
    if not _Heard.told:
        _Heard.told = True
        _say(f"hotstack-os: {_what()}; run the same command again to go on\n")
    return 128 + (_Heard.number or signal.SIGINT)


def over(status: int) -> None:
    """All is done but Python's own end, which whoever is impatient may cut short."""
    _Heard.over = status


@contextmanager
def cleaning(what: str) -> Iterator[None]:
    """After an interruption, do something that takes its time all the same; the next one ends it. Says so."""
    if _Heard.number:
        _say(f"hotstack-os: {_what()}; {what} (once more: leave it)\n")
        _Heard.number = 0
    yield


def _what() -> str:
    return "interrupted" if _Heard.number in (0, signal.SIGINT) else f"ended by {signal.Signals(_Heard.number).name}"


def _hear(number: int, frame: FrameType | None) -> None:
    late, _Heard.late = _Heard.late, False
    if not late:
        if _Heard.number or _Heard.over is not None:
            _end()
        _Heard.number = number
        _thread.start_new_thread(_end_soon, (number,))  # threading's threads take locks as they begin
    if _Heard.shields:
        return
    if _imports(frame):
        _Heard.late = True
        _thread.start_new_thread(_ask_again, (number,))
        return
    raise KeyboardInterrupt


def _imports(frame: FrameType | None) -> bool:
    """Whether a module is being loaded: one written in C or Rust makes another error of an interrupt, or a crash."""
    while frame and frame.f_code.co_filename != _IMPORTS:
        frame = frame.f_back
    return frame is not None


def _ask_again(number: int) -> None:
    time.sleep(_SOON)
    _thread.interrupt_main(signal.Signals(number))


def _end_soon(number: int) -> None:
    time.sleep(GRACE)
    if _Heard.number == number:  # else somebody is `cleaning`
        _end()


def _end() -> NoReturn:
    for end in _Heard.ends:
        with suppress(Exception):
            end()
    os._exit(last_word() if _Heard.over is None else _Heard.over)


def _say(text: str) -> None:
    """Not through sys.stderr, whose lock the interrupted thread may hold; and there may be nobody to read it."""
    with suppress(OSError):
        os.write(2, text.encode())
