"""OVN: the two databases that describe the cloud's networks, northd between them, and the controller of each node."""

from __future__ import annotations

from hotstack_os.catalogue import common
from hotstack_os.catalogue.spec import Component, Directory, Mount, Options, Prepare, Probe, Service

UID = 64215
NORTH_PORT, SOUTH_PORT = 6641, 6642
SOCKETS = "/run/hotstack-os/ovn"
"""Control sockets, and the databases' sockets for northd; on the node and in the containers."""
LOGGING = ("-vconsole:info", "-vsyslog:off", "-vfile:off")


_OWN = "Where it listens and whom it talks to is what the rest of the cloud relies on."


def _arguments(program: str, *own: str) -> Options:
    """Options of a program's command line, but for those by which it is found and kept running."""
    return Options((program,), own={program: dict.fromkeys((*own, "unixctl", "detach", "pidfile", "monitor"), _OWN)})


def database_socket(which: str) -> str:
    """The OVSDB remote of the database "nb" or "sb" for processes of this node."""
    return f"unix:{SOCKETS}/{which}.sock"


def _database(which: str, database: str, port: int, offset: int) -> Service:
    file = f"/var/lib/ovn/{which}.db"
    return Service(
        name=f"ovn-{which}-db",
        image="ovn",
        command=(
            "ovsdb-server",
            *LOGGING,
            f"--remote=punix:{SOCKETS}/{which}.sock",
            f"--remote=ptcp:{port}:0.0.0.0",
            f"--unixctl={SOCKETS}/{which}.ctl",
            file,
        ),
        arguments=_arguments("ovsdb-server", "remote"),
        port=port,
        probe=Probe("ovsdb", name=database),
        offset=offset,
        uid=UID,
        mounts=(Mount(f"{{data}}/ovn/{which}", "/var/lib/ovn"), Mount(SOCKETS)),
        prepare=Prepare(
            ("ovsdb-tool", "create", file, f"/usr/share/ovn/ovn-{which}.ovsschema"), f"{{data}}/ovn/{which}"
        ),
    )


COMPONENT = Component(
    name="ovn",
    services=(
        _database("nb", "OVN_Northbound", NORTH_PORT, 33),
        _database("sb", "OVN_Southbound", SOUTH_PORT, 34),
        Service(
            name="ovn-northd",
            image="ovn",
            command=(
                "ovn-northd",
                *LOGGING,
                f"--ovnnb-db={database_socket('nb')}",
                f"--ovnsb-db={database_socket('sb')}",
                f"--unixctl={SOCKETS}/northd.ctl",
            ),
            arguments=_arguments("ovn-northd", "ovnnb-db", "ovnsb-db"),
            threads="ovn-northd.n-threads",
            port=0,
            probe=Probe(
                "unixctl",
                f"{SOCKETS}/northd.ctl",
                ask={
                    "status": "Status: active",
                    "nb-connection-status": "connected",
                    "sb-connection-status": "connected",
                },
            ),
            offset=31,
            uid=UID,
            mounts=(Mount(SOCKETS),),
            tmpfs=common.tmpfs(),  # without semaphores northd says nothing, and works with one thread
            after=("ovn-nb-db", "ovn-sb-db"),
        ),
    ),
    directories=(
        Directory("{data}/ovn", str(UID), str(UID), 0o750),
        Directory("{data}/ovn/nb", str(UID), str(UID), 0o750),
        Directory("{data}/ovn/sb", str(UID), str(UID), 0o750),
    ),
)

COMPUTE_SERVICES = (
    Service(
        name="ovn-controller",
        image="ovn",
        command=(
            "ovn-controller",
            *LOGGING,
            f"--unixctl={SOCKETS}/controller.ctl",
            "unix:/run/openvswitch/db.sock",
        ),
        arguments=_arguments("ovn-controller"),
        port=0,
        probe=Probe("unixctl", f"{SOCKETS}/controller.ctl", ask={"connection-status": "connected"}),
        mounts=(Mount("/run/openvswitch"), Mount("/etc/openvswitch", writable=False), Mount(SOCKETS)),
        privileged=True,
        # With a southbound database that northd has not filled yet, ovn-controller 25.03 ends by signal 11.
        after=("ovn-sb-db", "ovn-northd"),
    ),
)
COMPUTE_DIRECTORIES = (Directory(SOCKETS, str(UID), str(UID), 0o750),)
