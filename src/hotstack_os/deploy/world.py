"""Who handles which kind of thing on a node."""

from __future__ import annotations

from hotstack_os.bootstrap import cells, databases, dumps, identity, queues, schema, seeds
from hotstack_os.content import credential, flavors, images, keypair, networks, quotas
from hotstack_os.content.api import Api
from hotstack_os.content.images import Door
from hotstack_os.core.handler import Handler, Key
from hotstack_os.deploy import content, members
from hotstack_os.deploy.node import Node
from hotstack_os.exec import Host
from hotstack_os.host import capabilities, files, packages, units, user_units, users
from hotstack_os.images.box_packages import NODE
from hotstack_os.network import addresses, firewall, ovs
from hotstack_os.runtime import leftovers, quadlet, quadlets, services


def handlers(node: Node, host: Host, door: Door) -> dict[Key, Handler]:
    """All handlers of one node. Programs of this machine reach the cloud's APIs through `door`."""
    found = _of_every_node(node, host) if node.first else _of_every_node(node, host) | _of_the_first(node, host, door)
    return {(node.name, kind): handler for kind, handler in found.items()}


def _of_every_node(node: Node, host: Host) -> dict[str, Handler]:
    return {
        files.DIRECTORY: files.DirectoryHandler(host, quadlet.SHARED),
        files.FILE: files.FileHandler(host, node.key),
        files.BLOCK: files.BlockHandler(host),
        units.UNIT: units.UnitHandler(host),
        capabilities.CAPABILITY: capabilities.CapabilityHandler(host),
        capabilities.RIGHTS: capabilities.RightsHandler(host),
        users.USER: users.UserHandler(host),
        user_units.USER_UNIT: user_units.UserUnitHandler(host),
        units.RUNNING: units.RunningHandler(host),
        ovs.SETTINGS: ovs.SettingsHandler(host),
        ovs.BRIDGE: ovs.BridgeHandler(host),
        ovs.PORT: ovs.PortHandler(host),
        addresses.ADDRESS: addresses.AddressHandler(host),
        addresses.ROUTE: addresses.RouteHandler(host),
        addresses.SYSCTL: addresses.SysctlHandler(host),
        firewall.TABLE: firewall.FirewallHandler(host),
        quadlets.KIND: quadlets.FormerHandler(),
        services.KIND: services.ServiceHandler(host, node.containers, node.key),
        leftovers.KIND: leftovers.LeftoversHandler(host),
    }


def _of_the_first(node: Node, host: Host, door: Door) -> dict[str, Handler]:
    administrator = node.access.admin(host)
    wanted = node.context.cloud.content
    api = Api(host, administrator, content.urls(node.context), wanted.project, wanted.user)
    return {
        members.KIND: members.MemberHandler(node.context.cloud, host, api),
        databases.DATABASE: databases.DatabaseHandler(host),
        databases.USER: databases.UserHandler(host),
        packages.PACKAGE: packages.PackageHandler(host, tuple(NODE)),
        queues.KIND: queues.QueueUserHandler(host, node.context.address("rabbitmq"), node.context.ports["rabbitmq"]),
        schema.SCHEMA: schema.SchemaHandler(host, node.databases, node.containers, _seeds(node), _dumps(node)),
        cells.CELL: cells.CellHandler(host, node.cells),
        identity.ADMIN: identity.AdministratorHandler(host, node.access, node.containers["keystone"]),
        identity.IDENTITY: identity.IdentityHandler(host, node.access, administrator),
        **_content(node, host, api, door),
    }


def _seeds(node: Node) -> seeds.Seeds:
    return seeds.Seeds(node.context.cloud.cache / "seeds", node.containers["mariadb"].image)


def _dumps(node: Node) -> dumps.Dumps:
    cloud = node.context.cloud
    return dumps.Dumps(cloud.state / dumps.DIRECTORY, cloud.name)


def _content(node: Node, host: Host, api: Api, door: Door) -> dict[str, Handler]:
    context = node.context
    wanted, access = context.cloud.content, node.access
    user = access.user(host, wanted.user, context.secret(content.password(node)), wanted.project)
    state, region = context.cloud.state, context.cloud.region
    return {
        flavors.KIND: flavors.FlavorHandler(api),
        quotas.KIND: quotas.QuotaHandler(api),
        networks.KIND: networks.NetworkHandler(api),
        keypair.KIND: keypair.KeyPairHandler(api),
        credential.KIND: credential.CredentialHandler(api, user, context.url("keystone"), region, state),
        images.KIND: images.ImageHandler(api, node.provisions.images, door, context.cloud.cache),
    }
