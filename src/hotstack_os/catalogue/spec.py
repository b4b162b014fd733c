"""The words in which a component is described. Data and pure functions only; `registry` lists the components."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from hotstack_os.hidden import Hidden
from hotstack_os.render.lines import Lines

if TYPE_CHECKING:
    from hotstack_os.catalogue.context import Context

Value = str | int | float | bool | Hidden | tuple[str, ...]
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
        unpack: Debian packages of which only the files are taken, without dependencies and scripts.
        pip: PyPI projects added to /opt/openstack; versions come from the release's lock.
        without: PyPI projects that those require and that nothing we run uses: left out.
        builds: PyPI projects without wheels: this image only makes wheels of them, for all others; no service runs it.
        user: the user that containers run as by default; made at build time.
        files: path in the image → name of a file in images/files/; mode 0755 below a bin or sbin directory, else 0644.
        steps: shell lines run as root after all else, each in a subshell: also where what was installed is tried out
            ("haproxy -v"), so that a broken image is a failed build.
        path: extra directories in front of PATH.
    """

    name: str
    parent: str | None = "base"
    deb: tuple[str, ...] = ()
    unpack: tuple[str, ...] = ()
    pip: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    builds: tuple[str, ...] = ()
    user: User | None = None
    files: Mapping[str, str] = field(default_factory=dict)
    steps: tuple[str, ...] = ()
    path: tuple[str, ...] = ()


@dataclass(frozen=True)
class Beat:
    """A row that a service renews: `column` (UTC) of `table` where `where`, at most `seconds` old.

    "{node}" stands for the node's name.
    """

    table: str
    column: str
    where: str
    seconds: int


@dataclass(frozen=True)
class Login:
    """A user of the broker, or of a database, that a service logs in as; its password is the secret KIND-USER."""

    kind: Literal["rabbitmq", "database"]
    user: str
    database: str = ""

    @property
    def name(self) -> str:
        """How it is called in messages."""
        return f"{self.kind} login {self.user}"


@dataclass(frozen=True)
class Probe:
    """A question that only a working service can answer; `node/health.py` says what each kind proves.

    Attributes:
        kind: the protocol in which it is asked, at the service's own address and port.
        path: for "http": what is requested; for "memcached" and "ovn-agent": the socket on the node at which it
            answers, the latter for metadata.
        expect: for "http": statuses that mean health.
        name: for "dns": the host name whose address is asked for, without the domain; for "ovsdb": the database; for
            "worker": a lock that the service holds in OVN's northbound database.
        deep: for "http": what is requested every `deep_rounds` rounds with the token of the account `health` and
            `deep_headers`; unlike `path` it takes the service into its database, or through its queue, and is answered
            with `deep_expect`. "{project}" and "{user}" stand for the ids of the account and its project.
        logins: what the service uses when a user's request needs it and no request that only reads does: tried in its
            stead, every few rounds, with its own password.
        queue: for "rpc": the queue that the service consumes from; "{node}" stands for the node's name.
        beat: for "rpc": the row in which the service says that it is alive.
        database, seconds: for "worker": which database the service must have queried within how many seconds.
        ask: for "unixctl": commands for the control socket `path` on the node, with the answers of a healthy process.
    """

    kind: Literal["tcp", "http", "amqp", "mysql", "memcached", "dns", "rpc", "worker", "ovsdb", "unixctl", "ovn-agent"]
    path: str = "/"
    expect: tuple[int, ...] = (200, 300)
    name: str = ""
    deep: str = ""
    deep_headers: Callable[[Context], Mapping[str, str]] | None = None
    deep_expect: int = 200
    deep_rounds: int = 5
    logins: tuple[Login, ...] = ()
    queue: str = ""
    beat: Beat | None = None
    seconds: int = 60
    database: str = ""
    ask: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Mount:
    """A bind mount into a container; at the same path inside where `target` is empty.

    Paths may use the places of `places()`: "{data}/mysql".
    """

    source: str
    target: str = ""
    writable: bool = True
    shared: bool = False


@dataclass(frozen=True)
class Directory:
    """A directory on the node that a component needs; `path` as in `Mount`.

    Owner and group are names that the node knows or numbers as text; the users of images have numbers only.
    """

    path: str
    owner: str = "root"
    group: str = "root"
    mode: int = 0o755


@dataclass(frozen=True)
class Options:
    """What a user may set in a configuration file, or on a command line.

    Attributes:
        sections: those that it has; empty: any that no other file of the service has, as oslo.config's files do.
        own: section → option → why it is the program's alone, and what to do instead: what the rest of the cloud relies
            on, such as where a service listens, and secrets.
        lines: how it is written where that is not an ini file; None: as one.
        strict: makes the program refuse options that it does not know; where the user sets any.
    """

    sections: tuple[str, ...] = ()
    own: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    lines: Lines | None = None
    strict: Callable[[Ini], Ini] | None = None


@dataclass(frozen=True)
class ConfigFile:
    """A file mounted read-only at `path` inside the container.

    `render` returns sections (written as `options` say; the secret options of an ini file go to a file of their own at
    `secrets`), a text, or a secret text. What the user's `services.<name>.config` has for its sections is laid over
    them; where there are no `options`, nothing is. What is for `several` nodes is left out of clouds with one.
    """

    path: str
    render: Callable[[Context], Ini | str | Hidden]
    secrets: str = ""
    several: bool = False
    options: Options | None = None


