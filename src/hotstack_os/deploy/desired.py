"""The desired state of nodes: everything that follows from settings, catalogue and facts. Pure.

Order is never written down here: each thing names what it needs, and the plan finds the order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from importlib import resources as package_files

from hotstack_os.bootstrap import cells, databases, identity, queues, schema
from hotstack_os.bootstrap.identity import INTERFACES
from hotstack_os.catalogue import infrastructure, migration, resolve
from hotstack_os.catalogue.spec import Database, Directory, Service
from hotstack_os.core.model import Ref, Resource, Value
from hotstack_os.deploy import compute, content, local, members
from hotstack_os.deploy.node import Node, hosts_text
from hotstack_os.health.probes import ACCOUNT, probe_file
from hotstack_os.host import files, units, user_units, users
from hotstack_os.network import addresses, firewall, ovs
from hotstack_os.runtime import boot, leftovers, libvirt, quadlet, services

EXTERNAL, INTEGRATION = "hot-ex", "hot-int"
NETWORK_FILE = f"{quadlet.NETWORKS}/{quadlet.NETWORK}.json"
GATE_SECONDS = 600


def desired(node: Node) -> dict[Ref, Resource]:
    """Every resource of a node."""
    everywhere = (_directories, _files, _compute, _network, _units, _services)
    if node.first:
        return _in_member(node, (each for part in everywhere for each in part(node)))
    parts = (*everywhere, _of_containers, _keys, _members, _databases, _queues, _cells, _identity)
    wanted = {each.ref: each for part in parts for each in part(node)}
    cloud = node.context.cloud
    return local.on_this_machine(wanted, cloud, node.name) if cloud.target == "local" else wanted


def with_needs(refs: Iterable[Ref], wanted: Mapping[Ref, Resource]) -> dict[Ref, Resource]:
    """Resources with all that they need, and what that needs."""
    found: dict[Ref, Resource] = {}
    todo = list(refs)
    while todo:
        each = wanted[todo.pop()]
        found[each.ref] = each
        todo += each.needs - found.keys()
    return found


def _members(node: Node) -> Iterator[Resource]:
    """Further nodes, which share the directory of volumes with this one."""
    volumes = node.ref(files.DIRECTORY, str(node.context.cloud.paths.volumes))
    for name in node.context.cloud.nodes:
        yield members.member(name, node.name, frozenset({volumes}))


def _in_member(node: Node, resources: Iterable[Resource]) -> dict[Ref, Resource]:
    """What is on a further node goes when that goes."""
    member = Ref(members.KIND, node.name, node.first)
    return {each.ref: replace(each, needs=each.needs | {member}, within=each.within or member) for each in resources}


def _all_directories(node: Node) -> dict[str, Directory]:
    paths = node.context.cloud.paths
    own = (
        Directory("/etc/hotstack-os"),
        Directory(quadlet.QUADLETS),
        Directory("/usr/lib/hotstack-os"),
        Directory(str(paths.data)),
        Directory("/run/hotstack-os"),
    )
    first = (
        Directory(quadlet.NETWORKS),
        Directory("/run/hotstack-os/mariadb", str(infrastructure.MYSQL_UID), str(infrastructure.MYSQL_UID)),
    )
    found = [
        *own,
        *(() if node.first else first),
        *(each for component in node.components for each in resolve.directories(component, node.context)),
    ]
    return {each.path: each for each in found}


def _directories(node: Node) -> Iterator[Resource]:
    wanted = _all_directories(node)
    filled = {resolve.located(each.prepare.directory, node.context) for each in node.services.values() if each.prepare}
    for each in wanted.values():
        resource = files.directory(
            each.path, node.name, owner=each.owner, group=each.group, mode=each.mode, filled=each.path in filled
        )
        user = {node.ref(users.USER, libvirt.USER)} if libvirt.USER in (each.owner, each.group) else set()
        above = [path for path in wanted if each.path.startswith(f"{path}/")]
        nearest = max(above, key=len, default=None)
        outer = node.ref(files.DIRECTORY, nearest) if nearest else None
        yield Resource(
            resource.ref, resource.state, frozenset({outer, *user} if outer else user), outer, resource.foreign
        )


def _compute(node: Node) -> Iterator[Resource]:
    yield from compute.resources(node.context, _up(node))


def _files(node: Node) -> Iterator[Resource]:
    context = node.context
    yield _file(node, quadlet.HEALTH, _health_program(), mode=0o755)
    yield _file(node, "/etc/hotstack-os/health.json", probe_file(node.services, context), mode=0o600)
    # Debian's package draws an id at random. It comes back when the cloud goes.
    yield replace(files.file("/etc/openvswitch/system-id.conf", node.name, f"{context.facts.name}\n"), foreign="adopt")
    yield files.block("/etc/hosts", node.name, hosts_text(context))


def _of_containers(node: Node) -> Iterator[Resource]:
    """The containers' network, and that the node forwards between it and the provider network."""
    yield _file(node, NETWORK_FILE, quadlet.network_text(node.context))
    forwarding = addresses.sysctl("net.ipv4.ip_forward", "1", node.name)
    yield replace(forwarding, needs=frozenset({node.ref(firewall.TABLE, firewall.NAME)}))


