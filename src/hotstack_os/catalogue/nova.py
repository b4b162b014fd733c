"""Nova: servers.

Two halves, as Nova's own documentation of cells draws them: what serves the whole cloud (API, scheduler, metadata) has
the database of cell0 as its own, what belongs to the cell (conductor, console proxy) has the cell's. One conductor is
both the cell's and the cloud's.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping

from hotstack_os.catalogue import common, migration
from hotstack_os.catalogue.common import Section, Sections
from hotstack_os.catalogue.context import Context
from hotstack_os.catalogue.spec import (
    Account,
    Api,
    Beat,
    Cell,
    Component,
    ConfigFile,
    Database,
    Directory,
    Endpoint,
    Ini,
    Login,
    Mount,
    Probe,
    Service,
)
from hotstack_os.catalogue.storage import mount_wrapper_conf
from hotstack_os.catalogue.wsgi import THREADS, WORKERS, uwsgi

UID = 64203
HOTSTACK_UID = 64220
"""The user whose session libvirtd runs the servers."""
API_PORT, METADATA_PORT, NOVNC_PORT = 8774, 8775, 6080
METADATA_SECRET = "nova-metadata"  # noqa: S105 (its name in the vault)
SESSION = f"/run/user/{HOTSTACK_UID}"
LIBVIRT_URI = f"qemu+unix:///session?socket={SESSION}/libvirt/libvirt-sock"

CPUS: Mapping[str, Section] = {
    "kvm": {"virt_type": "kvm", "cpu_mode": "host-model"},
    # QEMU's default model is older than what Enterprise Linux 9 demands (x86-64-v2).
    "qemu": {"virt_type": "qemu", "cpu_mode": "custom", "cpu_models": "Nehalem"},
}

CELL0, CELL1 = "nova_cell0", "nova"
QUEUES = "{scheme}://{username}:{password}@{hostname}:{port}//"

NATIVE_THREADS = {
    **common.ENVIRONMENT,
    # Under uWSGI's own threads an eventlet hub is shared and RPC calls from a second thread never return.
    "OS_NOVA_DISABLE_EVENTLET_PATCHING": "true",
}


def nova_conf(database: str) -> Callable[[Context], Ini]:
    """nova.conf of a service whose own database is `database`."""

    def render(context: Context) -> Ini:
        return {
            **_base(context),
            "api_database": common.database(context, "nova_api", "nova"),
            "database": common.database(context, database, "nova"),
            "conductor": {"workers": 1},
            "scheduler": {
                "workers": 1,
                # A compute service that has reported is mapped to its cell within so many seconds.
                "discover_hosts_in_cells_interval": 3,
            },
            **common.token_validation(context, "nova"),
            **common.policy(),
            **common.proxied(),
        }

    return render


def nova_api_conf(context: Context) -> Ini:
    """nova.conf of the API. What it remembers of availability zones is for all of its processes."""
    return common.remembering_tokens(context, "nova", {**nova_conf(CELL0)(context), **common.cache()})


def _base(context: Context) -> Sections:
    """What every Nova service needs, nova-compute included."""
    return {
        "DEFAULT": {
            **common.logging(),
            "state_path": "/var/lib/nova",
            "transport_url": context.transport_url("nova"),
            # Up to a minute by chance, by default, before what is done from time to time begins: hosts are found so.
            "periodic_fuzzy_delay": 0,
            # Most clouds here have one node: resized servers would find no other.
            "allow_resize_to_same_host": True,
        },
        "glance": {"region_name": context.cloud.region},
        "placement": common.credentials(context, "nova"),
        # Where a port's binding names no bridge, Nova takes this one; any of its services may write down what it
        # remembers of a server's network.
        "neutron": {**common.credentials(context, "nova"), "ovs_bridge": "hot-int"},
        "cinder": {
            **common.login(context, "nova"),
            "os_region_name": context.cloud.region,
            "catalog_info": "block-storage::publicURL",
        },
        "upgrade_levels": {"compute": "auto"},
        **common.service_token(context, "nova"),
        **common.messaging(),
        **common.locks("/var/lib/nova/tmp"),
    }


def metadata_conf(context: Context) -> Ini:
    """nova.conf of the metadata API: only Neutron's agent, who knows the secret, may say which server asks."""
    base = {**nova_conf(CELL0)(context), **common.cache()}
    proxy: Section = {"service_metadata_proxy": True, "metadata_proxy_shared_secret": context.secret(METADATA_SECRET)}
    return {**base, "neutron": {**base["neutron"], **proxy}}


