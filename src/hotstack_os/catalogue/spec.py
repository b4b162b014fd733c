"""The words in which a component is described. Data and pure functions only; `registry` lists the components."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from hotstack_os.hidden import Hidden

if TYPE_CHECKING:
    from hotstack_os.catalogue.context import Context

Value = str | int | bool | Hidden | tuple[str, ...]
"""A value in a rendered file; a `Hidden` goes to the service's secret file, a tuple is joined by commas."""

Ini = Mapping[str, Mapping[str, Value]]
"""section → option → value."""


@dataclass(frozen=True)
class User:
    """A fixed numeric user (and group of the same name and number) of an image; `groups` are names in the image."""

    name: str
    uid: int
    groups: tuple[str, ...] = ()
    home: str = "/"


@dataclass(frozen=True)
class Image:
    """A container image as data.

    Attributes:
        name: also the last part of its reference: localhost/hotstack-os/<name>.
        parent: name of the image it stands on; None only for the root file system.
        deb: Debian packages added, without recommended ones.
        pip: PyPI projects added to /opt/openstack; versions come from the release's lock.
        user: the user that containers run as by default; made at build time.
        files: path in the image → name of a file in images/files/; mode 0755 below a bin or sbin directory, else 0644.
        steps: shell lines run as root after all else, each a layer-less part of one RUN: also where what was installed
            is tried out ("haproxy -v"), so that a broken image is a failed build.
        path: extra directories in front of PATH.
    """

    name: str
    parent: str | None = "base"
    deb: tuple[str, ...] = ()
    pip: tuple[str, ...] = ()
    user: User | None = None
    files: Mapping[str, str] = field(default_factory=dict)
    steps: tuple[str, ...] = ()
    path: tuple[str, ...] = ()


@dataclass(frozen=True)
class Probe:
    """A question that only a working service can answer.

    Attributes:
        kind: the protocol in which it is asked; see node/health.py for what each proves.
        port: TCP port at the service's own address.
        path: for "http": what is requested.
        expect: for "http": statuses that mean health.
    """

    kind: Literal["tcp", "http", "amqp", "mysql", "memcached", "dns", "unit"]
    port: int = 0
    path: str = "/"
    expect: tuple[int, ...] = (200, 300)


@dataclass(frozen=True)
class Mount:
    """A bind mount into a container. `source` and `target` are the same where only one is given."""

    source: str
    target: str = ""
    writable: bool = True
    shared: bool = False


@dataclass(frozen=True)
class Directory:
    """A directory on the node that a component needs; owner and group by name of an image user, or by number."""

    path: str
    owner: str = "root"
    group: str = "root"
    mode: int = 0o755


@dataclass(frozen=True)
class ConfigFile:
    """A file in a service's configuration directory, mounted read-only at `path` inside the container.

    `render` returns either sections (written as an ini file, its secrets split off into `secrets_path`), or text, or
    a secret text. The user's `services.<name>.config` is laid over the sections of the first ini file.
    """

    path: str
    render: Callable[[Context], Ini | str | Hidden]
    secrets_path: str = ""


@dataclass(frozen=True)
class Service:
    """One long-running process in one container under one systemd unit.

    Attributes:
        name: the service's name: unit hotstack-os-<name>.service, container hotstack-os-<name>.
        command: argv of the process.
        address: last octets (offset into the container network) of its address; None: the node's own network.
        port: where it listens, for its probe and for HAProxy.
        publish: TCP ports published on the gateway address of hot-ex.
        needs: services, databases ("database:x") and schema ("schema:x") that must be there before it starts.
    """

    name: str
    command: tuple[str, ...]
    probe: Probe
    address: int | None = None
    image: str = ""
    publish: tuple[int, ...] = ()
    config: tuple[ConfigFile, ...] = ()
    mounts: tuple[Mount, ...] = ()
    tmpfs: tuple[str, ...] = ("/tmp",)  # noqa: S108 (inside the container)
    environment: Mapping[str, str] = field(default_factory=dict)
    user: str = ""
    privileged: bool = False
    capabilities: tuple[str, ...] = ()
    read_only: bool = True
    needs: tuple[str, ...] = ()
    stop_timeout: int = 15
    start_timeout: int = 90
    podman_args: tuple[str, ...] = ()
    requires_units: tuple[str, ...] = ()


@dataclass(frozen=True)
class Database:
    """A database with a user of its own (or of the same component) and the command that brings its schema to target."""

    name: str
    user: str
    migrate: tuple[str, ...] = ()
    version_query: str = ""


@dataclass(frozen=True)
class Endpoint:
    """An API in Keystone's catalogue and behind HAProxy."""

    api: str
    type: str
    port: int
    service: str
    path: str = ""
    description: str = ""
    check: str = "/"
    expect: tuple[int, ...] = (200,)


@dataclass(frozen=True)
class Account:
    """A service user in Keystone with its roles in the service project."""

    name: str
    roles: tuple[str, ...] = ("service",)


@dataclass(frozen=True)
class Component:
    """An OpenStack project or infrastructure product with all that it brings to a cloud."""

    name: str
    image: Image
    services: tuple[Service, ...] = ()
    directories: Callable[[Context], tuple[Directory, ...]] | tuple[Directory, ...] = ()
    databases: tuple[Database, ...] = ()
    endpoints: tuple[Endpoint, ...] = ()
    accounts: tuple[Account, ...] = ()
