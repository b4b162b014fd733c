"""What a cloud is before anything is done to it, and whether what is asked for fits: a cloud never becomes another one
because something was left out, forgotten or lost.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hotstack_os.bootstrap import databases
from hotstack_os.box.paths import Home
from hotstack_os.core.generations import KEPT as KEPT_GENERATIONS
from hotstack_os.core.generations import Generations
from hotstack_os.core.loss import UnnamedLoss
from hotstack_os.core.model import Ledger, Ref, State
from hotstack_os.core.plan import Plan
from hotstack_os.core.reasons import show
from hotstack_os.deploy.ledgers import journal_of
from hotstack_os.deploy.losses import KEYS, Losses
from hotstack_os.errors import HotstackError, UsageError
from hotstack_os.host import files
from hotstack_os.settings import derived, kept, secrets, source
from hotstack_os.settings.cloud import Cloud
from hotstack_os.settings.effective import DEFAULT, leaves
from hotstack_os.settings.environment import BY_KEY, VARIABLES
from hotstack_os.settings.problems import dotted
from hotstack_os.settings.schema import Paths as PathSettings
from hotstack_os.settings.secrets import Vault
from hotstack_os.settings.text import as_settings
from hotstack_os.whole import put, read

ORIGIN = "settings-file"
"""In the cloud's state directory: the path of the file that the settings last carried out are from."""
AGREED = "destroying"
"""In the cloud's state directory: what was named to be destroyed by an `up` that has not come to its end."""
KEPT = (
    "target",
    "region",
    "domain",
    "networks.containers",
    "networks.provider",
    "networks.mtu",
    "paths.data",
    "paths.instances",
    "paths.volumes",
    "paths.mounts",
)
"""What a cloud is. None of it changes by being left out; another value has to be said."""
PATHS = {
    "paths.data": "everything that the cloud keeps",
    "paths.instances": "the disks of all servers",
    "paths.volumes": "all volumes",
}


@dataclass(frozen=True)
class Asked:
    """What somebody says beside the settings.

    Attributes:
        named: what may be destroyed.
        new: that another cloud is meant beside the one that is there.
        file: the settings file, if one counts.
        origins: dotted key of the settings → where its value comes from, as `settings.effective` has it.
    """

    named: frozenset[Ref] = frozenset()
    new: bool = False
    file: Path | None = None
    origins: Mapping[str, str] = field(default_factory=dict)


def last(state: Path) -> dict[str, Any]:
    """Dotted key → value of the settings that were last carried out; nothing where none were."""
    path = kept.find(state)
    if path is None:
        return {}
    read = source.read(path)
    if read.problems or not isinstance(read.data, dict):
        said = "; ".join(f"{each.wanted} wanted, {each.found} found" for each in read.problems) or "no settings"
        hint = "It is a record of the last `up`: restore it, or move it away, and the settings given count alone."
        raise HotstackError(f"the settings of the last `up` in {path}", said, hint)
    return flat(read.data)


def flat(data: Mapping[str, Any]) -> dict[str, Any]:
    """Dotted key → value."""
    return {dotted(route): value for route, value in leaves(data)}


def remember(cloud: Cloud, asked: Asked) -> None:
    """Keep what is carried out, and where it came from; an empty place where there was no file."""
    kept.keep(cloud)
    if asked.origins:
        put(cloud.state / ORIGIN, f"{asked.file.resolve() if asked.file else ''}\n")


def check(cloud: Cloud, asked: Asked) -> None:
    """Refuse what does not fit the cloud that is there. Reads the state directory, and nothing of a node."""
    require_target(cloud)
    _require_same_cloud(cloud, asked)
    require_secrets(cloud)
    if asked.origins:
        before = last(cloud.state)
        _require_contents(cloud, asked, before)
        _require_said(cloud, asked, before)


def require_target(cloud: Cloud) -> None:
    """A cloud stays where it is: in its box, or on this machine."""
    lives = last(cloud.state).get("target") or ("box" if Home(cloud.state / "box").there else None)
    if lives is None or lives == cloud.target:
        return
    where = {"box": "in a box", "local": "on this machine itself"}
    hint = (
        f"Say `target: {lives}` in the settings, or --target {lives}. A cloud does not move: take it away first "
        "(hotstack-os down), or give the other one a name of its own (key: name)."
    )
    found = f"that it lives {where[str(lives)]}"
    raise HotstackError(f"the cloud {cloud.name} with target {cloud.target}, {where[cloud.target]}", found, hint)


def _require_same_cloud(cloud: Cloud, asked: Asked) -> None:
    """Another name beside a cloud that is there may be a mistake."""
    if asked.new or (cloud.state / "journal.jsonl").exists():
        return
    for other in sorted(cloud.state.parent.glob("*/journal.jsonl")):
        state = other.parent
        hint = f"Keep the name: `name: {state.name}`. If a second cloud is meant: --new."
        if asked.file is not None and _origin(state) == str(asked.file.resolve()):
            raise HotstackError(
                f"a new cloud {cloud.name} from {asked.file}",
                f"that the cloud {state.name} was made from this file",
                f"{hint} To rename is to make a new cloud: nothing of the other comes along.",
            )
        if cloud.target == "local" and last(state).get("target") == "local":
            raise HotstackError(
                f"this machine for the cloud {cloud.name}", f"that it carries the cloud {state.name}", hint
            )