@dataclass(frozen=True)
class Prepare:
    """A command that fills an empty directory once, before the service's first start, in the service's own image."""

    command: tuple[str, ...]
    directory: str


@dataclass(frozen=True)
class Api:
    """A frontend of HAProxy on the gateway address: the port is the cloud's `ports[name]`.

    `check` is what HAProxy asks the service, and `expect` the status that means UP.
    """

    name: str
    check: str = "/"
    expect: int = 200


@dataclass(frozen=True)
class Service:
    """One long-running process in one container under one systemd unit.

    Attributes:
        name: unit hotstack-os-<name>.service, container hotstack-os-<name>.
        image: name of its image.
        command: argv of the process.
        arguments: options that a user may add to its command line; their section is the program's name.
        workers, threads: the option, as SECTION.OPTION, that the user's number becomes; empty: it takes none.
        port: where it listens, by TCP; a name stands for a port of the settings, 0 for nowhere.
        at: the addresses at which it does, where it lives in the node's own network: names of what a `Context` has.
        udp: whether it also listens there by UDP.
        loopback: TCP ports by which its own processes reach each other, and nobody else does.
        probe: how its health is asked for.
        offset: of its address in the container network; None: it lives in the node's own network.
        uid: user (and group) it runs as; 0 only where the service cannot do without.
        capabilities: what it keeps of root's powers; all others are dropped.
        privileged: full access to the node's kernel.
        publish: names of the settings' ports that are published on the gateway address; "*" for all of them.
        api: its frontend at HAProxy.
        after: services that it uses: they start first and are up before it is created, but never take it down.
        databases: databases whose schema must be at target before it starts.
        logs_in: it logs in at Keystone when it starts, and remembers the catalogue: accounts and endpoints come first.
        removal: argv, run on the node when the service is removed for good: takes away what it made there.
        check: argv, run in the image with the new configuration mounted, that refuses a wrong configuration.
        units: units of the node without which it cannot run; it is started after them and restarted with them.
        start_timeout, stop_timeout: seconds.
    """

    name: str
    image: str
    command: tuple[str, ...]
    port: int | str
    probe: Probe
    at: tuple[Literal["gateway", "dns", "ip"], ...] = ()
    udp: bool = False
    loopback: tuple[int, ...] = ()
    offset: int | None = None
    arguments: Options | None = None
    workers: str = ""
    threads: str = ""
    uid: int = 0
    config: tuple[ConfigFile, ...] = ()
    mounts: tuple[Mount, ...] = ()
    tmpfs: tuple[str, ...] = ("/tmp",)  # noqa: S108 (inside the container)
    environment: Mapping[str, str] = field(default_factory=dict)
    capabilities: tuple[str, ...] = ()
    privileged: bool = False
    read_only: bool = True
    publish: tuple[str, ...] = ()
    api: Api | None = None
    after: tuple[str, ...] = ()
    databases: tuple[str, ...] = ()
    logs_in: bool = False
    prepare: Prepare | None = None
    removal: tuple[str, ...] = ()
    check: tuple[str, ...] = ()
    podman_args: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    start_timeout: int = 180
    stop_timeout: int = 15


@dataclass(frozen=True)
class Database:
    """A database, its user, and the command that brings its schema to the heads that the image was built with.

    `service` lends image, configuration and user to the one-shot container that runs `migrate`; `project` names the
    heads in the image's record; `version_table` is where Alembic keeps what is applied.
    """

    name: str
    user: str
    service: str
    migrate: tuple[str, ...]
    project: str
    version_table: str = "alembic_version"


@dataclass(frozen=True)
class Cell:
    """A cell of Nova: servers whose records are in `database`, reached through the queues of `transport`.

    Both are templates that each service fills in from its own configuration, so that no password is in a mapping
    (Nova's CellMapping.format_db_url). `api_database` holds the mapping.
    """

    name: str
    database: str
    transport: str
    api_database: str = "nova_api"

    @property
    def connection(self) -> str:
        """The template of the database's URL."""
        return f"{{scheme}}://{{username}}:{{password}}@{{hostname}}:{{port}}/{self.database}?{{query}}"


@dataclass(frozen=True)
class Endpoint:
    """A service of Keystone's catalogue with its public, internal and admin URL: the API's plus `path`."""

    name: str
    type: str
    api: str
    path: str = ""
    description: str = ""


@dataclass(frozen=True)
class Account:
    """A service user in Keystone with its roles in the project `service`."""

    name: str
    roles: tuple[str, ...] = ("service",)


@dataclass(frozen=True)
class Domain:
    """A Keystone domain of a component's own and the user in it that has the role admin on it, and nothing elsewhere.

    The user's password is the secret keystone-<administrator>.
    """

    name: str
    administrator: str


@dataclass(frozen=True)
class Component:
    """An OpenStack project or infrastructure product with all that it brings to a cloud."""

    name: str
    services: tuple[Service, ...] = ()
    directories: tuple[Directory, ...] = ()
    databases: tuple[Database, ...] = ()
    endpoints: tuple[Endpoint, ...] = ()
    accounts: tuple[Account, ...] = ()
    queues: tuple[str, ...] = ()
    """RabbitMQ users."""
    cells: tuple[Cell, ...] = ()
    """Cells, which are mapped before the component's services start: these read the mappings once."""
    roles: tuple[str, ...] = ()
    """Roles in Keystone that users of the component need."""
    domains: tuple[Domain, ...] = ()