def _keys(node: Node) -> Iterator[Resource]:
    for index, purpose in (("0", "staged"), ("1", "primary")):
        yield _key_file(node, "fernet-keys", index, f"keystone-fernet-{purpose}")
        yield _key_file(node, "credential-keys", index, f"keystone-credential-{purpose}")


def _file(node: Node, path: str, text: files.Text, *, mode: int = 0o644, owner: str = "root") -> Resource:
    """A file in one of our directories, with which it goes; one in podman's goes by itself."""
    directory = path.rpartition("/")[0]
    above = node.ref(files.DIRECTORY, directory)
    resource = files.file(path, node.name, text, mode=mode, owner=owner)
    within = None if directory in quadlet.SHARED else above
    return Resource(resource.ref, resource.state, frozenset({above}), within)


def _key_file(node: Node, directory: str, index: str, secret: str) -> Resource:
    owner = str(node.services["keystone"].uid)
    path = f"{node.context.cloud.paths.data}/keystone/{directory}/{index}"
    return _file(node, path, node.context.fernet(secret), mode=0o400, owner=owner)


def _network(node: Node) -> Iterator[Resource]:
    networks, facts = node.context.cloud.networks, node.context.facts
    identity_file = node.ref(files.FILE, "/etc/openvswitch/system-id.conf")
    database = units.running("ovsdb-server.service", node.name, frozenset({identity_file}))
    yield database
    ids = {"system-id": facts.name, "hostname": facts.name, **compute.chassis(node.context)}
    settings = ovs.settings(node.name, ids, compute.other_config(node.context), frozenset({database.ref}))
    yield settings
    switch = units.running("openvswitch-switch.service", node.name, frozenset({settings.ref}))
    yield switch
    needs = frozenset({switch.ref})
    datapath, mtu = facts.datapath.value, networks.mtu
    mac = addresses.mac_of(node.context.ip) if node.first else ""
    yield ovs.bridge(EXTERNAL, node.name, datapath=datapath, fail_mode="", mtu=mtu, needs=needs, mac=mac)
    yield ovs.bridge(INTEGRATION, node.name, datapath=datapath, fail_mode="secure", mtu=mtu, needs=needs)
    # Nothing reaches the node, or goes through it, before there are rules about that.
    external = frozenset({node.ref(ovs.BRIDGE, EXTERNAL), node.ref(firewall.TABLE, firewall.NAME)})
    for cidr in _cidrs(node):
        yield addresses.address(EXTERNAL, cidr, node.name, external)
    yield from (addresses.route(network, via, node.name, _up(node)) for network, via in _routes(node))
    for device, before in _cables(node).items():
        yield ovs.port(EXTERNAL, device, node.name, before)
    table = firewall.load_script(_rules(node))
    yield firewall.firewall(node.name, table, frozenset({node.ref(files.DIRECTORY, "/etc/hotstack-os")}))


def _rules(node: Node) -> str:
    """Further nodes use queues and OVN's databases where these are: in the containers' network."""
    context = node.context
    ports = () if node.first else context.cloud.ports.values()
    behind = () if node.first else (context.ports[name] for name in ("rabbitmq", "ovn-nb-db", "ovn-sb-db"))
    between = (migration.SSH_PORT, migration.LIBVIRT_PORT)
    return firewall.rules(context.cloud.networks, EXTERNAL, ports, context.peers, behind, between)


def _cables(node: Node) -> dict[str, frozenset[Ref]]:
    """Devices that plug the nodes together → what must be there before."""
    if node.first:
        return {members.UPLINK: frozenset()}
    cloud = node.context.cloud
    return {members.device(name): frozenset({node.ref(members.KIND, name)}) for name in cloud.nodes}


