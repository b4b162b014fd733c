"""The container images of a cloud. A service names the one it runs in; users have the same numbers on every node.

rootfs ── base ─┬─ openstack ─┬─ keystone, placement, neutron, heat
                │             └─ disks ── glance, nova, cinder
                ├─ wheels (only builds)
                └─ mariadb, rabbitmq, memcached, haproxy, dnsmasq, ovn
"""

from __future__ import annotations

from hotstack_os.catalogue import sealing
from hotstack_os.catalogue.patching import SITE, VENV, compiled, edited
from hotstack_os.catalogue.spec import Image, User

ROOTFS = Image("rootfs", parent=None)

BASE = Image(
    "base",
    parent="rootfs",
    deb=("ca-certificates", "netbase", "python3", "tzdata"),
    steps=("python3 -c 'import json, ssl, sqlite3'",),
)

WHEELS = Image(
    "wheels",
    deb=("python3-pbr", "python3-setuptools", "python3-wheel"),
    builds=("ncclient", "ovs", "pyperclip", "simplegeneric", "testresources"),
)


# oslo.messaging 17 looks every half second whether the reply to a call has come (bug 2035113: it must not block under
# eventlet); 18.3 waits for it. A server's way to ACTIVE is a dozen calls, one after the other.
_PROMPT_REPLIES = edited(
    f"{SITE}/oslo_messaging/_drivers/amqpdriver.py",
    r"/^class ReplyWaiters:/,/^class ReplyWaiter:/s/time\.sleep(0\.5)/time.sleep(0.01)/",
    r"time\.sleep(0\.01)",
)
# OVN's maintenance worker sleeps twice for ten seconds before it takes up its work, for each start.
_SYNC_AT_ONCE = edited(
    f"{SITE}/neutron/plugins/ml2/drivers/ovn/mech_driver/ovsdb/ovn_db_sync.py",
    r"s/def sync(self, delay_seconds=10):/def sync(self, delay_seconds=0):/",
    "delay_seconds=0",
)
# Neutron asks what a node's bridge is called in a copy of its Chassis_Private that it made when the row was new
# (ovsdb_monitor.py, ChassisAgentWriteEvent: later only with nb_cfg), before the node's agent had said so there. What it
# then takes instead goes into the bindings of ports, and by these into where Nova plugs a server that moves on.
_BRIDGE = edited(
    f"{SITE}/neutron/common/ovn/utils.py",
    r'/^def get_ovn_bridge_from_chassis_private/,/^def get_datapath_type/s/n_const\.DEFAULT_BR_INT)/"hot-int")/',
    '"hot-int")',
)
# The agent's privileged helpers use Neutron's utilities, and these its API and by this all clients of OpenStack: 18 MB
# for each of the three, and a quarter of a second, for one function that only the server calls.
_UTILS = f"{SITE}/neutron/common/utils.py"
_HELPERS_WITHOUT_API = edited(
    _UTILS,
    r'/^from neutron\.api import api_common$/d;s/\bapi_common\./importlib.import_module("neutron.api.api_common")./',
    r'not importlib\.import_module("neutron\.api\.api_common")\.is_filter',
)
# A server's TAP device lasts from plug to unplug. Made by libvirt it goes with each QEMU process and comes again under
# its name: a soft reboot, rescue or resume makes another device, and the userspace datapath reads on from the old one.
_VIF = f"{SITE}/nova/virt/libvirt/vif.py"
_ON_OVS = 'if vif_obj.obj_name() == "VIFOpenVSwitch":'
_LASTING_TAPS = (
    edited(
        _VIF,
        rf"s/^\( *\)self\._plug_os_vif(instance, vif_obj)$/\1{_ON_OVS}"
        r"\n\1    nova.privsep.linux_net.create_tap_dev(vif_obj.vif_name)"
        r"\n\1    nova.privsep.linux_net.set_device_mtu(vif_obj.vif_name, vif_obj.network.mtu)\n&/",
        r"create_tap_dev(vif_obj\.vif_name)",
    ),
    edited(  # libvirt takes no device that is there already unless it is told so
        _VIF,
        r"/def _set_config_VIFOpenVSwitch/,/else:/s/^\( *\)self\._set_config_VIFGeneric(.*/"
        r'&\n\1conf.managed = "no"  # it lasts/',
        "managed = .no.  # it lasts",
    ),
    edited(
        _VIF,
        rf"s/^\( *\)self\._unplug_os_vif(instance, vif_obj)$/&\n\1{_ON_OVS}"
        r"\n\1    nova.privsep.linux_net.delete_net_dev(vif_obj.vif_name)/",
        r"delete_net_dev(vif_obj\.vif_name)",
    ),
)
# The NFS driver refuses to extend what is attached (bug 1870367). A raw file without snapshots grows under QEMU without
# harm: by truncate, as qemu-img would want QEMU's lock, and Nova then has QEMU look at the new size.
_NFS = f"{SITE}/cinder/volume/drivers/nfs.py"
_EXTEND = "/def extend_volume/,/def _is_file_size_equal/"
_ATTACHED_RAW_FILES_GROW = (
    edited(
        _NFS,
        rf"{_EXTEND}s/^\( *\)if self\._is_volume_attached(volume):$/\1in_use = self._is_volume_attached(volume)"
        r"\n\1stored = objects.Volume.get_by_id(context.get_admin_context(), volume.id)"
        r"\n\1plain = self.get_active_image_from_info(volume) == volume.name"
        r'\n\1if in_use and not (plain and stored.admin_metadata.get("format") == "raw"):/',
        "if in_use and not (plain and",
    ),
    edited(
        _NFS,
        rf"{_EXTEND}s/^\( *\)image_utils\.resize_image(active_file_path, new_size,$/\1if in_use:"
        r"\n\1    os.truncate(active_file_path, new_size * units.Gi)"
        r"\n\1    return\n&/",
        "os.truncate(active_file_path",
    ),
)


