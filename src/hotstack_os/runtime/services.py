"""Services on a node: seen through podman and systemd, changed by files and systemctl."""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources as package_files

from hotstack_os.catalogue import resolve
from hotstack_os.core.model import Absent, Foreign, Observation, Present, Ref, Resource, State, same
from hotstack_os.core.plan import Action
from hotstack_os.errors import HotstackError
from hotstack_os.exec import Command, Host
from hotstack_os.hidden import Hidden, fingerprint
from hotstack_os.host import files
from hotstack_os.host.systemd import show_units
from hotstack_os.runtime import containers, quadlet, quadlets
from hotstack_os.runtime.containers import SERVICE, Labels
from hotstack_os.runtime.quadlet import Container
from hotstack_os.runtime.starting import Starter

KIND = "service"
ONCE = f"{quadlet.LABEL}once"
"""Label of containers that run a command and end."""
_DIGEST_LABEL, _HOSTS_LABEL = f"{quadlet.LABEL}digest", f"{quadlet.LABEL}hosts"
_DIGEST, _HOSTS = f"Label={_DIGEST_LABEL}", f"Label={_HOSTS_LABEL}"
_UNIT_FILE, _IN_PLACE = "unit file", "in place"
_OURS = ("Volume=/etc/hotstack-os/config/", "Volume=/etc/hotstack-os/secrets/")


def resource(container: Container, node: str, needs: frozenset[Ref]) -> Resource:
    """The desired state of a service: all that a restart depends on, in words that a plan can show."""
    return Resource(
        Ref(KIND, container.service.name, node),
        {
            "image": container.image,
            "config": dict(container.files),
            "secrets": dict(container.secrets),
            "rights": _rights(container),
            "unit": _without_digests(quadlet.text(container), container.image, container.node_files),
            "hosts": container.hosts,
            "started": "from this",
            _UNIT_FILE: _IN_PLACE,
            "active": True,
        },
        needs,
    )


def _rights(container: Container) -> Mapping[str, str]:
    """Owner and mode of each configuration file by its path in the container: secrets are for their user alone."""
    secret = f"{container.service.uid or 'root'} 0400"
    return dict.fromkeys(container.files, "root 0644") | dict.fromkeys(container.secrets, secret)


def _without_digests(text: str, image: str, sources: Iterable[str]) -> str:
    """The unit without names that hold digests: what changes there is shown under image, config and secrets already."""
    for source in sources:
        root, _, name = source.rpartition("/")
        text = text.replace(source, f"{root.rpartition('/')[0]}/{name}")
    return text.replace(image, "IMAGE") if image else text


def _sources(installed: str) -> dict[str, str]:
    """Path in the container → path on the node, of all configuration files that an installed unit mounts."""
    volumes = [line.removeprefix("Volume=") for line in installed.splitlines() if line.startswith(_OURS)]
    return {target: source for source, target, _ in (volume.split(":") for volume in volumes)}


def _runs_as_wanted(action: Action) -> bool:
    """Whether nothing but the file of the unit is not as wanted, which is no reason for a restart."""
    found = action.found or {}
    return _UNIT_FILE in found and same({**action.resource.state, _UNIT_FILE: found[_UNIT_FILE]}, found)


@dataclass(frozen=True)
class _Seen:
    """What the node says of its services.

    Attributes:
        labels: service → labels of its container.
        active: unit → ActiveState.
        quadlets: service → the text of its Quadlet file.
        generated: service → the unit that systemd has read, made of that file.
        config: path on the node → content, of all configuration files.
        rights: path on the node → owner and mode.
        others: names of containers that are not of a service under its own name.
        fragments: unit → the file that systemd has read it from.
    """

    labels: Mapping[str, Labels]
    active: Mapping[str, str]
    quadlets: Mapping[str, str]
    generated: Mapping[str, str]
    config: Mapping[str, bytes]
    rights: Mapping[str, str]
    others: Collection[str]
    fragments: Mapping[str, str]

    def rights_of(self, sources: Mapping[str, str]) -> Mapping[str, str]:
        """Path in the container → owner and mode, of those files that are there."""
        return {path: self.rights[where] for path, where in sources.items() if where in self.rights}

    def foreign(self, name: str) -> str:
        """What somebody else has under a name of ours; empty: nothing. Starting the service would take its place."""
        container, unit = f"{quadlet.PREFIX}{name}", quadlet.unit_name(name)
        if container in self.others:
            return f"a container {container} that has not the label {quadlet.LABEL}service={name}"
        if (installed := self.quadlets[name]) and not installed.startswith(quadlet.WRITTEN):
            return f"{quadlets.path_of(name)} does not begin with {quadlet.WRITTEN!r}"
        fragment = self.fragments[unit]
        return (
            f"{fragment} stands before the unit of our own" if fragment not in ("", quadlets.generated_of(name)) else ""
        )