def _cidrs(node: Node) -> tuple[str, ...]:
    networks = node.context.cloud.networks
    own = f"{node.context.ip}/{networks.provider.prefixlen}"
    return (own,) if node.first else (own, f"{networks.dns}/32")


def _routes(node: Node) -> tuple[tuple[str, str], ...]:
    """(network, gateway): a further node's way to the containers."""
    networks = node.context.cloud.networks
    return ((str(networks.containers), str(networks.gateway)),) if node.first else ()


def _up(node: Node) -> frozenset[Ref]:
    """The node's addresses: without them there are no routes."""
    return frozenset(node.ref(addresses.ADDRESS, f"{EXTERNAL}/{cidr}") for cidr in _cidrs(node))


def _forwards(node: Node) -> frozenset[Ref]:
    return frozenset() if node.first else frozenset({node.ref(addresses.SYSCTL, "net.ipv4.ip_forward")})


def _reached(node: Node) -> Iterator[Ref]:
    """What a further node reaches the first by."""
    if node.first:
        yield from (node.ref(addresses.ROUTE, network) for network, _ in _routes(node))
        yield from (node.ref(ovs.PORT, f"{EXTERNAL}/{device}") for device in _cables(node))


def _units(node: Node) -> Iterator[Resource]:
    volatile = [each for path, each in _all_directories(node).items() if path.startswith("/run/")]
    bridges = (EXTERNAL, INTEGRATION)
    ready_for_setup = {
        *(node.ref(ovs.BRIDGE, each) for each in bridges),
        *_up(node),
        *_reached(node),
        *_forwards(node),
        *(node.ref(files.DIRECTORY, each.path) for each in volatile),
        node.ref(units.UNIT, quadlet.FIREWALL),
    }
    yield units.unit(
        quadlet.FIREWALL, node.name, boot.firewall_unit(), frozenset({node.ref(firewall.TABLE, firewall.NAME)})
    )
    given = [(EXTERNAL, cidr) for cidr in _cidrs(node)]
    text = boot.setup(bridges, given, volatile, _routes(node), forwards=not node.first)
    yield units.unit(quadlet.SETUP, node.name, text, frozenset(ready_for_setup))
    health = frozenset({node.ref(files.FILE, quadlet.HEALTH), node.ref(files.FILE, "/etc/hotstack-os/health.json")})
    yield units.unit(boot.WATCH, node.name, boot.watch(), health, restart_with=_probe_digest(node))
    everything = frozenset(node.service(name) for name in node.services)
    yield units.unit(
        boot.READY,
        node.name,
        boot.ready(node.services, round(GATE_SECONDS * node.context.cloud.patience)),
        everything | health,
        active=False,
    )
    gate = frozenset({node.ref(units.UNIT, boot.READY), node.ref(units.UNIT, boot.WATCH)})
    yield units.unit(quadlet.TARGET, node.name, boot.target(), gate | everything)


def _probe_digest(node: Node) -> str:
    """What the watch has read when it started: its own program and the questions."""
    return quadlet.digest(
        {"program": _health_program(), "probes": probe_file(node.services, node.context).fingerprint.digest}
    )


def _health_program() -> str:
    return package_files.files("hotstack_os.node").joinpath("health.py").read_text()


def _databases(node: Node) -> Iterator[Resource]:
    mariadb = node.service("mariadb")
    data = node.ref(files.DIRECTORY, f"{node.context.cloud.paths.data}/mysql")
    by_user: dict[str, list[str]] = {}
    for database in node.databases.values():
        by_user.setdefault(database.user, []).append(database.name)
        yield databases.database(database.name, node.name, frozenset({mariadb}), data)
        yield _schema(node, database)
    for user, names in by_user.items():
        needs = frozenset({mariadb, *(node.ref(databases.DATABASE, name) for name in names)})
        yield databases.user(user, node.name, node.context.secret(f"database-{user}"), tuple(names), needs, data)


def _queues(node: Node) -> Iterator[Resource]:
    needs = frozenset({node.service("rabbitmq"), node.ref(files.FILE, quadlet.HEALTH)})
    data = node.ref(files.DIRECTORY, f"{node.context.cloud.paths.data}/rabbitmq")
    for name, (password, rights) in infrastructure.broker_users(node.context).items():
        yield queues.user(name, node.name, password, rights, needs, data)


