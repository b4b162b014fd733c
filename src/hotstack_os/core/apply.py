"""Carry out a plan: each action as soon as those before it are done, several at a time, intentions journalled first."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, replace

from hotstack_os.core.diff import Desired, decide, decide_unwanted, diff, resolved
from hotstack_os.core.handler import World
from hotstack_os.core.journal import Journal, JournalUnwritable
from hotstack_os.core.loss import mark, marked, require_named
from hotstack_os.core.model import Observation, Owned, Ref, Resource, Unknown
from hotstack_os.core.plan import Action, Conflict, Named, Plan
from hotstack_os.errors import HotstackError
from hotstack_os.exec.patience import stretched

WORKERS = 32
"""Most actions wait for other processes; systemctl start waits for readiness."""
_NAMED = 5
"""So many things that failed in the same way are named."""
PATIENCE = 120.0
"""Seconds, since anything else began or was done, for what can still not be observed though all that it needs is there:
a service that has lost another one takes a while to find it again, and those that start at the same time answer errors
meanwhile (seen: three minutes of Cinder's 500 and of Glance's silence, on two processors with a load of 15)."""


@dataclass(frozen=True)
class Step:
    """An action that began or ended, for whoever shows progress. `seconds` at its end, `error` where it failed."""

    action: Action
    event: str
    seconds: float = 0.0
    error: Exception | None = None


class PlanInConflict(HotstackError):
    """Something foreign bears our name; nothing was touched."""

    def __init__(self, conflicts: tuple[Conflict, ...]) -> None:
        found = "; ".join(f"{each.ref} is there, not ours: {', '.join(each.reasons)}" for each in conflicts)
        super().__init__(
            "names that are free or ours", found, "Remove or rename these, or choose other names in the settings."
        )


class ApplyFailed(HotstackError):
    """Some actions failed; what did not need them was done all the same, and the next run goes on from there."""

    def __init__(self, failures: Mapping[Ref, Exception], skipped: int) -> None:
        alike: dict[str, list[str]] = {}
        for ref, error in sorted(failures.items()):
            alike.setdefault(first_line(error), []).append(str(ref))
        said = [f"{_some(refs)}: {what}" for what, refs in alike.items()]
        if skipped:
            said.append(f"({skipped} actions that need these were not tried)")
        count = f"that {len(failures)} of its actions failed" if len(failures) > 1 else "that one of its actions failed"
        found = "\n  ".join((f"{count}:", *said))
        super().__init__("the plan to be carried out", found, "Mend the cause and run the command again.")
        self.failures = dict(failures)


def first_line(error: Exception) -> str:
    """What failed, in a line: the rest was said when it did."""
    text = f"wanted {error.wanted}; found {error.found}" if isinstance(error, HotstackError) else str(error)
    return text.strip().splitlines()[0].rstrip(":") if text.strip() else type(error).__name__


def _some(names: list[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")


class NotConverged(HotstackError):
    """Every action succeeded, and yet the world is not as wanted."""

    def __init__(self, plan: Plan) -> None:
        super().__init__(
            "nothing left to do after applying the plan",
            "\n".join(plan.lines()),
            "Run it again; report it if it stays.",
        )


def make_plan(desired: Desired, world: World, journal: Journal, keep: Collection[Ref] = ()) -> Plan:
    """Observe all that is wanted or ours, and compare.

    What is in `keep` is neither wanted nor unwanted: nobody looks at it, it stays as it is and stays ours.
    """
    ledger = journal.ledger
    old = [Resource(ref) for ref in ledger if ref not in desired and ref not in keep]
    found = diff(desired, world.observe([*desired.values(), *old]), ledger, keep)
    return marked(found, world.loss, ledger)


def converge(
    desired: Desired,
    plan: Plan,
    world: World,
    journal: Journal,
    progress: Callable[[Step], None] = lambda _: None,
    keep: Collection[Ref] = (),
    named: Named = frozenset(),
) -> None:
    """Apply `plan`, then look again: what is left to do then is an error. `keep` as for `make_plan`."""
    apply(plan, world, journal, progress, named)
    journal.note(resolved(desired, journal.ledger))
    left = make_plan(desired, world, journal, keep)
    if left:
        raise NotConverged(left)


def recall(desired: Desired, journal: Journal) -> None:
    """Before all of it goes: tell the journal of the needs that undo is to follow, as far as it lacks them.

    Earlier revisions wrote down only those that a thing has itself, which end at what was never ours.
    """
    ledger = journal.ledger
    known = (each for each in resolved(desired, ledger) if each.ref in ledger)
    journal.note(replace(each, needs=each.needs | ledger[each.ref].needs) for each in known)


def apply(
    plan: Plan,
    world: World,
    journal: Journal,
    progress: Callable[[Step], None] = lambda _: None,
    named: Named = frozenset(),
) -> None:
    """Carry out all actions of a plan without conflicts; see `ApplyFailed` for what a failure means.

    What would be destroyed has to be in `named`: `UnnamedLoss` before anything is done, or, where that comes out only
    when it can be observed, before that one thing is touched.
    """
    if plan.conflicts:
        raise PlanInConflict(plan.conflicts)
    require_named(marked(plan, world.loss, journal.ledger).actions, named)
    journal.compact()
    run = _Run(world, journal, progress, named)
    waiting = dict(plan.by_ref)
    failures: dict[Ref, Exception] = {}
    running: dict[Future[None], Ref] = {}
    with ThreadPoolExecutor(WORKERS, thread_name_prefix="apply") as pool:
        try:
            while True:
                # What cannot be written down must not be done; what runs already may end.
                mute = any(isinstance(error, JournalUnwritable) for error in failures.values())
                for ref in [ref for ref in waiting if not mute and _ready(waiting[ref], waiting, running, failures)]:
                    running[pool.submit(run.carry_out, waiting.pop(ref))] = ref
                if not running:
                    break
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    ref = running.pop(future)
                    if error := _failure(future):
                        failures[ref] = error
        except BaseException:
            run.stop()
            raise
    if failures:
        raise ApplyFailed(failures, len(waiting))


def _failure(future: Future[None]) -> Exception | None:
    """What an action failed with, if it did; what is to end the whole run, such as an interrupt, is raised."""
    error = future.exception()
    if error is None or isinstance(error, Exception):
        return error
    raise error


def _ready(
    action: Action,
    waiting: Mapping[Ref, Action],
    running: Mapping[Future[None], Ref],
    failures: Mapping[Ref, Exception],
) -> bool:
    busy = set(running.values())
    return not any(ref in waiting or ref in busy or ref in failures for ref in action.after)


class _Run:
    def __init__(self, world: World, journal: Journal, progress: Callable[[Step], None], named: Named) -> None:
        self._named = named
        self._world = world
        self._journal = journal
        self._progress = progress
        self._stopped = threading.Event()
        self._moved = time.monotonic()

    def stop(self) -> None:
        """Let no further action begin."""
        self._stopped.set()

    def carry_out(self, action: Action) -> None:
        if self._stopped.is_set():
            return
        started = self._moved = time.monotonic()
        self._progress(Step(action, "begin"))
        try:
            self._now(action)
        except Exception as error:
            self._progress(Step(action, "failed", time.monotonic() - started, error))
            raise
        self._moved = time.monotonic()
        self._progress(Step(action, "done", self._moved - started))

    def _now(self, action: Action) -> None:
        concrete = self._decided(action) if action.verb == "decide" else action
        if concrete is None:
            return
        self._journal.begin(concrete)
        if concrete.verb != "forget":
            try:
                self._world.handler(concrete.ref).apply(concrete)
            except Exception as error:
                # A full disk may be why it failed. Without this line nothing else follows from the journal.
                with suppress(JournalUnwritable):
                    self._journal.failed(concrete, type(error).__name__)
                raise
        self._journal.done(concrete)

    def _decided(self, action: Action) -> Action | None:
        """Observe now what could not be observed when the plan was made."""
        ledger = self._journal.ledger
        observation = self._observed(action)
        choice = (
            decide(action.resource, observation, ledger)
            if action.wanted
            else decide_unwanted(ledger.get(action.ref, Owned(action.ref)), observation)
        )
        if isinstance(choice, Conflict):
            raise PlanInConflict((choice,))
        if choice is not None and choice.verb == "decide":
            raise HotstackError(f"to observe {action.ref}", choice.reasons[0])
        if choice is not None:
            require_named([mark(choice, self._world.loss, ledger)], self._named)
        return choice

    def _observed(self, action: Action) -> Observation:
        """What is seen in the end: as long as anything else begins or is done, what hides it may come up yet."""
        while True:
            seen = self._world.observe([action.resource])[action.ref]
            late = time.monotonic() >= self._moved + stretched(PATIENCE)
            if not isinstance(seen, Unknown) or late or self._stopped.wait(1.0):
                return seen
