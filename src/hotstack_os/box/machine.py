"""A box's life: create, boot, stop, remove. Each may be killed at any moment and called again."""

from __future__ import annotations

import math
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from hotstack_os.box import cgroups, enter, furnish, launch, observe, podman
from hotstack_os.box.paths import IMAGE_STORE, Home
from hotstack_os.box.plan import rootfs_of
from hotstack_os.box.spec import BoxSpec, BoxState
from hotstack_os.errors import HotstackError
from hotstack_os.exec import Command, CommandFailed, CommandTimeout, Host, run_here
from hotstack_os.exec.agent import AgentHost
from hotstack_os.exec.local import search_path
from hotstack_os.exec.locks import lock
from hotstack_os.exec.patience import stretched
from hotstack_os.exec.wait import WaitedTooLong, until
from hotstack_os.whole import Damaged, put

_ANY_STATUS = frozenset(range(256))
_OURS = "hotstack-os-*"
"""Units whose starts end by themselves, the later the longer they go on: while one runs, a box is on its way up."""
_AGAIN_SECONDS = 10.0
"""Between looks for such starts, when the time is up."""
_LOCK_SECONDS = 900.0  # whoever holds it may be copying a root file system


class _Ended(HotstackError):
    """The box went down while we waited for it to come up."""


