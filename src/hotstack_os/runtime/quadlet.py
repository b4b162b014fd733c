"""A service as a Quadlet file: what podman-systemd.unit(5) turns into hotstack-os-<service>.service. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

from hotstack_os.catalogue import resolve
from hotstack_os.catalogue.context import Context
from hotstack_os.catalogue.spec import Service
from hotstack_os.hidden import Hidden
from hotstack_os.network.addresses import mac_of

PREFIX = "hotstack-os-"
WRITTEN = "# Written by HotStack-OS."
"""The first line of files that are ours alone."""
NETWORK = "hotstack-os"
TARGET = "hotstack-os.target"
SETUP = "hotstack-os-infra-setup.service"
FIREWALL = "hotstack-os-firewall.service"
NETWORKS = "/etc/containers/networks"
QUADLETS = "/etc/containers/systemd"
SHARED = (NETWORKS, QUADLETS)
"""Podman's own directories, in which other people's networks and units lie as well."""
LEASES = 9
"""Addresses for one-shot containers at the end of the containers' network: what a /26 leaves beside the services."""
CONFIG = "/etc/hotstack-os/config"
SECRETS = "/etc/hotstack-os/secrets"
REMOVALS = "/etc/hotstack-os/removals"
"""What is to be run on the node when a service is removed for good, as it was when the service was last started."""
LABEL = "hotstack-os."
HEALTH = "/usr/lib/hotstack-os/health.py"


@dataclass(frozen=True)
class Container:
    """A service with everything that decides how it runs; two equal ones need no restart.

    Attributes:
        files: public configuration by path in the container.
        secrets: secret configuration by path in the container.
        hosts: the node's hosts block, which podman copies when it creates a container.
    """

    service: Service
    image: str
    files: Mapping[str, str]
    secrets: Mapping[str, Hidden]
    hosts: str
    context: Context

    @property
    def unit(self) -> str:
        return unit_name(self.service.name)

    @property
    def start_seconds(self) -> int:
        """How long the service may show no progress before its start has failed."""
        return round(self.service.start_timeout * self.context.cloud.patience)

    @property
    def config_root(self) -> str:
        """Directory of the public files, named by their digest."""
        return f"{CONFIG}/{self.service.name}/{digest(self.files)}"

    @property
    def secrets_root(self) -> str:
        """Directory of the secret files, named by the digest of their fingerprints."""
        prints = {path: text.fingerprint.digest for path, text in self.secrets.items()}
        return f"{SECRETS}/{self.service.name}/{digest(prints)}"

    @property
    def node_files(self) -> Mapping[str, str]:
        """Path on the node → path in the container, for all configuration."""
        public = {f"{self.config_root}/{flat(path)}": path for path in self.files}
        return public | {f"{self.secrets_root}/{flat(path)}": path for path in self.secrets}


def unit_name(service: str) -> str:
    """The systemd unit of a service."""
    return f"{PREFIX}{service}.service"


def digest(mapping: Mapping[str, str]) -> str:
    """Sixteen hexadecimal digits that name a set of texts."""
    return hashlib.sha256(json.dumps(mapping, sort_keys=True).encode()).hexdigest()[:16]


def flat(path: str) -> str:
    """A path in the container as one file name: etc.keystone.keystone.conf."""
    return path.strip("/").replace("/", ".")


def container_args(container: Container, network: str = "") -> tuple[str, ...]:
    """Options of `podman run` that a one-shot container shares with the service: user, rights, files, environment."""
    service = container.service
    args = [
        f"--user={service.uid}:{service.uid}",
        "--pull=never",
        "--log-driver=none",
        f"--network={network or _network(service)}",
    ]
    args += ["--privileged"] if service.privileged else ["--cap-drop=all", "--security-opt=no-new-privileges"]
    args += [f"--cap-add={name}" for name in service.capabilities]
    args += ["--read-only", "--read-only-tmpfs=false"] if service.read_only else []
    args += [f"--tmpfs={path}" for path in service.tmpfs]
    args += [f"--volume={volume}" for volume in volumes(container)]
    args += [f"--env={name}={value}" for name, value in service.environment.items()]
    return (*args, *service.podman_args)


def _network(service: Service) -> str:
    return "host" if service.offset is None else NETWORK


def volumes(container: Container) -> tuple[str, ...]:
    """All bind mounts as podman's source:target:options."""
    config = [f"{source}:{target}:ro" for source, target in container.node_files.items()]
    data = []
    for mount in resolve.mounts(container.service, container.context):
        options = [option for option, wanted in (("ro", not mount.writable), ("shared", mount.shared)) if wanted]
        data.append(":".join([mount.source, mount.target, *([",".join(options)] if options else [])]))
    return (*config, *data)


def text(container: Container) -> str:
    """The Quadlet file without its label: what of the unit itself decides about a restart."""
    return "\n".join([*_unit(container), *_container(container), *_service(container), *_install(), ""])