def _whole_policies(path: str) -> str:
    """A step that has a service's `policy.init` show its rules only when all are there.

    Neutron, Nova and Cinder set the module's `_ENFORCER` first and fill it after; of two first requests in two threads
    one is then refused, because its rule does not exist yet. Placement does it in this order by itself.
    """
    filled = (
        r"/^    if not _ENFORCER:$/,/load_rules/"
        r"{/if not/!s/_ENFORCER/enforcer/;s/^\( *\)enforcer\.load_rules.*/&\n\1_ENFORCER = enforcer/}"
    )
    return edited(f"{SITE}/{path}", filled, "^        _ENFORCER = enforcer$")


# Nova uploads in a thread of eventlet's (tpool), whose one listener belongs to whoever asked first. With threads of
# uWSGI another's answer never comes: every second snapshot of a server with a volume for a disk hung.
_UPLOADS_IN_PLACE = edited(
    f"{SITE}/nova/utils.py",
    r"s/^    return _pass_context(tpool\.execute, func, \*args, \*\*kwargs)$/    if concurrency_mode_threading():"
    r"\n        return func(*args, **kwargs)  # in place\n&/",
    r"return func(\*args, \*\*kwargs)  # in place$",
)


def _late_saml(path: str, name: str) -> str:
    """A step that has a module of Keystone's import all about SAML's identity providers only where it is asked for.

    It checks XML schemas when it is imported: 0.6 s of each worker's start, for what nobody may ever want.
    """
    imported = "from keystone.federation import idp" + (f" as {name}" if name != "idp" else "")
    late = rf"/^{imported}$/d;s/^\( *\)[a-z]* = {name}\.[A-Z].*/\1{imported}\n&/"
    return edited(f"{SITE}/keystone/{path}", late, f"^  *{imported}$")


OPENSTACK = Image(
    "openstack",
    deb=("uwsgi-core", "uwsgi-plugin-python3"),
    # What two or more services share, named by its roots in the lock; a service's image adds only its own.
    pip=(
        "PyMySQL",
        "cursive",
        "defusedxml",
        "httplib2",
        "keystonemiddleware",
        "microversion-parse",
        "neutron-lib",
        "os-brick",
        "os-resource-classes",
        "os-vif",
        "oslo.limit",
        "oslo.reports",
        "oslo.rootwrap",
        "oslo.upgradecheck",
        "pymemcache",
        "python-cinderclient",
        "python-designateclient",
        "python-glanceclient",
        "python-memcached",
        "python-neutronclient",
        "python-novaclient",
        "python-swiftclient",
        "pytz",
        "retrying",
        "taskflow",
        "tooz",
    ),
    path=(f"{VENV}/bin",),
    files={sealing.MODULE: "sealed_cache.py"},
    steps=(
        _PROMPT_REPLIES,
        compiled(sealing.MODULE),
        *sealing.STEPS,
        "ln -s /usr/bin/uwsgi-core /usr/local/bin/uwsgi",
        f"uwsgi --plugins python3 --home {VENV} --version",
        "python -c 'import oslo_messaging, pymysql, pymemcache, memcache, keystonemiddleware.auth_token'",
    ),
)