class Box:
    """One box. All that is known of it is read from its home and the kernel; the object holds nothing but the spec."""

    def __init__(self, spec: BoxSpec) -> None:
        self.spec = spec
        self._home = Home(spec.home)

    def create(self) -> None:
        """Make the box's home, whole or not at all. A box of the same spec is left as it is.

        Raises HotstackError where the box exists with another root file system; other changes are taken over and
        count from the next boot. A description that was lost or damaged is written anew: the box is where its home is.
        """
        self.spec.checked()
        _require_tools()
        with _held(self._home.path.parent):
            _remove_tree(self._home.being_made, self._home.being_removed)
            if self._home.there:
                self._take_over()
                return
            self._make()

    def boot(self, seconds: float = 30, plug: Callable[[], None] = lambda: None, settle: float = math.inf) -> None:
        """Return when the box's systemd is up ("running", or "degraded": some unit failed) and podman configured.

        A running box is waited for, also while it reboots. `plug` is called when the box's network namespace is there
        and its systemd may not be: services that must reach others are waited for after that. After `settle` seconds a
        systemd will do that is "starting" units still: one may wait for what the caller is to mend. Raises
        HotstackError with what the console says where it does not come up in `seconds`, and no service of the cloud is
        being started for the first time either.
        """
        _require_tools()
        self._require_existing()
        started = self._start_unless_running()
        plug()
        try:
            self._wait_until_up(seconds, settle)
        except _Ended:
            if started:
                raise
            self._start_unless_running()  # it was on its way down when we came
            plug()
            self._wait_until_up(seconds, settle)
        self._configure_podman()

    def stop(self, seconds: float = 20) -> None:
        """Power off in order; after `seconds`, by force. Returns when no process of the box is left."""
        if not self._home.path.is_dir():
            return
        with _held(self._home.path):
            self._power_off(seconds)
            cgroups.sweep(self._home)

    def remove(self) -> None:
        """Stop the box and remove its home with all data. Nothing there is fine."""
        if not self._home.path.parent.exists():
            return
        self.stop()
        with _held(self._home.path.parent):
            if self._home.path.exists():
                _remove_tree(self._home.being_removed)
                self._home.path.rename(self._home.being_removed)
                self._end_late_comer(Home(self._home.being_removed))
            _remove_tree(self._home.being_made, self._home.being_removed)

    def state(self) -> BoxState:
        """Read from the kernel; takes about a millisecond."""
        return observe.state(self._home)

    def host(self) -> Host:
        """The box as a node; the caller closes it. It belongs to this boot: after a reboot it is lost, ask again."""
        return AgentHost(self.spec.name, self.enter_prefix())

    def enter_prefix(self) -> tuple[str, ...]:
        """argv in front of another that then runs in all namespaces and the control group of the box."""
        leader = self._running().leader
        assert leader
        payload = cgroups.payload(self._home)
        join = enter.join(payload / cgroups.ENTERED) if payload else ()
        return (*join, *enter.namespaces(leader))

    def enter_argv(self, argv: tuple[str, ...] = ("bash", "-l")) -> tuple[str, ...]:
        """For interactive programs in the box, with the terminal's type."""
        return (*self.enter_prefix(), f"TERM={os.environ.get('TERM', 'dumb')}", *argv)

    @property
    def netns(self) -> Path:
        """The box's network namespace; the same from boot to stop, whatever reboots in between."""
        return Path(f"/proc/{self._running(leader=False).supervisor}/ns/net")

    def netns_argv(self, argv: tuple[str, ...]) -> tuple[str, ...]:
        """A program of this machine with this machine's files in the box's network."""
        return ("nsenter", f"--net={self.netns}", "--", *argv)

    @property
    def _overlay(self) -> bool:
        """Decided at creation: a copied root has no upper layer."""
        return self._home.upper.exists()

    @property
    def _layer(self) -> Path:
        return self._home.upper if self._overlay else self._home.root

    def _make(self) -> None:
        new = Home(self._home.being_made)
        for directory in (new.path, new.upper, new.work, new.root, new.containers, new.data):
            directory.mkdir()
            directory.chmod(0o755)  # whatever the umask: it becomes the box's /
        if not overlay_works(self.spec.rootfs, new):
            new.upper.rmdir()
            copy = ("cp", "-a", "--reflink=auto", "--", f"{self.spec.rootfs}/.", str(new.root))
            run_here(Command(copy, purpose=f"copy the root of box {self.spec.name}", timeout=900))
        furnish.write(new.upper if new.upper.exists() else new.root, furnish.first_files(self.spec))
        put(new.spec, self.spec.to_json())
        new.path.rename(self._home.path)

    def _take_over(self) -> None:
        found = self._described()
        rootfs = found.rootfs if found else self._rootfs_below() or self.spec.rootfs
        if rootfs != self.spec.rootfs:
            raise HotstackError(
                f"box {self.spec.name} with root file system {self.spec.rootfs}",
                f"it was made from {rootfs}",
                "Remove the box first; a root cannot be exchanged below what was changed on it.",
            )
        if found != self.spec:
            put(self._home.spec, self.spec.to_json())

    def _described(self) -> BoxSpec | None:
        """The spec that the box was made by; None where its home has all but that."""
        try:
            return BoxSpec.read(self._home.spec)
        except Damaged as damaged:
            if lost := [path.name for path in (self._home.data, self._home.root) if not path.is_dir()]:
                hint = "Restore it from a backup, or remove what is left (hotstack-os box remove)."
                raise HotstackError(f"a box in {self._home.path}", f"no {', '.join(lost)} in it", hint) from damaged
            return None

    def _rootfs_below(self) -> Path | None:
        """What its last start put below its layer; None where it never started."""
        return rootfs_of(self._home.plan.read_bytes()) if self._home.plan.is_file() else None

    def _start_unless_running(self) -> bool:
        """Whether it had to be started."""
        with _held(self._home.path):
            if self.state().status == "running":
                return False
            cgroups.sweep(self._home)
            layer = self._layer
            furnish.write(layer, furnish.files_at_boot(layer, self.spec.rootfs))
            launch.start(self.spec, overlay=self._overlay)
            return True

    def _wait_until_up(self, seconds: float, settle: float) -> None:
        wanted, began = f"box {self.spec.name} to be up", time.monotonic()
        late = began + stretched(seconds)

        def up() -> bool:
            nonlocal late
            said, now = self._systemd_says(), time.monotonic()
            if said in ("running", "degraded") or (said == "starting" and now > began + stretched(settle)):
                return True
            if now > late:
                if not self._starts_services():
                    found = f"{self.state()}\n{launch.console_tail(self._home)}"
                    raise WaitedTooLong(f"{wanted} within {now - began:.0f} s", found)
                late = now + _AGAIN_SECONDS
            return False

        until(up, wanted, seconds=math.inf, step=0.1)

    def _starts_services(self) -> bool:
        """Whether systemd starts a unit of the cloud for the first time; jobs that wait, do so for one that runs.

        What has failed is started again and again, in which there is no end and no progress.
        """
        jobs = self._asked(("systemctl", "list-jobs", "--no-legend", "--no-pager", _OURS))
        running = [line.split()[1] for line in jobs.splitlines() if line.split()[-1:] == ["running"]]
        ask = ("systemctl", "show", "--property=NRestarts", "--value", *running)
        return bool(running) and "0" in self._asked(ask).split()

    def _systemd_says(self) -> str:
        """As systemctl(1), is-system-running; empty while nobody answers."""
        state = self.state()
        if state.status != "running":
            raise _Ended(f"box {self.spec.name} to boot", f"it ended:\n{launch.console_tail(self._home)}")
        if state.leader is None:
            return ""
        said = self._asked(("systemctl", "is-system-running")).strip()
        if said == "maintenance":
            raise HotstackError(f"box {self.spec.name} to boot", "its systemd is in rescue mode")
        return said

    def _asked(self, argv: tuple[str, ...]) -> str:
        """What a program of the box says; on a busy machine that may be no answer yet, and nothing where it is down."""
        leader = self.state().leader
        if leader is None:
            return ""
        ask = (*enter.namespaces(leader), *argv)
        question = Command(ask, f"ask the systemd of box {self.spec.name}", accept=_ANY_STATUS, timeout=10)
        try:
            return run_here(question).stdout
        except CommandTimeout:
            return ""

    def _configure_podman(self) -> None:
        """Write podman's configuration where it is not as it should be; facts are those of the box's own systemd."""
        process = Path(f"/proc/{self._running().leader}")
        payload = cgroups.payload(self._home)
        controllers = (payload / "cgroup.controllers").read_text(encoding="ascii") if payload else ""
        limits, status = ((process / name).read_text(encoding="utf-8") for name in ("limits", "status"))
        wanted = {
            podman.CONTAINERS_CONF: podman.containers_conf(podman.facts(limits, status, controllers)),
            podman.STORAGE_CONF: podman.storage_conf(IMAGE_STORE if self.spec.image_store else None),
        }
        host = self.host()
        try:
            found = host.read(wanted)
            for path, text in wanted.items():
                if found[path] != text.encode():
                    host.make_directory(str(Path(path).parent), mode=0o755)
                    host.write(path, text, mode=0o644)
        finally:
            host.close()

    def _power_off(self, seconds: float) -> None:
        supervisor = self.state().supervisor
        if supervisor is None:
            return
        asked: set[int] = set()
        with observe.watched(supervisor) as ended:
            try:
                until(lambda: self._ask_to_power_off(asked, ended), "power off", seconds=seconds, step=0.02)
            except WaitedTooLong:
                _kill(supervisor, signal.SIGKILL)
                until(ended, f"supervisor {supervisor} of box {self.spec.name} to die", seconds=10, step=0.02)

    def _ask_to_power_off(self, asked: set[int], ended: Callable[[], bool]) -> bool:
        """Ask each systemd once, as soon as it listens: at a reboot another may come up meanwhile."""
        leader = self.state().leader
        if leader and leader not in asked and observe.takes_power_off(leader):
            _kill(leader, observe.POWER_OFF)
            asked.add(leader)
        return ended()

    def _end_late_comer(self, gone: Home) -> None:
        """A supervisor whose starter was killed may have taken its lock after we looked; now no other can come."""
        supervisor = observe.lock_holder(gone.lock)
        if supervisor:
            _kill(supervisor, signal.SIGKILL)
            cgroups.sweep(gone)

    def _require_existing(self) -> None:
        if self.state().status == "absent":
            raise HotstackError(f"box {self.spec.name}", f"none at {self._home.path}", "Create it first.")

    def _running(self, *, leader: bool = True) -> BoxState:
        state = self.state()
        if state.supervisor is None or (leader and state.leader is None):
            raise HotstackError(f"box {self.spec.name} to run", f"it is {state.status}", "Boot it first.")
        return state