def require_secrets(cloud: Cloud) -> None:
    """Without the file of secrets everything would be made anew: passwords, and keys that nobody has any more."""
    if (cloud.state / secrets.FILE).exists() or not journal_of(cloud.state).ledger:
        return
    raise _secrets_lost(cloud, "that it is gone, while the cloud is there")


def require_known_secrets(cloud: Cloud, vault: Vault, ledger: Ledger) -> None:
    """A file that lacks secrets of what is there, such as one of an older backup, is as bad as none."""
    made = vault.made
    users = {f"database-{ref.name}" for ref in ledger if ref.kind == databases.USER}
    keys = {
        f"keystone-{kind}-{purpose}"
        for ref in ledger
        for kind in ("fernet", "credential")
        for index, purpose in (("0", "staged"), ("1", "primary"))
        if ref.kind == files.FILE and ref.name.endswith(f"/{kind}-keys/{index}")
    }
    stacks = {"heat-auth-encryption"} if "database-heat" in users else set()
    if lost := sorted(made & (users | keys | stacks)):
        raise _secrets_lost(cloud, f"no {', '.join(lost)} in it, while the cloud has them")


def _secrets_lost(cloud: Cloud, found: str) -> HotstackError:
    path = cloud.state / secrets.FILE
    away = f"mv {path} {path}.old; " if path.exists() else ""  # `recover` replaces no file
    hint = (
        "Restore it from a backup, or read the secrets back from the cloud's node, which must run: "
        f"{away}hotstack-os settings recover --cloud {cloud.name}. Without them, {KEYS}, and every password are lost: "
        "then begin anew (hotstack-os down, hotstack-os up)."
    )
    return HotstackError(f"the cloud's secrets in {path}", found, hint)


def _origin(state: Path) -> str | None:
    """The path of the settings file of the last `up`, empty without one; None where nothing is known of it."""
    raw = read(state / ORIGIN, "Remove it; the next `up` writes it anew.")
    return None if raw is None else raw.decode("utf-8", "replace").strip()


def _require_contents(cloud: Cloud, asked: Asked, before: Mapping[str, Any]) -> None:
    """A file that lost its contents, or was forgotten, says nothing that anybody meant."""
    elsewhere = {DEFAULT, *(variable.name for variable in VARIABLES)}
    known = _origin(cloud.state)
    known = "a settings file" if known is None else known
    if not set(asked.origins.values()) <= elsewhere or (asked.file is None and not known):
        return
    now = flat(as_settings(cloud))
    # What a former version did not write down yet is nothing that was lost.
    others = sorted(key for key, value in before.items() if key not in BY_KEY and value != now.get(key))
    if not others:
        return
    file = asked.file or known
    found = f"{asked.file} without any setting" if asked.file else "no settings file"
    shown = ", ".join(others[:4]) + (f" and {len(others) - 4} more" if len(others) > 4 else "")
    hint = (
        f"Give it with -s, or restore it; what counted is in {cloud.state / kept.FILE}. If the defaults are meant, say "
        f"`name: {cloud.name}` in it."
    )
    raise HotstackError(f"the settings of the cloud {cloud.name}, as from {file}", f"{found} ({shown} differ)", hint)


def _require_said(cloud: Cloud, asked: Asked, before: Mapping[str, Any]) -> None:
    """What a cloud is does not fall back to a default because a line or an environment variable was forgotten."""
    now, derived_before = flat(as_settings(cloud)), _derived(before)
    lost = [
        key
        for key in KEPT
        if key in before
        and before[key] != now[key]
        and asked.origins.get(key, DEFAULT) == DEFAULT
        and before[key] != derived_before.get(key)
    ]
    if not lost:
        return
    wanted = ", ".join(f"{key}: {show(before[key])}" for key in lost)
    found = ", ".join(f"{key}: {show(now[key])}, by default" for key in lost)
    variables = [BY_KEY[key].name for key in lost if key in BY_KEY]
    also = f" (or set {', '.join(variables)})" if variables else ""
    hint = f"Say in the settings what it shall be{also}; what counted is in {cloud.state / kept.FILE}."
    raise HotstackError(f"the cloud {cloud.name} as it is: {wanted}", found, hint)


def _derived(before: Mapping[str, Any]) -> dict[str, str]:
    """Paths that followed from the data's place, and so follow it."""
    data = before.get("paths.data")
    if not isinstance(data, str):
        return {}
    found = derived.paths(PathSettings.model_validate({"data": data}))
    return {f"paths.{name}": str(path) for name, path in vars(found).items() if name != "data"}


