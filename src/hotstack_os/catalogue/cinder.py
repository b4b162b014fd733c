"""Cinder: volumes, as files in a directory that its stock NFS driver takes for a share."""

from __future__ import annotations

from collections.abc import Callable

from hotstack_os.catalogue import common
from hotstack_os.catalogue.context import Context
from hotstack_os.catalogue.spec import (
    Account,
    Api,
    Beat,
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
from hotstack_os.catalogue.storage import mount_wrapper_conf, share
from hotstack_os.catalogue.wsgi import THREADS, WORKERS, uwsgi

UID = 64205
PORT = 8776
BACKEND = "nfs"
SHARES = "/etc/cinder/nfs_shares"


def cinder_conf(context: Context) -> Ini:
    """cinder.conf of the scheduler, and what all have in common."""
    return {
        "DEFAULT": {
            **common.logging(),
            "state_path": "/var/lib/cinder",
            "transport_url": context.transport_url("cinder"),
            "auth_strategy": "keystone",
            "enabled_backends": BACKEND,
            # The type that the schema brings along: volumes can be made in an empty cloud.
            "default_volume_type": "__DEFAULT__",
            "glance_catalog_info": "image:glance:publicURL",
        },
        "database": common.database(context, "cinder", "cinder"),
        "nova": {**common.credentials(context, "cinder"), "interface": "public"},
        # Locks between processes of one container; between containers Cinder's rows are enough.
        "coordination": {"backend_url": "file://$state_path"},
        **common.token_validation(context, "cinder"),
        **common.service_token(context, "cinder"),
        **common.messaging(),
        **common.policy(),
        **common.proxied(),
        **common.locks("/var/lib/cinder/locks"),
    }


def cinder_api_conf(context: Context) -> Ini:
    """cinder.conf of the API."""
    return common.remembering_tokens(context, "cinder", cinder_conf(context))


def cinder_volume_conf(context: Context) -> Ini:
    """cinder.conf of the service that makes the volumes, under paths that are the same on the node."""
    base = cinder_conf(context)
    state = f"{context.cloud.paths.data}/cinder"
    return {
        **base,
        "DEFAULT": {**base["DEFAULT"], "host": context.facts.name, "my_ip": context.gateway, "state_path": state},
        BACKEND: {
            "volume_driver": "cinder.volume.drivers.nfs.NfsDriver",
            "volume_backend_name": BACKEND,
            "nfs_shares_config": SHARES,
            "nfs_mount_point_base": f"{state}/mnt",
            "nfs_mount_attempts": 1,
            # Files are opened by root here and by QEMU's user there.
            "nas_secure_file_operations": False,
            "nas_secure_file_permissions": False,
            "nfs_snapshot_support": True,
            "max_over_subscription_ratio": "20.0",
        },
        # The service is root already: no sudo in front of its helpers.
        "cinder_sys_admin": {"helper_command": "privsep-helper --config-file /etc/cinder/cinder.conf"},
        "privsep_osbrick": {"helper_command": "privsep-helper --config-file /etc/cinder/cinder.conf"},
        **common.locks(f"{state}/locks"),
    }


def nfs_shares(context: Context) -> str:
    return f"{share(context)}\n"


def _conf(render: Callable[[Context], Ini]) -> ConfigFile:
    return ConfigFile("/etc/cinder/cinder.conf", render, common.secrets_of("cinder"), options=common.OPTIONS)


def _beat(binary: str, host: str) -> Beat:
    # Cinder's services report every 10 seconds (report_interval).
    where = f"`binary` = '{binary}' AND host = '{host}' AND deleted = 0"
    return Beat("cinder.services", "COALESCE(updated_at, created_at)", where, 30)


_TMPFS = common.tmpfs("/var/lib/cinder")

COMPONENT = Component(
    name="cinder",
    services=(
        Service(
            name="cinder-api",
            image="cinder",
            command=("uwsgi", "--ini", "/etc/uwsgi.ini"),
            workers=WORKERS,
            threads=THREADS,
            port=PORT,
            probe=Probe(
                "http",
                "/healthcheck",
                expect=(200,),
                deep="/v3/{project}/types?limit=1",
                # Requests that go through the queue are an administrator's, or change something.
                logins=(Login("rabbitmq", "cinder"),),
            ),
            offset=41,
            uid=UID,
            config=(_conf(cinder_api_conf), uwsgi("cinder-api", "cinder.wsgi.api", PORT)),
            mounts=(common.TO_MEMCACHED,),
            tmpfs=_TMPFS,
            environment=common.ENVIRONMENT,
            api=Api("cinder", check="/healthcheck"),
            after=("mariadb", "memcached"),
            databases=("cinder",),
        ),
        Service(
            name="cinder-scheduler",
            image="cinder",
            command=("cinder-scheduler",),
            port=0,
            probe=Probe("rpc", queue="cinder-scheduler", beat=_beat("cinder-scheduler", "cinder-scheduler")),
            offset=42,
            uid=UID,
            config=(_conf(cinder_conf),),
            tmpfs=_TMPFS,
            environment=common.ENVIRONMENT,
            after=("mariadb", "rabbitmq"),
            databases=("cinder",),
        ),
        Service(
            name="cinder-volume",
            image="cinder",
            command=("cinder-volume",),
            port=0,
            probe=Probe(
                "rpc", queue=f"cinder-volume.{{node}}@{BACKEND}", beat=_beat("cinder-volume", f"{{node}}@{BACKEND}")
            ),
            config=(
                _conf(cinder_volume_conf),
                ConfigFile(SHARES, nfs_shares),
                ConfigFile("/etc/hotstack/mount-wrapper.conf", mount_wrapper_conf),
            ),
            # Its bind mounts stay in the container and vanish with it.
            mounts=(Mount("{data}/cinder"), Mount("{volumes}")),
            environment=common.ENVIRONMENT,
            privileged=True,
            after=("mariadb", "rabbitmq"),
            databases=("cinder",),
        ),
    ),
    directories=(Directory("{data}/cinder"), Directory("{volumes}", "root", "kvm", 0o2775)),
    databases=(
        Database("cinder", "cinder", service="cinder-api", migrate=("cinder-manage", "db", "sync"), project="cinder"),
    ),
    endpoints=(Endpoint("cinder", "block-storage", "cinder", "/v3", description="Volumes"),),
    # Nova takes snapshots and events from the role `service` (nova/policies: assisted_volume_snapshots.py,
    # server_external_events.py); images are read and written with the user's own token.
    # `admin` as well, since Nova finds the servers of other projects for it alone (see neutron.py).
    accounts=(Account("cinder", ("admin", "service")),),
    queues=("cinder",),
)
