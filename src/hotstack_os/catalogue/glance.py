"""Glance: images."""

from __future__ import annotations

from hotstack_os.catalogue import common
from hotstack_os.catalogue.context import Context
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

UID = 64201
PORT = 9292
# Also the definitions of properties that Glance comes with (namespaces, resource types): its API has none without them.
MIGRATE = ("sh", "-ec", "glance-manage db_sync; glance-manage db_load_metadefs")


def glance_api_conf(context: Context) -> Ini:
    sections: Ini = {
        "DEFAULT": {
            **common.logging(),
            "enabled_backends": "file:file",
            # Imports that were staged by this process are found through its own address.
            "worker_self_reference_url": f"http://{context.address('glance')}:{context.ports['glance']}",
        },
        "database": common.database(context, "glance", "glance"),
        "glance_store": {"default_backend": "file"},
        "file": {"filesystem_store_datadir": "/var/lib/glance/images"},
        "os_glance_staging_store": {"filesystem_store_datadir": "/var/lib/glance/staging"},
        "os_glance_tasks_store": {"filesystem_store_datadir": "/var/lib/glance/tasks"},
        "paste_deploy": {"flavor": "keystone", "config_file": "/etc/glance/glance-api-paste.ini"},
        "wsgi": {"task_pool_threads": 4},
        **common.token_validation(context, "glance"),
        **common.locks("/run/glance"),
        **common.policy(),
        **common.proxied(),
        "oslo_messaging_notifications": {"driver": "noop"},
    }
    return common.remembering_tokens(context, "glance", sections)


COMPONENT = Component(
    name="glance",
    services=(
        Service(
            name="glance",
            image="glance",
            command=("uwsgi", "--ini", "/etc/uwsgi.ini"),
            workers=WORKERS,
            threads=THREADS,
            port=PORT,
            probe=Probe("http", "/healthcheck", expect=(200,), deep="/v2/images?limit=1"),
            offset=12,
            uid=UID,
            config=(
                ConfigFile(
                    "/etc/glance/glance-api.conf", glance_api_conf, common.secrets_of("glance"), options=common.OPTIONS
                ),
                # Uploads come in parts of unknown total length. uWSGI by itself takes parts below 1 MiB; glanceclient,
                # by which Nova and Cinder upload, sends parts of 1 MiB (4.10, common/http.py: CHUNKSIZE). It also gives
                # up on parts that are 4 seconds late.
                uwsgi(
                    "glance",
                    "glance.wsgi.api",
                    PORT,
                    http_chunked_input=True,
                    http_auto_chunked=True,
                    chunked_input_limit=4 << 20,
                    chunked_input_timeout=120,
                ),
            ),
            mounts=(Mount("{data}/glance", "/var/lib/glance"), common.TO_MEMCACHED),
            tmpfs=common.tmpfs("/run/glance"),
            environment=common.ENVIRONMENT,
            api=Api("glance", check="/healthcheck"),
            after=("mariadb", "memcached"),
            databases=("glance",),
            stop_timeout=30,
        ),
    ),
    directories=(
        Directory("{data}/glance", str(UID), str(UID), 0o755),
        Directory("{data}/glance/images", str(UID), str(UID), 0o750),
        Directory("{data}/glance/staging", str(UID), str(UID), 0o750),
        Directory("{data}/glance/tasks", str(UID), str(UID), 0o750),
    ),
    databases=(Database("glance", "glance", service="glance", migrate=MIGRATE, project="glance"),),
    endpoints=(Endpoint("glance", "image", "glance", description="Images"),),
    accounts=(Account("glance"),),
)