def _unit_file(wanted: Container, seen: _Seen) -> str:
    """What a node has of the unit from which a boot would start the service."""
    name = wanted.service.name
    if (installed := seen.quadlets[name]) != quadlet.labelled(wanted):
        return "another" if installed else "missing"
    return _IN_PLACE if quadlet.restart_digest(wanted) in seen.generated[name] else "not read by systemd"


class ServiceHandler:
    """Handles all services of one node; `containers` are those that are wanted."""

    def __init__(self, host: Host, containers: Mapping[str, Container], key: bytes) -> None:
        self._host = host
        self._containers = containers
        self._key = key
        self._units = quadlets.Units(host)
        self._starter = Starter(host, containers.values())

    # Observation ------------------------------------------------------------------------------------------------

    def observe(self, resources: Sequence[Resource]) -> Mapping[Ref, Observation]:
        seen = self._look([each.ref.name for each in resources])
        return {each.ref: self._observe(each.ref.name, seen) for each in resources}

    def _look(self, names: Sequence[str]) -> _Seen:
        paths = {name: (quadlets.path_of(name), quadlets.generated_of(name)) for name in names}
        texts = self._host.read(path for both in paths.values() for path in both)
        config = self._host.read_tree([quadlet.CONFIG, quadlet.SECRETS])
        stats = self._host.stat(config)
        every = containers.by_name(self._host)
        shown = show_units(
            self._host, [quadlet.unit_name(name) for name in names], ("ActiveState", "FragmentPath", "LoadState")
        )
        return _Seen(
            {labels[SERVICE]: labels for labels in every.values() if SERVICE in labels},
            {unit: found["ActiveState"] for unit, found in shown.items()},
            {name: (texts[path] or b"").decode(errors="replace") for name, (path, _) in paths.items()},
            {name: (texts[path] or b"").decode(errors="replace") for name, (_, path) in paths.items()},
            config,
            {path: f"{found.owner} {found.mode:04o}" for path, found in stats.items() if found},
            {each for each, labels in every.items() if each != f"{quadlet.PREFIX}{labels.get(SERVICE)}"},
            {unit: found["FragmentPath"] for unit, found in shown.items()},
        )

    def _observe(self, name: str, seen: _Seen) -> Observation:
        labels, installed, state = seen.labels.get(name), seen.quadlets[name], seen.active[quadlet.unit_name(name)]
        if why := seen.foreign(name):
            return Foreign(why)
        wanted, active = self._containers.get(name), state == "active"
        # A failed unit without a file is only systemd's memory of one that was.
        if labels is None and (state == "inactive" or (state == "failed" and not installed)):
            return Present({"active": False}) if wanted is None and installed else Absent()
        if wanted is None:
            return Present({"active": active})
        if labels is not None and labels.get(_DIGEST_LABEL) == quadlet.restart_digest(wanted):
            as_wanted = {**resource(wanted, "", frozenset()).state, **self._files(wanted, seen)}
            return Present({**as_wanted, _UNIT_FILE: _unit_file(wanted, seen), "active": active})
        former = self._former(wanted, labels or {}, installed, seen)
        return Present({**former, "active": active and labels is not None})

    def _files(self, container: Container, seen: _Seen) -> State:
        """The configuration as it lies on the node, whatever its directory's name promises."""
        return self._config({path: where for where, path in container.node_files.items()}, seen)

    def _config(self, sources: Mapping[str, str], seen: _Seen) -> State:
        """Contents and rights of the files that are there; `sources` is path in the container → path on the node."""
        found = {path: (where, seen.config[where]) for path, where in sources.items() if where in seen.config}
        return {
            "config": {
                path: data.decode() for path, (where, data) in found.items() if where.startswith(quadlet.CONFIG)
            },
            "secrets": {
                path: fingerprint(data, self._key)
                for path, (where, data) in found.items()
                if where.startswith(quadlet.SECRETS)
            },
            "rights": seen.rights_of(sources),
        }

    def _former(self, container: Container, labels: Labels, installed: str, seen: _Seen) -> State:
        """What the installed unit was made of, as far as the node still has it: the source of a plan's reasons."""
        lines = [line for line in installed.split("\n") if not line.startswith((_DIGEST, _HOSTS))]
        sources = _sources(installed)
        image = quadlet.value(installed, "Image")
        state: State = {
            **self._config(sources, seen),
            "image": image,
            "unit": _without_digests("\n".join(lines), image, sources.values()),
            "hosts": container.hosts if labels.get(_HOSTS_LABEL) == quadlet.hosts_digest(container) else "other names",
            "started": "from this",
            _UNIT_FILE: _IN_PLACE,  # it is put in place for the restart, whose reasons are to be said
        }
        wanted = resource(container, "", frozenset()).state
        return state if not same(wanted, {**state, "active": True}) else {**state, "started": "from something else"}

    # Change -----------------------------------------------------------------------------------------------------

    def apply(self, action: Action) -> None:
        name = action.ref.name
        if action.verb == "remove":
            self._remove(name)
            return
        container = self._containers[name]
        if _runs_as_wanted(action):
            self._units.put(name, quadlet.labelled(container))
            return
        install_files(self._host, container)
        self._check(container)
        self._prepare(container)
        self._keep_removal(container)
        # Not before: all that the service needs is there now, and a boot may start what lies here at any time.
        self._units.put(name, quadlet.labelled(container))
        self._starter.restart(container)
        self._drop_old(container)

    def _check(self, container: Container) -> None:
        if container.service.check:
            run_once(self._host, container, container.service.check, "check", network="none", timeout=60)

    def _prepare(self, container: Container) -> None:
        prepare = container.service.prepare
        if prepare is None:
            return
        directory = resolve.located(prepare.directory, container.context)
        mark, begun = f"{directory}/{files.PREPARED}", f"{directory}/{files.BEGUN}"
        found = self._host.stat([mark, begun])
        if found[mark]:
            return
        inside = ("find", directory, "-mindepth", "1", "!", "-name", files.BEGUN)
        if found[begun]:
            # A preparation that was killed leaves half a directory; nothing has used it yet, so it is begun anew.
            self._host.run(Command((*inside, "-delete"), f"empty {directory}"))
        elif self._host.run(Command((*inside, "-print", "-quit"), f"look into {directory}")).stdout:
            # What nobody has begun and nobody has finished is data whose mark was lost, or somebody else's.
            hint = (
                f"If it is the data of {container.service.name}, say so on the node (hotstack-os shell): touch {mark}. "
                "If nobody needs it, empty the directory. Then: hotstack-os up."
            )
            raise HotstackError(f"{directory} empty, or with the mark of what was made here", "data without it", hint)
        self._host.write(begun, "", mode=0o644)
        run_once(self._host, container, prepare.command, "prepare", network="none", timeout=300)
        self._host.write(mark, "", mode=0o644)
        self._host.remove(begun)

    def _remove(self, name: str) -> None:
        unit = quadlet.unit_name(name)
        if active_states(self._host, [unit])[unit] != "inactive":
            self._host.run(Command(("systemctl", "stop", unit), f"stop {name}", timeout=120))
            # Whatever status it ended with: a failed unit would outlive its file.
            forget = ("systemctl", "reset-failed", unit)
            self._host.run(Command(forget, f"forget how {name} ended", accept=frozenset({0, 1})))
        self._units.remove(name)
        # A stopped service leaves no container, but one that died with the node's power may.
        left = ("podman", "rm", "--force", "--ignore", f"{quadlet.PREFIX}{name}")
        self._host.run(Command(left, f"remove the container of {name}"))
        if removal := self._removal(name):
            self._host.run(Command(removal, f"remove what {name} made outside of its container"))
        self._host.remove(_removal_path(name))
        for root in (quadlet.CONFIG, quadlet.SECRETS):
            self._host.remove(f"{root}/{name}")

    def _drop_old(self, container: Container) -> None:
        for parent, keep in ((quadlet.CONFIG, container.config_root), (quadlet.SECRETS, container.secrets_root)):
            base = f"{parent}/{container.service.name}"
            for name in {path.removeprefix(f"{base}/").split("/")[0] for path in self._host.read_tree([base])}:
                if f"{base}/{name}" != keep:
                    self._host.remove(f"{base}/{name}")

    def _keep_removal(self, container: Container) -> None:
        """What undoes this service's doings: by then the catalogue may know it no more, or know another way."""
        path = _removal_path(container.service.name)
        if container.service.removal:
            self._host.make_directory(quadlet.REMOVALS, mode=0o755)
            self._host.write(path, json.dumps(container.service.removal) + "\n", mode=0o644)
        else:
            self._host.remove(path)

    def _removal(self, name: str) -> tuple[str, ...]:
        path = _removal_path(name)
        if kept := self._host.read([path])[path]:
            return tuple(json.loads(kept))
        known = self._containers.get(name)  # a service that was last started by an earlier revision
        return known.service.removal if known else ()


