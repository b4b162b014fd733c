"""Looks at what is remembered of a cloud, file by file, for `doctor`: which are damaged, and what to do. Reads only."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import yaml

from hotstack_os.bootstrap.tokens import FILE as TOKENS
from hotstack_os.box import BoxSpec
from hotstack_os.box.paths import Home
from hotstack_os.content import credential, sshkey
from hotstack_os.core.generations import Generations
from hotstack_os.deploy import credentials, ledgers
from hotstack_os.deploy.inventory import Record
from hotstack_os.errors import HotstackError
from hotstack_os.health.state import StateFile
from hotstack_os.settings import kept
from hotstack_os.settings.cloud import Cloud
from hotstack_os.settings.secrets import FILE as SECRETS
from hotstack_os.settings.secrets import Vault
from hotstack_os.whole import Damaged, read

_REMADE = "`hotstack-os up` writes it anew."
_IN_THE_WAY = "Remove it (rm -r {}): `hotstack-os up` writes it anew."


def examine_state(cloud: Cloud) -> tuple[StateFile, ...]:
    """The files that are not as they were written."""
    state = cloud.state
    looks: list[tuple[Path, Callable[[], object]]] = [
        (state / kept.FILE, lambda: kept.find(state)),
        (state / SECRETS, lambda: Vault.open(state)),
        *((path, Record(path).load) for path in sorted(state.glob("node*.json"))),
    ]
    if cloud.content.enabled and cloud.content.key_file is None:
        looks.append((sshkey.key_path(state), lambda: sshkey.public_key(state, None)))
    found = [StateFile(path, error.found, error.hint) for path, look in looks if (error := _error(look))]
    damaged = Generations(state / "generations").damaged()
    found += (StateFile(each.path, each.found, each.hint, remade=True) for each in damaged)
    return (*found, *_boxes(state), *_journal(state), *_remade(state))


def require_whole(cloud: Cloud) -> None:
    """`Damaged`, with all of them named, where a command that changes the cloud could not go on in its middle."""
    if found := [each for each in examine_state(cloud) if not each.remade]:
        also = "".join(f"; {each.path}: {each.found}" for each in found[1:])
        raise Damaged(found[0].path, found[0].found + also, found[0].todo)


def _error(look: Callable[[], object]) -> HotstackError | None:
    try:
        look()
    except HotstackError as error:
        return error
    return None


def _boxes(state: Path) -> Iterator[StateFile]:
    """The descriptions of boxes, which follow from the settings as long as nothing else is in their place."""
    for home in map(Home, sorted((state / "box", *state.glob("box-*")))):
        if home.there and (error := _error(lambda path=home.spec: BoxSpec.read(path))):  # type: ignore[misc]
            yield StateFile(home.spec, error.found, error.hint, remade=not home.spec.is_dir())


def _journal(state: Path) -> Iterator[StateFile]:
    path = state / ledgers.FILE
    try:
        cuts = ledgers.journal_of(state).cuts
    except HotstackError as error:
        yield StateFile(path, error.found, error.hint)
        return
    for each in cuts:
        if each.last:
            todo = (
                "Nothing has to be done: what it announced was not begun, and the next command that writes removes it."
            )
        else:
            todo = (
                "What it announced may count as foreign: `plan` shows that as a conflict. Remove such a thing by hand."
            )
        yield StateFile(path, f"line {each.number} was cut short", todo, remade=True)


def _remade(state: Path) -> Iterator[StateFile]:
    """Files that nothing is lost with: the next `up`, or the next login, writes them anew."""
    parsers: dict[str, Callable[[bytes], object]] = {
        TOKENS: json.loads,
        credentials.NAME: yaml.safe_load,
        credential.FILE: yaml.safe_load,
    }
    for name, parse in parsers.items():
        path = state / name
        if path.is_dir():
            yield StateFile(path, "a directory", _IN_THE_WAY.format(path))
            continue
        try:
            if (raw := read(path, _REMADE)) is not None and not isinstance(parse(raw), dict):
                yield StateFile(path, "something else", _REMADE, remade=True)
        except HotstackError as error:
            yield StateFile(path, error.found, error.hint)
        except (ValueError, yaml.YAMLError):
            yield StateFile(path, "something else", _REMADE, remade=True)