def _cells(node: Node) -> Iterator[Resource]:
    for cell in (each for component in node.components for each in component.cells):
        within = node.ref(databases.DATABASE, cell.api_database)
        needs = {node.ref(schema.SCHEMA, cell.api_database), node.ref(schema.SCHEMA, cell.database)}
        yield cells.cell(cell, node.name, frozenset(needs), within)


def _schema(node: Node, database: Database) -> Resource:
    within = node.ref(databases.DATABASE, database.name)
    needs = {within, node.ref(databases.USER, database.user), *_container_needs(node)}
    heads = node.heads(node.containers[database.service].image, database.project)
    return schema.schema(database, node.name, heads, frozenset(needs), within)


def _container_needs(node: Node) -> frozenset[Ref]:
    """What every container needs of the node."""
    return frozenset(
        {
            *(() if node.first else (node.ref(files.FILE, NETWORK_FILE),)),
            node.ref(files.BLOCK, "/etc/hosts"),
            leftovers.none(node.name).ref,
            node.ref(units.UNIT, quadlet.SETUP),
            node.ref(files.FILE, quadlet.HEALTH),
            node.ref(files.FILE, "/etc/hotstack-os/health.json"),
        }
    )


def _services(node: Node) -> Iterator[Resource]:
    yield leftovers.none(node.name)
    for component in node.components:
        own = [node.ref(files.DIRECTORY, each.path) for each in resolve.directories(component, node.context)]
        for service in component.services:
            needs = {
                *_container_needs(node),
                node.ref(files.DIRECTORY, quadlet.QUADLETS),
                *own,
                *(node.service(name) for name in service.after),
                *(node.ref(schema.SCHEMA, name) for name in service.databases),
                *(node.ref(cells.CELL, cell.name) for cell in component.cells),
                *(node.ref(identity.IDENTITY, f"user/{account.name}") for account in component.accounts),
                *(each.ref for each in _keys_of(node, service)),
                *_units_of(node, service),
            }
            yield services.resource(node.containers[service.name], node.name, frozenset(needs))


def _units_of(node: Node, service: Service) -> Iterator[Ref]:
    """What a service that lives with the session libvirtd needs of it."""
    if service.units:
        yield node.ref(user_units.USER_UNIT, f"{libvirt.USER}/{libvirt.UNIT}")
        yield node.ref(units.UNIT, compute.mount_unit(str(node.context.cloud.paths.mounts)))


def _keys_of(node: Node, service: Service) -> Iterator[Resource]:
    if service.name == "keystone":
        yield from _keys(node)


def _identity(node: Node) -> Iterator[Resource]:
    access, keystone = node.access, node.service("keystone")
    within = node.ref(databases.DATABASE, "keystone")
    admin = identity.administrator(access, node.name, frozenset({keystone}), within)
    yield admin

    def thing(kind: str, name: str, state: Mapping[str, Value], *needs: str) -> Resource:
        refs = frozenset({admin.ref, *(node.ref(identity.IDENTITY, each) for each in needs)})
        return identity.thing(kind, name, state, node.name, refs, within)

    yield thing("role", "service", {})
    yield thing("project", "service", {"enabled": True})

    def user(name: str, roles: Iterable[str], *needs: str) -> Resource:
        secret = node.context.secret(f"keystone-{name.partition('@')[0]}")
        return thing("user", name, identity.user(secret, roles), *needs)

    # It asks the APIs for the health watch: what belongs to the services' project, which is next to nothing.
    yield user(ACCOUNT, ["reader@service"], "project/service")
    for component in node.components:
        for role in component.roles:
            yield thing("role", role, {})
        for domain in component.domains:
            yield thing("domain", domain.name, {"enabled": True})
            roles = [f"admin@domain {domain.name}"]
            yield user(f"{domain.administrator}@{domain.name}", roles, f"domain/{domain.name}")
        for account in component.accounts:
            roles = [f"{role}@service" for role in account.roles]
            yield user(account.name, roles, "project/service", "role/service")
        for endpoint in component.endpoints:
            yield thing("service", endpoint.name, {"type": endpoint.type, "enabled": True})
            for interface in INTERFACES:
                url = node.context.url(endpoint.api, endpoint.path)
                name = f"{endpoint.name}/{interface}"
                state: dict[str, Value] = {"url": url, "enabled": True, "region": node.context.cloud.region}
                yield thing("endpoint", name, state, f"service/{endpoint.name}")
    yield from content.resources(node, admin.ref)