def _removal_path(service: str) -> str:
    return f"{quadlet.REMOVALS}/{service}.json"


def install_files(host: Host, container: Container) -> None:
    """Put a service's configuration on the node: directories named by digest, secrets for their user's eyes only.

    Their directory is root's, who mounts them one by one: in one of the user's own, links could be put in their place.
    """
    owner = str(container.service.uid)
    if container.files:
        host.make_directory(container.config_root, mode=0o755)
    for path, text in container.files.items():
        host.write(f"{container.config_root}/{quadlet.flat(path)}", text, mode=0o644)
    if container.secrets:
        host.make_directory(quadlet.SECRETS, mode=0o711)
        host.make_directory(container.secrets_root, mode=0o700)
    for path, secret in container.secrets.items():
        host.write(f"{container.secrets_root}/{quadlet.flat(path)}", secret, mode=0o400, owner=owner, group=owner)


def run_once(
    host: Host,
    container: Container,
    command: Sequence[str],
    purpose: str,
    *,
    timeout: float,
    stdin: str | Hidden | None = None,
    network: str = "",
) -> str:
    """Run a command as the service would run, in a container of its own; its standard output.

    It is on the containers' network with whatever address is free, or on the `network` given.
    """
    install_files(host, container)
    # A name that nobody has: what is there under one of ours may be somebody else's.
    name = f"{quadlet.PREFIX}{container.service.name}-{purpose}-{secrets.token_hex(4)}"
    argv = ("podman", "run", "--rm", f"--name={name}", f"--label={ONCE}", "--interactive")
    rights = quadlet.container_args(container, network)
    what = f"{purpose} {container.service.name}"
    done = host.run(Command((*argv, *rights, container.image, *command), what, stdin=stdin, timeout=timeout))
    return done.stdout


NOT_CARRIED_IN = 125
"""Status where nothing ran in the container, because it is not there or does not run (as podman-run(1) has it, too)."""


def run_as_root_in(
    host: Host, service: str, command: Sequence[str], purpose: str, *, stdin: str | Hidden | None, timeout: float
) -> str:
    """Run a command in the running container of a service, as a root without capabilities; its standard output.

    None before the program begins, which is the container's own file. For what is done often: a new cloud's databases
    take 70 such commands, and `podman exec` costs four times as much. CommandFailed with NOT_CARRIED_IN if the
    container is down.
    """
    argv = ("enter", quadlet.unit_name(service), *command)
    source = package_files.files("hotstack_os.node").joinpath("enter.py").read_text()
    return host.run(Command(argv, purpose, stdin=stdin, timeout=timeout, source=source)).stdout


def active_states(host: Host, units: Sequence[str]) -> Mapping[str, str]:
    """unit → ActiveState, as systemctl show says."""
    return {unit: found["ActiveState"] for unit, found in show_units(host, units, ("ActiveState",)).items()}
