"""Settings, catalogue and facts of a node become one resolved service each: nothing left to look up. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address

from hotstack_os.catalogue.context import Context, Facts
from hotstack_os.catalogue.spec import Component, ConfigFile, Directory, Mount, Options, Service
from hotstack_os.hidden import Hidden
from hotstack_os.render import ini, lines
from hotstack_os.settings.cloud import Cloud
from hotstack_os.settings.takes import Takes


@dataclass(frozen=True)
class Rendered:
    """The files of one service by their path in the container: what anyone may read, and what is secret."""

    public: Mapping[str, str]
    secret: Mapping[str, Hidden]


def make_context(
    cloud: Cloud,
    facts: Facts,
    components: Iterable[Component],
    secret: Callable[[str], Hidden],
    fernet: Callable[[str], Hidden],
    here: Iterable[Component] | None = None,
) -> Context:
    """The context in which components of the cloud are rendered for a node; `here` are those of a further node."""
    chosen = tuple(components)
    services = [service for component in chosen for service in component.services]
    present = {service.name for component in (chosen if here is None else here) for service in component.services}
    return Context(
        cloud=cloud,
        facts=facts,
        secret=secret,
        fernet=fernet,
        addresses={
            service.name: _address(cloud, service, facts.name if service.name in present else "")
            for service in services
        },
        ports={service.name: _port(cloud, service) for service in services},
        apis=tuple((service, service.api) for service in services if service.api),
        queues=tuple(name for component in chosen for name in component.queues),
        elsewhere=frozenset(service.name for service in services) - present,
    )


def _address(cloud: Cloud, service: Service, node: str) -> IPv4Address:
    """Of a service on `node`; on the first one where it is on no node that is asked about."""
    if service.offset is None:
        return cloud.nodes.get(node, cloud.networks.gateway)
    return cloud.networks.containers.network_address + service.offset


def _port(cloud: Cloud, service: Service) -> int:
    return service.port if isinstance(service.port, int) else cloud.ports[service.port]


def render(service: Service, context: Context) -> Rendered:
    """All configuration files of a service, the user's options laid over them."""
    public: dict[str, str] = {}
    secret: dict[str, Hidden] = {}
    for file in (each for each in service.config if context.peers or not each.several):
        content = file.render(context)
        if isinstance(content, str):
            public[file.path] = content
        elif isinstance(content, Hidden):
            secret[file.path] = content
        else:
            sections = _laid_over(content, service, file.options, context)
            written = file.options.lines if file.options else None
            public[file.path] = written.text(sections) if written else ini.public(sections)
            _split(file, sections, secret)
    return Rendered(public, secret)


def _laid_over(content: ini.Sections, service: Service, options: Options | None, context: Context) -> ini.Sections:
    if options is None:
        return content
    # oslo.config tells options apart to the letter; other programs do not.
    laid = ini.merge(content, _wanted(service, options, context), alike=bool(options.sections))
    asked = context.settings(service.name).config.keys() & set(options.sections)
    return options.strict(laid) if options.strict and asked else laid


def command(service: Service, context: Context) -> tuple[str, ...]:
    """The argv of a service: what the user wants comes last, where it counts."""
    if service.arguments is None:
        return service.command
    over = _wanted(service, service.arguments, context)
    return (*service.command, *(word for options in over.values() for word in lines.arguments(options)))


def takes(service: Service) -> Takes:
    """What the settings may say of a service."""
    kinds = _options(service)
    own: dict[str, Mapping[str, str]] = {}
    for kind in kinds:
        for section, options in kind.own.items():
            own[section] = {**own.get(section, {}), **options}
    return Takes(
        sections=tuple(section for kind in kinds for section in kind.sections),
        any_section=any(not kind.sections for kind in kinds),
        own=own,
        phrases=tuple(section for kind in kinds if kind.lines and kind.lines.phrases for section in kind.sections),
        workers=service.workers,
        threads=service.threads,
    )


def _options(service: Service) -> list[Options]:
    found = [file.options for file in service.config if file.options]
    return [*found, service.arguments] if service.arguments else found


def _wanted(service: Service, options: Options, context: Context) -> dict[str, dict[str, ini.Value]]:
    """What the user wants of a file or a command line of a service."""
    said = context.settings(service.name)
    everything: dict[str, dict[str, ini.Value]] = {name: dict(each) for name, each in said.config.items()}
    for becomes, number in ((service.workers, said.workers), (service.threads, said.threads)):
        if becomes and number is not None:
            section, _, option = becomes.partition(".")
            everything.setdefault(section, {}).setdefault(option, number)
    others = {section for each in _options(service) for section in each.sections}
    mine = options.sections or everything.keys() - others
    return {section: each for section, each in everything.items() if section in mine}


def _split(file: ConfigFile, sections: ini.Sections, secret: dict[str, Hidden]) -> None:
    hidden = ini.secret(sections)
    if hidden is not None:
        if not file.secrets:
            raise ValueError(f"{file.path} has secret options but no file for them")
        secret[file.secrets] = hidden


def places(context: Context) -> Mapping[str, str]:
    """What the places in paths of the catalogue stand for."""
    paths = context.cloud.paths
    return {
        "data": str(paths.data),
        "instances": str(paths.instances),
        "volumes": str(paths.volumes),
        "mounts": str(paths.mounts),
    }


def located(thing: str, context: Context) -> str:
    """A path of the catalogue with its places filled in."""
    return thing.format_map(places(context))


def mounts(service: Service, context: Context) -> tuple[Mount, ...]:
    """The mounts of a service with real paths, targets given."""
    return tuple(
        Mount(located(each.source, context), located(each.target or each.source, context), each.writable, each.shared)
        for each in service.mounts
    )


def directories(component: Component, context: Context) -> tuple[Directory, ...]:
    """The directories of a component with real paths."""
    return tuple(
        Directory(located(each.path, context), each.owner, each.group, each.mode) for each in component.directories
    )


def published(service: Service, context: Context) -> tuple[int, ...]:
    """The TCP ports that a service publishes on the gateway address."""
    if service.publish == ("*",):
        return tuple(
            sorted({context.cloud.ports[api.name] for _, api in context.apis} | {context.cloud.ports["stats"]})
        )
    return tuple(context.cloud.ports[name] for name in service.publish)


def hosts_block(context: Context, names: Iterable[str]) -> str:
    """The lines of /etc/hosts by which a node and its containers find the APIs."""
    return f"{context.gateway} {' '.join(names)}\n"