def novncproxy_conf(context: Context) -> Ini:
    """nova.conf of the console proxy."""
    vnc: Section = {"enabled": True, "novncproxy_host": "0.0.0.0", "novncproxy_port": NOVNC_PORT}
    return {**nova_conf(CELL1)(context), "vnc": vnc}


def nova_compute_conf(context: Context) -> Ini:
    """nova.conf of a compute service: no database; QEMU belongs to the session libvirtd of the user hotstack."""
    paths = context.cloud.paths
    base = _base(context)
    return {
        **base,
        "DEFAULT": {
            **base["DEFAULT"],
            "host": context.facts.name,
            "my_ip": context.ip,
            "compute_driver": "libvirt.LibvirtDriver",
            "instances_path": str(paths.instances),
            "reserved_host_memory_mb": 512,
            # Servers that ran when the node went down run again when it is back.
            "resume_guests_state_on_host_boot": True,
            "force_raw_images": False,
            "use_cow_images": True,
        },
        "vnc": {
            "enabled": True,
            "server_listen": "0.0.0.0",
            "server_proxyclient_address": context.ip,
            "novncproxy_base_url": context.url("novnc", "/vnc_lite.html"),
        },
        "libvirt": {
            "connection_uri": LIBVIRT_URI,
            **CPUS[context.facts.virt_type.value],
            "images_type": "qcow2",
            "inject_partition": -2,
            "nfs_mount_point_base": str(paths.mounts),
            "num_pcie_ports": 16,
            **(migration.libvirt_options(context) if context.peers else {}),
        },
        "os_vif_ovs": {"ovsdb_connection": "unix:/run/openvswitch/db.sock"},
        # The service is root already: no sudo in front of its helpers.
        "nova_sys_admin": {"helper_command": "privsep-helper --config-file /etc/nova/nova.conf"},
        "vif_plug_ovs_privileged": {"helper_command": "privsep-helper --config-file /etc/nova/nova.conf"},
        "privsep_osbrick": {"helper_command": "privsep-helper --config-file /etc/nova/nova.conf"},
    }


def fake_compute_conf(context: Context) -> Ini:
    """nova.conf of a second compute service on the node, whose servers are made up by Nova's own fake driver."""
    base = _base(context)
    return {
        **base,
        "DEFAULT": {
            **base["DEFAULT"],
            "host": f"{context.facts.name}-fake",
            "my_ip": context.gateway,
            # The one with a node's identity in a file, as real drivers have it.
            "compute_driver": "fake.FakeDriverWithoutFakeNodes",
        },
        "vnc": {"enabled": False},
    }


def metadata_question(context: Context) -> dict[str, str]:
    """Headers of a request for the metadata of a server that does not exist: it takes the service into its database."""
    server = "00000000-0000-0000-0000-000000000000"
    key = context.secret(METADATA_SECRET).reveal().encode()
    signature = hmac.new(key, server.encode(), hashlib.sha256).hexdigest()
    return {"X-Instance-ID": server, "X-Tenant-ID": server, "X-Instance-ID-Signature": signature}


def _conf(render: Callable[[Context], Ini]) -> ConfigFile:
    return ConfigFile("/etc/nova/nova.conf", render, common.secrets_of("nova"), options=common.OPTIONS)


def _beat(database: str, binary: str, host: str, also: str = "") -> Beat:
    # Nova's services report every 10 seconds (report_interval), for the first time 5 seconds after they started.
    where = f"`binary` = '{binary}' AND host = '{host}' AND deleted = 0{also}"
    return Beat(f"{database}.services", "COALESCE(last_seen_up, created_at)", where, 30)