def labelled(container: Container) -> str:
    """The Quadlet file with labels that say what exactly the running container was started from."""
    labels = f"Label={LABEL}digest={restart_digest(container)}\nLabel={LABEL}hosts={hosts_digest(container)}\n"
    return text(container).replace("[Container]\n", f"[Container]\n{labels}", 1)


def value(text: str, key: str) -> str:
    """What a Quadlet file says of a key that is there once at most."""
    return next((line.removeprefix(f"{key}=") for line in text.splitlines() if line.startswith(f"{key}=")), "")


def hosts_digest(container: Container) -> str:
    """Names the hosts block that a container was created with."""
    return digest({"hosts": container.hosts})


def restart_digest(container: Container) -> str:
    """Changes when, and only when, the running container is no longer what is wanted."""
    return digest({"unit": text(container), "hosts": container.hosts})


def _unit(container: Container) -> list[str]:
    service = container.service
    here = [name for name in service.after if name not in container.context.elsewhere]
    before = [SETUP, *service.units, *map(unit_name, here)]
    return [
        WRITTEN,
        "[Unit]",
        f"Description=HotStack-OS {service.name}",
        f"After={' '.join(before)}",
        f"Wants={' '.join(before)}",
        *(f"{key}={' '.join(service.units)}" for key in ("Requires", "PartOf") if service.units),
        "StartLimitIntervalSec=0",
        "",
    ]


def _container(container: Container) -> list[str]:
    service = container.service
    lines = ["[Container]", f"ContainerName={PREFIX}{service.name}", f"Image={container.image}", "Pull=never"]
    lines += [f"Label={LABEL}service={service.name}"]
    lines += [f"Exec={' '.join(_quoted(word) for word in service.command)}"]
    lines += _addressing(container)
    lines += [f"User={service.uid}", f"Group={service.uid}"]
    lines += _rights(service)
    lines += [f"Tmpfs={path}" for path in service.tmpfs]
    lines += [f"Volume={volume}" for volume in volumes(container)]
    lines += [f"Environment={_quoted(f'{name}={value}')}" for name, value in service.environment.items()]
    lines += ["LogDriver=journald", f"StopTimeout={service.stop_timeout}"]
    lines += [f"PodmanArgs={arg}" for arg in service.podman_args]
    return [*lines, ""]


def _addressing(container: Container) -> list[str]:
    service, context = container.service, container.context
    if service.offset is None:
        return ["Network=host"]
    ports = resolve.published(service, context)
    address = context.address(service.name)
    return [
        f"Network={NETWORK}",
        f"IP={address}",
        f"PodmanArgs=--mac-address={mac_of(address)}",
        f"HostName={service.name}",
        *(f"PublishPort={context.gateway}:{port}:{port}" for port in ports),
    ]


def _rights(service: Service) -> list[str]:
    if service.privileged:
        return ["PodmanArgs=--privileged"]
    lines = ["DropCapability=all", "NoNewPrivileges=true"]
    lines += [f"AddCapability={' '.join(service.capabilities)}"] if service.capabilities else []
    return lines + (["ReadOnly=true", "ReadOnlyTmpfs=false"] if service.read_only else [])


def _service(container: Container) -> list[str]:
    service = container.service
    return [
        "[Service]",
        f"ExecStartPost={HEALTH} wait {service.name} {container.start_seconds}",
        "Restart=always",
        "RestartSec=500ms",
        "RestartSteps=6",
        "RestartMaxDelaySec=30",
        f"TimeoutStartSec={container.start_seconds + 30}",
        f"TimeoutStopSec={service.stop_timeout + 15}",
        "",
    ]


def _install() -> list[str]:
    return ["[Install]", f"WantedBy={TARGET}"]


def _quoted(word: str) -> str:
    """A word as systemd.service(5) and Quadlet take it literally: no specifiers, no variables, no splitting."""
    text = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{text}"' if not word or set(word) & set(" \t;'\"\\") else text


def network_text(context: Context) -> str:
    """podman's own record of the containers' network, as `podman network create` would leave it.

    Written rather than created: podman refuses a network in which this machine has an address, and the servers' DNS
    address lies in it. Names come from the hosts block, so podman's DNS stays off.
    """
    networks = context.cloud.networks
    last = networks.containers.broadcast_address - 1
    subnet = {
        "subnet": str(networks.containers),
        "gateway": str(networks.containers.network_address + 1),
        # One-shot containers get an address from here, out of the way of the services' own.
        "lease_range": {"start_ip": str(last - LEASES + 1), "end_ip": str(last)},
    }
    record = {
        "name": NETWORK,
        "id": hashlib.sha256(NETWORK.encode()).hexdigest(),
        "driver": "bridge",
        "network_interface": "hot-podman",
        "created": "2025-10-01T00:00:00Z",
        "subnets": [subnet],
        "ipv6_enabled": False,
        "internal": False,
        "dns_enabled": False,
        "ipam_options": {"driver": "host-local"},
    }
    return json.dumps(record, indent=1) + "\n"
