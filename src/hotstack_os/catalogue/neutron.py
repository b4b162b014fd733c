"""Neutron: networks, made by OVN."""

from __future__ import annotations

from collections.abc import Callable

from hotstack_os.catalogue import common
from hotstack_os.catalogue.common import Section, Sections
from hotstack_os.catalogue.context import Context
from hotstack_os.catalogue.nova import METADATA_SECRET
from hotstack_os.catalogue.spec import (
    Account,
    Api,
    Component,
    ConfigFile,
    Database,
    Directory,
    Endpoint,
    Ini,
    Mount,
    Probe,
    Service,
)
from hotstack_os.catalogue.wsgi import THREADS, WORKERS, uwsgi

UID = 64204
PORT = 9696
PHYSICAL_NETWORK = "provider"
"""The name by which networks reach the bridge hot-ex."""
MAINTENANCE_LOCK = "ovn_db_inconsistencies_periodics"
"""Held in the northbound database by the worker that repairs it (neutron, ovsdb/maintenance.py)."""

# One file, so that what the user sets is above all of it; the default is a second one for ML2.
ENVIRONMENT = {**common.ENVIRONMENT, "OS_NEUTRON_CONFIG_FILES": "neutron.conf"}


def neutron_conf(context: Context) -> Ini:
    """neutron.conf of workers beside the API, and what all have in common."""
    return {
        "DEFAULT": {
            **common.logging(),
            "state_path": "/var/lib/neutron",
            "transport_url": context.transport_url("neutron"),
            "core_plugin": "ml2",
            "service_plugins": ("ovn-router", "trunk", "port_forwarding", "qos"),
            "auth_strategy": "keystone",
            "api_workers": context.settings("neutron-server").workers or 1,
            # OVN's agents talk to its databases: nobody listens to queues.
            "rpc_workers": 0,
            "rpc_state_report_workers": 0,
            "global_physnet_mtu": context.cloud.networks.mtu,
            # A domain of its own: a server called "nova" must not take the place of the API.
            "dns_domain": f"servers.{context.cloud.domain}.",
            "notify_nova_on_port_status_changes": True,
            "notify_nova_on_port_data_changes": True,
        },
        "database": common.database(context, "neutron", "neutron"),
        "nova": common.credentials(context, "neutron"),
        "placement": common.credentials(context, "neutron"),
        **_ml2(context),
        "ovn": _ovn(context),
        **common.token_validation(context, "neutron"),
        **common.messaging(),
        **common.policy(),
        **common.proxied(),
        **common.locks("/var/lib/neutron/lock"),
    }


def neutron_server_conf(context: Context) -> Ini:
    """neutron.conf of the API."""
    return common.remembering_tokens(context, "neutron", neutron_conf(context))


def _ml2(context: Context) -> Sections:
    first, last = context.cloud.networks.vlans
    return {
        "ml2": {
            "mechanism_drivers": "ovn",
            "type_drivers": ("local", "flat", "vlan", "geneve"),
            "tenant_network_types": "geneve",
            "extension_drivers": ("port_security", "dns_domain_ports", "qos"),
            "overlay_ip_version": 4,
            "path_mtu": context.cloud.networks.mtu,
        },
        "ml2_type_flat": {"flat_networks": PHYSICAL_NETWORK},
        "ml2_type_vlan": {"network_vlan_ranges": f"{PHYSICAL_NETWORK}:{first}:{last}"},
        # Geneve's option header with OVN's metadata takes 38 bytes.
        "ml2_type_geneve": {"vni_ranges": "1:65536", "max_header_size": 38},
        "securitygroup": {"enable_security_group": True},
    }


def _databases(context: Context) -> Section:
    return {
        f"ovn_{which}_connection": f"tcp:{context.address(f'ovn-{which}-db')}:{context.ports[f'ovn-{which}-db']}"
        for which in ("nb", "sb")
    }


def _ovn(context: Context) -> Section:
    return {
        **_databases(context),
        "ovn_metadata_enabled": True,
        "enable_distributed_floating_ip": True,
        "dns_servers": str(context.cloud.networks.dns),
        # Open vSwitch's userspace datapath measures a segment that is still to be cut (TSO) as a packet too large
        # (odp_execute_check_pkt_len): every transfer from outside through a router stalls. The kernel's does not.
        "ovn_emit_need_to_frag": context.facts.datapath.value == "system",
        # The userspace datapath lets a packet go round eight times at most (MAX_RECIRC_DEPTH), and connection tracking
        # sends it round at each NAT: from one router's floating IP to another's it was dropped on the last round.
        "stateless_nat_enabled": context.facts.datapath.value == "netdev",
    }