def list_boxes(root: Path) -> tuple[tuple[str, BoxState], ...]:
    """Name and state of the boxes whose homes lie in `root`; one whose description was lost goes by its path."""
    homes = [Home(path) for path in sorted(root.glob("[!.]*"))] if root.is_dir() else []
    boxes = [home for home in homes if home.spec.is_file() or (home.data.is_dir() and home.root.is_dir())]
    return tuple((_name_of(home), observe.state(home)) for home in boxes)


def _name_of(home: Home) -> str:
    try:
        return BoxSpec.read(home.spec).name
    except Damaged:
        return str(home.path)


def overlay_works(rootfs: Path, home: Home) -> bool:
    """Whether an overlay of `rootfs` can be mounted with its upper layer in this home: tried, in a private namespace.

    It cannot where the home lies on overlayfs itself, as in many containers.
    """
    layers = f"lowerdir={rootfs},upperdir={home.upper},workdir={home.work}"
    attempt = ("mount", "-t", "overlay", "overlay", "-o", layers, str(home.root))
    try:
        run_here(Command(("unshare", "--mount", "--propagation", "private", *attempt), purpose="try overlayfs"))
    except CommandFailed:
        return False
    return True


def _kill(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


@contextmanager
def _held(directory: Path) -> Iterator[None]:
    """One change at a time; the kernel lets go of the lock when its holder dies."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        lock(handle, f"the lock of {directory}", seconds=_LOCK_SECONDS)
        yield
    finally:
        os.close(handle)


def _remove_tree(*paths: Path) -> None:
    for path in paths:
        if path.exists():
            shutil.rmtree(path)


def _require_tools() -> None:
    if os.geteuid() != 0:
        raise HotstackError("to run a box", "this is not root", "Run it with sudo: namespaces and mounts need root.")
    packages = {"systemd-nspawn": "systemd-container"} | dict.fromkeys(("nsenter", "unshare", "setpriv"), "util-linux")
    for program, package in packages.items():
        if shutil.which(program, path=search_path()) is None:
            raise HotstackError(f"{program} for boxes", "no such program here", f"Install the package {package}.")
