"""Everything that somebody needs who looks for the cause of something, in one archive without secrets."""

from __future__ import annotations

import io
import json
import os
import platform
import sys
import tarfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import IO

from hotstack_os import __version__
from hotstack_os.catalogue import registry
from hotstack_os.catalogue.nova import SESSION
from hotstack_os.catalogue.ovn import database_socket
from hotstack_os.core.generations import Generations
from hotstack_os.deploy import cloud as clouds
from hotstack_os.deploy import failures, members
from hotstack_os.deploy.desired import EXTERNAL, INTEGRATION
from hotstack_os.deploy.examine_cloud import examine_cloud
from hotstack_os.deploy.examine_machine import examine_machine
from hotstack_os.deploy.image_set import image_states
from hotstack_os.deploy.machine import Machine, machine_of
from hotstack_os.deploy.masking import Mask
from hotstack_os.deploy.overview import overview
from hotstack_os.errors import HotstackError
from hotstack_os.exec import Command, Host, Result, run_here
from hotstack_os.images.builder import ImageState
from hotstack_os.runtime import control, evidence
from hotstack_os.runtime.logs import AROUND
from hotstack_os.runtime.quadlet import unit_name
from hotstack_os.settings.cloud import Cloud
from hotstack_os.settings.secrets import Vault
from hotstack_os.settings.text import as_yaml
from hotstack_os.whole import cannot

Piece = Callable[[], bytes | str]
LOG_LINES = 3000
SECONDS = 60.0
WORKERS = 8
_ANY = frozenset(range(256))
_VIRSH = ("virsh", "-c", f"qemu:///session?socket={SESSION}/libvirt/libvirt-sock")

HERE: Mapping[str, tuple[str, ...]] = {
    "kernel": ("uname", "-a"),
    "memory": ("free", "-m"),
    "disks": ("df", "-h"),
    "mounts": ("cat", "/proc/self/mounts"),
    "interfaces": ("ip", "address"),
    "limits": ("cat", "/proc/self/limits"),
}
"""Name → command on this machine."""
THERE: Mapping[str, tuple[str, ...]] = {
    **evidence.COMMANDS,
    "system/os-release": ("cat", "/etc/os-release"),
    "system/packages": ("dpkg-query", "--list"),
    "system/processes": ("ps", "-eo", "pid,ppid,user,rss,etimes,stat,args", "--sort=-rss"),
    "system/memory": ("free", "-m"),
    "system/disks": ("df", "-h"),
    "system/mounts": ("cat", "/proc/self/mounts"),
    "system/log": ("journalctl", "--no-pager", f"--lines={LOG_LINES}", "--output=short-iso-precise"),
    "network/addresses": ("ip", "address"),
    "network/routes": ("ip", "route"),
    "network/sockets": ("ss", "-tulpn"),
    "network/firewall": ("nft", "list", "ruleset"),
    "network/hosts": ("cat", "/etc/hosts"),
    "ovs/show": ("ovs-vsctl", "show"),
    "ovs/database": ("ovs-vsctl", "list", "Open_vSwitch"),
    "ovs/external-flows": ("ovs-ofctl", "dump-flows", EXTERNAL),
    "ovs/integration-flows": ("ovs-ofctl", "dump-flows", INTEGRATION),
    "libvirt/version": (*_VIRSH, "version", "--daemon"),
    "libvirt/servers": (*_VIRSH, "list", "--all"),
    "libvirt/capabilities": (*_VIRSH, "domcapabilities"),
}
"""Name → command on the node."""


STDOUT = Path("-")


def fit(path: Path) -> None:
    """HotstackError where no archive can be written there. A device or a pipe takes one, and stays what it is."""
    if path == STDOUT:
        return
    wanted = f"to write the archive {path}"
    try:
        if path.is_dir():
            raise HotstackError(wanted, "a directory of that name", "Name a file: -o FILE.")
        if not path.parent.is_dir():
            raise HotstackError(wanted, f"no directory {path.parent}", "Make it, or name another file: -o FILE.")
    except OSError as error:
        raise cannot(wanted, error) from error


def collect(cloud: Cloud, path: Path) -> tuple[str, ...]:
    """Write the archive, a file whole and 0600; returns what could not be had, which stands in it too."""
    fit(path)
    vault = Vault.open(cloud.state)
    mask = Mask(vault.all().values(), [vault.key, vault.key.hex().encode()])
    errors: list[str] = []
    try:
        with _opened(path) as file, tarfile.open(fileobj=file, mode="w|gz") as archive:
            root = "hotstack-os" if path == STDOUT else path.name.removesuffix(".tar.gz")
            for name, text in _all(cloud, errors):
                _add(archive, f"{root}/{name}", mask(text))
            _add(archive, f"{root}/errors.txt", mask("".join(f"{line}\n" for line in errors).encode()))
    except BrokenPipeError:
        raise
    except OSError as error:
        raise cannot(f"to write the archive {path}", error) from error
    return tuple(errors)


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    """Where the archive goes: to a device or pipe as it comes, to a file beside its place and into it when whole."""
    if path == STDOUT:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
    elif path.exists() and not path.is_file():
        with path.open("wb") as file:
            yield file
    else:
        place = path.resolve()  # what a link leads to, not the link
        beside = place.with_name(f".{place.name}.part")
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                yield file
            beside.rename(place)
        finally:
            beside.unlink(missing_ok=True)


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode, member.mtime = len(data), 0o600, int(time.time())
    archive.addfile(member, io.BytesIO(data))