def _compute_probe(host: str) -> Probe:
    """Of a compute service; a host gets no server before the scheduler has found it in its cell."""
    mapped = f" AND EXISTS (SELECT 1 FROM nova_api.host_mappings WHERE host = '{host}')"
    return Probe("rpc", queue=f"compute.{host}", beat=_beat(CELL1, "nova-compute", host, mapped))


_TMPFS, _KEY = common.tmpfs("/var/lib/nova"), common.cache_key("nova")
_METADATA = uwsgi("nova-api-metadata", "nova.wsgi.metadata", METADATA_PORT, threads=2)

COMPONENT = Component(
    name="nova",
    services=(
        Service(
            name="nova-api",
            image="nova",
            command=("uwsgi", "--ini", "/etc/uwsgi.ini"),
            workers=WORKERS,
            threads=THREADS,
            port=API_PORT,
            probe=Probe(
                "http",
                "/",
                expect=(200,),
                deep="/v2.1/flavors?limit=1",
                # Requests that go through the queue are an administrator's, or change something.
                logins=(Login("rabbitmq", "nova"),),
            ),
            offset=21,
            uid=UID,
            config=(_conf(nova_api_conf), uwsgi("nova-api", "nova.wsgi.osapi_compute", API_PORT), _KEY),
            mounts=(common.TO_MEMCACHED,),
            tmpfs=_TMPFS,
            environment=NATIVE_THREADS,
            api=Api("nova"),
            after=("mariadb", "memcached"),
            databases=("nova_api", CELL0, CELL1),
        ),
        Service(
            name="nova-conductor",
            image="nova",
            command=("nova-conductor",),
            workers="conductor.workers",
            port=0,
            probe=Probe("rpc", queue="conductor", beat=_beat(CELL1, "nova-conductor", "nova-conductor")),
            offset=22,
            uid=UID,
            config=(_conf(nova_conf(CELL1)),),
            tmpfs=_TMPFS,
            environment=common.ENVIRONMENT,
            after=("mariadb", "rabbitmq", "keystone", "haproxy", "placement"),
            databases=("nova_api", CELL0, CELL1),
            logs_in=True,  # for Placement; without it, or where HAProxy answers for Placement, it ends
        ),
        Service(
            name="nova-scheduler",
            image="nova",
            command=("nova-scheduler",),
            workers="scheduler.workers",
            port=0,
            probe=Probe("rpc", queue="scheduler", beat=_beat(CELL0, "nova-scheduler", "nova-scheduler")),
            offset=23,
            uid=UID,
            config=(_conf(nova_conf(CELL0)),),
            tmpfs=_TMPFS,
            environment=common.ENVIRONMENT,
            after=("mariadb", "rabbitmq", "keystone", "haproxy", "placement"),
            databases=("nova_api", CELL0, CELL1),
            logs_in=True,  # for Placement; without it, or where HAProxy answers for Placement, it ends
        ),
        Service(
            name="nova-api-metadata",
            image="nova",
            command=("uwsgi", "--ini", "/etc/uwsgi.ini"),
            workers=WORKERS,
            threads=THREADS,
            port=METADATA_PORT,
            probe=Probe(
                "http",
                "/",
                expect=(200,),
                deep="/latest/meta-data/",
                deep_headers=metadata_question,
                deep_expect=404,
                deep_rounds=20,  # it logs that there is no such server, each time
            ),
            offset=25,
            uid=UID,
            config=(_conf(metadata_conf), _METADATA, _KEY),
            mounts=(common.TO_MEMCACHED,),
            tmpfs=_TMPFS,
            environment=NATIVE_THREADS,
            api=Api("nova-metadata"),
            after=("mariadb", "memcached"),
            databases=("nova_api", CELL0, CELL1),
        ),
        Service(
            name="nova-novncproxy",
            image="nova",
            command=("nova-novncproxy",),
            port=NOVNC_PORT,
            probe=Probe(
                "http",
                "/vnc_lite.html",
                expect=(200,),
                # Who opens a console is looked up in the database and asked for at the server's nova-compute. A token
                # that nobody has is answered in the same way whether or not there is a database to look it up in.
                logins=(Login("database", "nova", CELL1), Login("rabbitmq", "nova")),
            ),
            offset=26,
            uid=UID,
            config=(_conf(novncproxy_conf),),
            tmpfs=_TMPFS,
            environment=common.ENVIRONMENT,
            api=Api("novnc", check="/vnc_lite.html"),
            after=("mariadb",),
            databases=("nova_api", CELL1),
        ),
    ),
    databases=(
        Database("nova_api", "nova", "nova-api", ("nova-manage", "api_db", "sync"), project="nova_api"),
        # "Local" is the database of the service whose configuration is lent; no cell need be mapped yet.
        Database(CELL0, "nova", "nova-api", ("nova-manage", "db", "sync", "--local_cell"), project="nova"),
        Database(CELL1, "nova", "nova-conductor", ("nova-manage", "db", "sync", "--local_cell"), project="nova"),
    ),
    cells=(
        Cell("cell0", CELL0, "none:///"),
        Cell("cell1", CELL1, QUEUES),
    ),
    endpoints=(Endpoint("nova", "compute", "nova", "/v2.1", "Servers"),),
    # Beside `service`, by which Neutron binds ports, Placement allocates and Keystone validates tokens, also `admin`:
    # else Neutron hides the servers' floating IPs from Nova (neutron/conf/policies/floatingip.py: get_floatingip is
    # for admins and the owner), and Cinder refuses what Nova does without a user's token (nova/volume/cinder.py).
    accounts=(Account("nova", ("admin", "service")),),
    queues=("nova",),
)