def losses(cloud: Cloud) -> Losses:
    """The rule of what is lost, with what is known of this cloud: its paths, those it had, its last generation."""
    before = last(cloud.state)
    roles = {str(before[key]): held for key, held in PATHS.items() if key in before and key != "paths.data"}
    roles |= {str(cloud.paths.instances): PATHS["paths.instances"], str(cloud.paths.volumes): PATHS["paths.volumes"]}
    built = frozenset({cloud.content.test_image} if cloud.content.test_image else ())
    return Losses(roles, _Former(cloud.state / "generations"), built)


class _Former:
    """States of the last generation, read when the first is asked for."""

    def __init__(self, directory: Path) -> None:
        self._generations = Generations(directory)
        self._states: dict[Ref, State] | None = None

    def __call__(self, ref: Ref) -> State | None:
        if self._states is None:
            # `uninstall` leaves one that is empty, and the data.
            full = (each for each in self._generations.last(KEPT_GENERATIONS) if each.resources)
            latest = next(full, None)
            self._states = latest.states() if latest else {}
        return self._states.get(ref)


def explained(cloud: Cloud, error: UnnamedLoss) -> UnnamedLoss:
    """The refusal with what is behind it: a move of data that `up` does not do, and how it is done by hand."""
    before, now = last(cloud.state), flat(as_settings(cloud))
    follows = _derived(before)
    moved = [
        (before[key], now[key], held)
        for key, held in PATHS.items()
        if key in before and before[key] != now[key] and before[key] != follows.get(key)
    ]
    directories = {each.ref.name for each in error.losses if each.ref.kind == files.DIRECTORY}
    lines = [line for line in _moves(moved) if directories]
    networks = [key for key in ("networks.provider", "networks.containers") if before.get(key, now[key]) != now[key]]
    if networks and any(each.ref.kind != files.DIRECTORY for each in error.losses):
        lines.append(
            f"{' and '.join(networks)} changed: servers lose the floating IPs of the former network, which have to be "
            "deleted before."
        )
    return UnnamedLoss(error.losses, "\n    ".join(lines)) if lines else error


def _moves(moved: list[tuple[Any, Any, str]]) -> Iterator[str]:
    if not moved:
        return
    yield "This is a move of data, which `up` does not do: databases, disks and volumes know each other by their paths."
    for old, new, held in moved:
        yield f"To have {held} on another disk, keep the path {old}, and put what is at {new} below it:"
        yield "  hotstack-os stop   (and stop the servers before: their disks are open)"
        yield f"  hotstack-os shell, and in it: cp -a {old}/. {new}/ && mount --bind {new} {old}"
        yield f"  (and for the next boot, in the node's /etc/fstab: {new} {old} none bind 0 0)"
        yield f"  hotstack-os start   (with {old} in the settings as before)"


def require_apart(plan: Plan, wanted: Collection[Ref]) -> None:
    """Refuse to remove a directory in which another one lies that is wanted: it would go along."""
    gone = [each.ref for each in plan.actions if each.ref.kind == files.DIRECTORY and each.verb in ("remove", "decide")]
    for outer in (ref for ref in gone if ref not in wanted):
        inside = sorted(ref.name for ref in wanted if _lies_in(ref, outer))
        if inside:
            hint = "Keep the outer one (key paths.data), or choose a place outside of it."
            raise HotstackError(f"{inside[0]} to stay", f"that it lies in {outer.name}, which is to be removed", hint)


def _lies_in(ref: Ref, outer: Ref) -> bool:
    return (ref.kind, ref.node) == (outer.kind, outer.node) and ref.name.startswith(f"{outer.name}/")


def agree(state: Path, refs: Collection[Ref]) -> None:
    """Keep what was named and is going to be destroyed, until an `up` has come to its end: who runs a command that was
    broken off again names it again, and by then it is gone."""
    if new := set(refs) - agreed(state):
        put(state / AGREED, "".join(f"{ref}\n" for ref in sorted(new | agreed(state))))


def agreed(state: Path) -> frozenset[Ref]:
    """What was named for an `up` that has not come to its end."""
    path = state / AGREED
    text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    return frozenset(Ref.parse(line) for line in text.splitlines() if line)


def settle(state: Path) -> None:
    """What was named is done."""
    (state / AGREED).unlink(missing_ok=True)


def require_destroyed(asked: Asked, plan: Plan, done: Collection[Ref] = ()) -> None:
    """Whoever names what would not be destroyed means something else; `done` is what went before by that name."""
    if plan.then:
        return  # not all of it can be seen yet
    possible = {each.ref for each in plan.actions if each.destroys or each.verb == "decide"}
    if wrong := sorted(str(ref) for ref in asked.named - possible - set(done)):
        losing = sorted(str(each.ref) for each in plan.losses)
        found = f"{', '.join(wrong)}, which the plan does not destroy"
        hint = f"It destroys {', '.join(losing)}." if losing else "It destroys nothing."
        raise UsageError("--destroy with what the plan destroys", found, hint)