_TRY_QEMU_IMG = (
    "cd /tmp && umask 022 && qemu-img create -q -f qcow2 one.qcow2 1M && qemu-img convert -O raw one.qcow2 two.raw"
    ' && test "$(stat -c %a one.qcow2 two.raw | uniq)" = 664 && ! qemu-img create -q -f nonsense three 1M'
    " && qemu-img info -f raw two.raw > /dev/null && rm one.qcow2 two.raw"
)
_TRY_MOUNT_NFS = (
    "mkdir -p /etc/hotstack /tmp/source /tmp/target && touch /tmp/source/here"
    " && printf '[share]\\nsource = fake.test:/volumes\\ndirectory = /tmp/source\\n' > /etc/hotstack/mount-wrapper.conf"
    " && for time in 1 2; do mount -t nfs -o ro fake.test:/volumes /tmp/target || exit 1; done"
    ' && test -f /tmp/target/here && test "$(grep -c " /tmp/target " /proc/self/mountinfo)" = 1 && umount /tmp/target'
    " && mount.nfs -V | grep -q nfs-utils && rm -r /etc/hotstack/mount-wrapper.conf /tmp/source /tmp/target"
)

_PLACE_MOUNT_NFS = (
    "cd /usr/sbin && mv mount.nfs mount.nfs.real && ln -s ../local/sbin/mount.nfs mount.nfs"
    " && ln -sf mount.nfs.real mount.nfs4 && ln -sf mount.nfs.real umount.nfs && ln -sf mount.nfs.real umount.nfs4"
)

DISKS = Image(
    "disks",
    parent="openstack",
    # Debian's binding of libvirt is that of its libvirt; the one of PyPI would have to be compiled here.
    deb=("nfs-common", "python3-libvirt", "qemu-utils", "sudo"),
    files={
        "/usr/local/bin/qemu-img": "qemu-img",
        "/usr/local/sbin/mount.nfs": "mount.nfs",
        "/etc/sudoers.d/hotstack-os": "sudoers",
    },
    steps=(
        _PLACE_MOUNT_NFS,
        _TRY_QEMU_IMG,
        _TRY_MOUNT_NFS,
    ),
)


KEYSTONE = Image(
    "keystone",
    parent="openstack",
    pip=("keystone",),
    user=User("keystone", 64200),
    steps=(
        _late_saml("api/auth.py", "keystone_idp"),
        _late_saml("api/_shared/saml.py", "keystone_idp"),
        _late_saml("cmd/cli.py", "idp"),
        "keystone-manage --version",
        "python -c 'import keystone.server.flask.application, sys; assert \"saml2\" not in sys.modules'",
        "python -c 'import keystone.federation.idp'",
    ),
)
GLANCE = Image(
    "glance",
    parent="disks",
    pip=("glance",),
    user=User("glance", 64201, home="/var/lib/glance"),
    steps=("glance-manage --version", "python -c 'import glance.common.wsgi_app'"),
)
PLACEMENT = Image(
    "placement",
    parent="openstack",
    pip=("openstack-placement",),
    user=User("placement", 64202),
    steps=("placement-manage --version", "python -c 'import placement.wsgi'"),
)
NOVA = Image(
    "nova",
    parent="disks",
    # Ephemeral disks get a file system from nova-compute: FAT, or ext4 where the image names Linux (os_type).
    # Disks of servers that move to another node while they are off go there by scp.
    deb=(
        "dosfstools",
        "e2fsprogs",
        "genisoimage",
        "iproute2",
        "libvirt-clients",
        "openssh-client",
        "openssh-server",
    ),
    unpack=("novnc",),
    pip=("nova", "websockify"),
    # websockify masks frames without it too, and pulls in nothing else of its kind.
    without=("numpy",),
    user=User("nova", 64203, home="/var/lib/nova"),
    steps=(
        _whole_policies("nova/policy.py"),
        *_LASTING_TAPS,
        _UPLOADS_IN_PLACE,
        "cd /usr/lib/python3/dist-packages && ln -s $PWD/libvirt*.py $PWD/libvirtmod*.so " + SITE,
        "python -c 'import libvirt, libvirt_qemu, nova.virt.libvirt.driver, nova.api.openstack.wsgi_app'",
        "nova-manage --version && nova-novncproxy --help > /dev/null && test -f /usr/share/novnc/vnc_lite.html",
        "genisoimage --version && virsh --version && command -v mkfs.vfat && command -v mkfs.ext4",
        "scp 2>&1 | grep -q usage && /usr/sbin/sshd -V && rm /etc/ssh/ssh_host_*",
    ),
)
NEUTRON = Image(
    "neutron",
    parent="openstack",
    # haproxy serves metadata in each network's namespace; iptables repairs its checksums; ML2/OVN reads the schemas of
    # OVN's databases with ovsdb-client; sysctl prepares a namespace.
    deb=("haproxy", "iproute2", "iptables", "openvswitch-common", "procps", "sudo"),
    pip=("neutron",),
    files={"/etc/sudoers.d/hotstack-os": "sudoers"},
    user=User("neutron", 64204, home="/var/lib/neutron"),
    steps=(
        _SYNC_AT_ONCE,
        _BRIDGE,
        _HELPERS_WITHOUT_API,
        _whole_policies("neutron/policy.py"),
        "neutron-db-manage --help > /dev/null && haproxy -v && ip -V && iptables --version && ovsdb-client -V",
        "sysctl --version && iptables-save --version",
        "python -c 'import neutron.server, neutron.plugins.ml2.drivers.ovn.mech_driver.mech_driver'",
        "python -c 'import neutron.agent.ovn.agent.ovn_neutron_agent'",
        "python -c 'import neutron.privileged.agent.linux.ip_lib, sys; assert \"openstack\" not in sys.modules'",
    ),
)
CINDER = Image(
    "cinder",
    parent="disks",
    pip=("cinder",),
    user=User("cinder", 64205, home="/var/lib/cinder"),
    steps=(
        _whole_policies("cinder/policy.py"),
        *_ATTACHED_RAW_FILES_GROW,
        # 86 MB of descriptions of web services that only a backup driver could use.
        f"rm -r {SITE}/googleapiclient/discovery_cache/documents",
        "cinder-manage --version && python -c 'import cinder.opts, cinder.volume.drivers.nfs, cinder.volume.manager'",
        "sudo -n cinder-rootwrap /etc/cinder/rootwrap.conf stat /etc > /dev/null",
    ),
)
HEAT = Image(
    "heat",
    parent="openstack",
    pip=("openstack-heat",),
    user=User("heat", 64206, home="/var/lib/heat"),
    steps=(
        "heat-manage --version",
        "python -c 'import heat.engine.service, heat.engine.resources.openstack.nova.server'",
    ),
)