COMPUTE_SERVICES = (
    Service(
        name="nova-compute",
        image="nova",
        command=("nova-compute",),
        port=0,
        probe=_compute_probe("{node}"),
        config=(
            _conf(nova_compute_conf),
            ConfigFile("/etc/hotstack/mount-wrapper.conf", mount_wrapper_conf),
            *migration.CLIENT_FILES,
        ),
        mounts=(
            Mount("{instances}", shared=True),
            Mount("{mounts}", shared=True),
            Mount("{volumes}", shared=True),
            Mount("{data}/nova", "/var/lib/nova"),
            Mount(SESSION, writable=False),
            Mount("/run/openvswitch"),
            # Nova opens the console's pseudo-terminal only where its path exists.
            Mount("/dev/pts"),
            Mount("/etc/machine-id", writable=False),
            # Which firmware there is for UEFI, as QEMU's packages on the node tell it.
            Mount("/usr/share/qemu/firmware", writable=False),
        ),
        environment={**common.ENVIRONMENT, "XDG_RUNTIME_DIR": SESSION, "LIBVIRT_DEFAULT_URI": LIBVIRT_URI},
        privileged=True,
        # Disks are written by their group too, which is QEMU's.
        podman_args=("--umask=0002",),
        # Its runtime directory is made by the user's manager, and another one after a restart of it.
        units=(f"user@{HOTSTACK_UID}.service",),
        after=("rabbitmq", "nova-conductor"),
        start_timeout=120,
    ),
)
COMPUTE_DIRECTORIES = (
    Directory("{data}/nova"),
    Directory("{instances}", "hotstack", "kvm", 0o2775),
)

FAKE_COMPUTE = Component(
    name="nova-fake",
    services=(
        Service(
            name="nova-compute-fake",
            image="nova",
            command=("nova-compute",),
            port=0,
            probe=_compute_probe("{node}-fake"),
            offset=27,
            uid=UID,
            config=(_conf(fake_compute_conf),),
            mounts=(Mount("{data}/nova-fake", "/var/lib/nova"),),
            environment=common.ENVIRONMENT,
            after=("rabbitmq", "nova-conductor"),
            start_timeout=120,
        ),
    ),
    directories=(Directory("{data}/nova-fake", str(UID), str(UID)),),
)