def _all(cloud: Cloud, errors: list[str]) -> Iterator[tuple[str, bytes]]:
    """Name → text of every piece that could be had; for the others a line in `errors`."""
    yield from _had(_of_machine(cloud), errors)
    machine = machine_of(cloud)
    if not cloud.state.exists():
        errors.append(f"There is no cloud {cloud.name}.")
        return
    yield from _had(_of_state(cloud), errors)
    if isinstance(machine, Machine):
        yield from _had({"box-console.log": (cloud.state / "box/console.log").read_bytes}, errors)
    if not machine.running:
        errors.append(f"The node of the cloud {cloud.name} does not run.")
        return
    with machine.host() as host:
        pieces = _of_node(host, "node", (*registry.services(cloud), *AROUND))
        yield from _had(pieces | _of_ovn(host), errors)
        yield from _trees(host, "node")
    for name in cloud.nodes:
        yield from _of_further(cloud, name, errors)


def _of_further(cloud: Cloud, name: str, errors: list[str]) -> Iterator[tuple[str, bytes]]:
    where = f"node-{name}"
    yield from _had({f"box-{name}-console.log": (cloud.state / f"box-{name}/console.log").read_bytes}, errors)
    try:
        with members.way_to(cloud, name) as host:
            yield from _had(_of_node(host, where, (*members.services(cloud, name), *AROUND)), errors)
            yield from _trees(host, where)
    except HotstackError as error:
        errors.append(f"{where}: {error}")


def _trees(host: Host, where: str) -> Iterator[tuple[str, bytes]]:
    for path, data in host.read_tree(evidence.TREES).items():
        yield f"{where}{path}", data


def _had(pieces: Mapping[str, Piece], errors: list[str]) -> Iterator[tuple[str, bytes]]:
    with ThreadPoolExecutor(WORKERS, thread_name_prefix="collect") as pool:
        for name, future in {name: pool.submit(piece) for name, piece in pieces.items()}.items():
            try:
                text = future.result()
            except (HotstackError, OSError) as error:
                errors.append(f"{name}: {error}")
            else:
                yield name, text.encode() if isinstance(text, str) else text


def _of_machine(cloud: Cloud) -> dict[str, Piece]:
    about = f"hotstack-os {__version__}\nPython {sys.version}\n{platform.platform()}\n{time.strftime('%FT%T%z')}\n"
    commands = {f"machine/{name}": _here(argv) for name, argv in HERE.items()}
    seen: Piece = lambda: _json(asdict(examine_machine(cloud)))  # noqa: E731
    return {"about.txt": lambda: about, "settings.yaml": lambda: as_yaml(cloud), "machine/seen.json": seen, **commands}


def _of_state(cloud: Cloud) -> dict[str, Piece]:
    return {
        "status.json": lambda: _json(overview(cloud).as_json()),
        "seen.json": lambda: _json(asdict(examine_cloud(cloud))),
        "plan.txt": lambda: "\n".join(clouds.plan(cloud)[1].lines()) + "\n",
        "images.json": lambda: _json([_image(each) for each in image_states(cloud)]),
        "generations.json": lambda: _json(
            [{**vars(each), "resources": len(each.resources)}
             for each in Generations(cloud.state / "generations").last(100)]
        ),
        "failures.log": lambda: _if_there(cloud.state / failures.FILE),
        "generation.json": lambda: _json([vars(each) for each in Generations(cloud.state / "generations").last(1)]),
        "journal.jsonl": (cloud.state / "journal.jsonl").read_bytes,
        "node.json": (cloud.state / "node.json").read_bytes,
    }  # fmt: skip


def _if_there(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b""


def _image(state: ImageState) -> dict[str, object]:
    return {"name": state.recipe.image.name, "reference": state.recipe.reference, "missing because": state.reasons}


def _of_node(host: Host, where: str, services: Iterable[str]) -> dict[str, Piece]:
    pieces: dict[str, Piece] = {f"{where}/{name}": _there(host, argv) for name, argv in THERE.items()}
    for name in services:
        argv = ("journalctl", f"--unit={unit_name(name)}", f"--lines={LOG_LINES}", "--no-pager",
                "--output=short-iso-precise", "--quiet")  # fmt: skip
        pieces[f"{where}/logs/{name}.log"] = _there(host, argv)
    return pieces


def _of_ovn(host: Host) -> dict[str, Piece]:
    tools = {"nb": "ovn-nbctl", "sb": "ovn-sbctl"}
    return {f"node/ovn/{which}": _ovn(host, which, tool) for which, tool in tools.items()}


def _ovn(host: Host, which: str, tool: str) -> Piece:
    argv = (tool, f"--db={database_socket(which)}", "show")
    return lambda: control.ask(host, f"ovn-{which}-db", argv, f"show OVN's database {which}")


def _here(argv: tuple[str, ...]) -> Piece:
    return lambda: _said(run_here(Command(argv, f"run {argv[0]}", accept=_ANY, timeout=SECONDS)))


def _there(host: Host, argv: tuple[str, ...]) -> Piece:
    return lambda: _said(host.run(Command(argv, f"run {argv[0]}", accept=_ANY, timeout=SECONDS)))


def _said(result: Result) -> str:
    """What a command said, with its status where that is a failure: that is evidence, too."""
    ended = f"\n(status {result.status})\n" if result.status else ""
    return f"$ {result.command.line}\n{result.stdout}{result.stderr}{ended}"


def _json(value: object) -> str:
    return json.dumps(value, indent=1, default=str) + "\n"