MARIADB = Image(
    "mariadb",
    deb=("mariadb-client-core", "mariadb-server-core"),
    unpack=("mariadb-client",),  # mariadb-dump; installed, it would bring all of Perl
    user=User("mysql", 64210, home="/var/lib/mysql"),
    steps=("mariadbd --version && mariadb --version && mariadb-dump --version && test -x /usr/bin/mariadb-install-db",),
)
RABBITMQ = Image(
    "rabbitmq",
    deb=("rabbitmq-server",),
    user=User("rabbitmq", 64211, home="/var/lib/rabbitmq"),
    steps=(
        "test -x /usr/lib/rabbitmq/bin/rabbitmq-server",
        "erl -noshell -eval 'io:put_chars(erlang:system_info(otp_release)), halt().'",
    ),
)
# The package's Perl scripts would bring all of Perl.
MEMCACHED = Image(
    "memcached",
    deb=("libevent-2.1-7t64", "libsasl2-2"),
    unpack=("memcached",),
    user=User("memcached", 64212),
    steps=("memcached --version",),
)
HAPROXY = Image("haproxy", deb=("haproxy",), user=User("haproxy", 64213), steps=("haproxy -v",))
DNSMASQ = Image("dnsmasq", deb=("dnsmasq-base",), user=User("dnsmasq", 64214), steps=("dnsmasq --version",))
OVN = Image(
    "ovn",
    deb=("ovn-central", "ovn-host"),
    user=User("ovn", 64215),
    steps=(
        "ovn-northd --version && ovn-controller --version && ovsdb-server --version && ovn-nbctl --version",
        "test -f /usr/share/ovn/ovn-nb.ovsschema && test -f /usr/share/ovn/ovn-sb.ovsschema",
    ),
)

IMAGES: tuple[Image, ...] = (
    ROOTFS,
    BASE,
    WHEELS,
    OPENSTACK,
    DISKS,
    KEYSTONE,
    GLANCE,
    PLACEMENT,
    NOVA,
    NEUTRON,
    CINDER,
    HEAT,
    MARIADB,
    RABBITMQ,
    MEMCACHED,
    HAPROXY,
    DNSMASQ,
    OVN,
)
"""All images, parents before children."""