def periodic_conf(context: Context) -> Ini:
    """neutron.conf of the periodic workers.

    They look at agents of other mechanism drivers every half `agent_down_time`; here there are none, so this is but
    the beat by which the database sees that they live.
    """
    base = neutron_conf(context)
    return {**base, "DEFAULT": {**base["DEFAULT"], "agent_down_time": 10}}


def ovn_agent_conf(context: Context) -> Ini:
    """neutron.conf of the agent: metadata for servers."""
    return {
        "DEFAULT": {
            **common.logging(),
            "state_path": "/var/lib/neutron",
            "host": context.facts.name,
            "nova_metadata_host": context.host("nova"),
            "nova_metadata_port": context.cloud.ports["nova-metadata"],
            "metadata_proxy_shared_secret": context.secret(METADATA_SECRET),
        },
        "agent": {"extensions": "metadata", "root_helper": ""},
        "ovs": {"ovsdb_connection": "unix:/run/openvswitch/db.sock"},
        "ovn": {**_databases(context), "ovn_metadata_enabled": True},
        **common.locks("/var/lib/neutron/lock"),
    }


def _conf(render: Callable[[Context], Ini]) -> ConfigFile:
    return ConfigFile("/etc/neutron/neutron.conf", render, common.secrets_of("neutron"), options=common.OPTIONS)


# Its workers share semaphores, which live in /dev/shm.
_TMPFS = common.tmpfs("/var/lib/neutron", "/dev/shm")  # noqa: S108 (inside the container)
_OVN = ("ovn-nb-db", "ovn-sb-db")

COMPONENT = Component(
    name="neutron",
    services=(
        Service(
            name="neutron-server",
            image="neutron",
            command=("uwsgi", "--ini", "/etc/uwsgi.ini"),
            workers=WORKERS,
            threads=THREADS,
            port=PORT,
            probe=Probe("http", "/", expect=(200,), deep="/v2.0/networks?limit=1&fields=id"),
            offset=32,
            uid=UID,
            config=(_conf(neutron_server_conf), uwsgi("neutron-server", "neutron.wsgi.api", PORT)),
            mounts=(common.TO_MEMCACHED,),
            tmpfs=_TMPFS,
            environment=ENVIRONMENT,
            api=Api("neutron"),
            after=("mariadb", "memcached", *_OVN),
            databases=("neutron",),
        ),
        Service(
            name="neutron-periodic-workers",
            image="neutron",
            command=("neutron-periodic-workers",),
            port=0,
            probe=Probe("worker", database="neutron", seconds=25),
            offset=35,
            uid=UID,
            config=(_conf(periodic_conf),),
            tmpfs=_TMPFS,
            environment=ENVIRONMENT,
            after=("mariadb", *_OVN),
            databases=("neutron",),
        ),
        Service(
            name="neutron-ovn-maintenance-worker",
            image="neutron",
            command=("neutron-ovn-maintenance-worker",),
            port=0,
            probe=Probe("worker", name=MAINTENANCE_LOCK, database="neutron", seconds=25),
            offset=36,
            uid=UID,
            config=(_conf(neutron_conf),),
            tmpfs=_TMPFS,
            environment=ENVIRONMENT,
            after=("mariadb", *_OVN),
            databases=("neutron",),
        ),
    ),
    databases=(
        Database(
            "neutron",
            "neutron",
            service="neutron-server",
            migrate=("neutron-db-manage", "upgrade", "heads"),
            project="neutron",
        ),
    ),
    endpoints=(Endpoint("neutron", "network", "neutron", description="Networks"),),
    # Nova's policy lets the role `service` send events, but its query for the servers they are about then finds none of
    # other projects (nova/db/main/api.py: "if not context.is_admin"): every server would wait for its port in vain.
    accounts=(Account("neutron", ("admin", "service")),),
    queues=("neutron",),
)

COMPUTE_SERVICES = (
    Service(
        name="neutron-ovn-agent",
        image="neutron",
        command=("neutron-ovn-agent",),
        port=0,
        # It logs that there is no such server, each time.
        probe=Probe("ovn-agent", "{data}/neutron/metadata_proxy", deep_rounds=10),
        config=(_conf(ovn_agent_conf),),
        mounts=(
            Mount("{data}/neutron", "/var/lib/neutron"),
            Mount("/run/openvswitch"),
            Mount("/run/netns", shared=True),
        ),
        environment=common.ENVIRONMENT,
        privileged=True,
        after=("ovn-sb-db", "ovn-controller"),
        # The name spaces of metadata's proxies outlive their container.
        removal=(
            "sh",
            "-ec",
            "for each in $(ip netns list | grep -o '^ovnmeta-[^ ]*'); do ip netns delete $each; done",
        ),
    ),
)
# Only root may write to the socket in it: whoever does can pass for any server, and be told its secrets. So the proxies
# in the networks' name spaces are root's as well; the agent's socket for OVN knows no other mode.
COMPUTE_DIRECTORIES = (Directory("{data}/neutron"),)
