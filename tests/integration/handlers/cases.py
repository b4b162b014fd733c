"""One case of the contract for each kind of thing: what is wanted, what then, and what others may do to it."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass, replace

from hotstack_os.bootstrap import databases
from hotstack_os.catalogue.context import MEMCACHED, Context
from hotstack_os.catalogue.infrastructure import CACHE
from hotstack_os.catalogue.resolve import render
from hotstack_os.catalogue.spec import ConfigFile
from hotstack_os.core.handler import Handler
from hotstack_os.core.model import Ref, Resource
from hotstack_os.exec import Host
from hotstack_os.hidden import Hidden
from hotstack_os.host import capabilities, files, units, user_units, users
from hotstack_os.network import addresses, firewall, ovs
from hotstack_os.runtime import quadlets, services
from hotstack_os.runtime.quadlet import Container

NODE = "node"
NOTHING: frozenset[Ref] = frozenset()
KEY = b"key of this cloud"
CANARY = "canary-5d1e"


@dataclass(frozen=True)
class Side:
    """A wanted thing with the handler that makes it so."""

    resource: Resource
    handler: Callable[[Host], Handler]


@dataclass(frozen=True)
class Case:
    """A kind's part of the contract.

    Attributes:
        first, then: what is wanted, and what is wanted after that; None where the kind cannot change.
        drifts: shell lines by which somebody else changes the thing; each must be seen and made good.
        prepare: a shell line run before all else.
        works: a shell line that succeeds only where `first` is really so.
        after: a shell line that succeeds only where nothing is left of it.
        secret: whether `CANARY` must not be seen.
    """

    name: str
    first: Side
    then: Side | None
    drifts: tuple[str, ...]
    prepare: str = "true"
    works: str = "true"
    after: str = "true"
    secret: bool = False


def _host_cases() -> list[Case]:
    return [
        *(_directory(), _file("file"), _file("secret-file"), _block(), _unit(), _running(), _user(), _user_unit()),
        *(_rights("file-rights", ""), _rights("foreign-override", "root games 2755")),
    ]


def _directory() -> Case:
    def side(mode: int, owner: str) -> Side:
        return Side(files.directory("/srv/d/e", NODE, mode=mode, owner=owner, group=owner), files.DirectoryHandler)

    drifts = ("chmod 777 /srv/d/e", "chown nobody /srv/d/e", "chgrp nogroup /srv/d/e", "rmdir /srv/d/e")
    return Case("directory", side(0o750, "daemon"), side(0o711, "root"), drifts)


def _file(name: str) -> Case:
    def side(text: str, mode: int) -> Side:
        content = Hidden(text, KEY) if name == "secret-file" else text
        resource = files.file("/srv/f/file", NODE, content, mode=mode, owner="daemon")
        return Side(resource, lambda host: files.FileHandler(host, KEY))

    drifts = (
        "echo more >> /srv/f/file",
        "chmod 644 /srv/f/file",
        "chown root /srv/f/file",
        "chgrp root /srv/f/file",
        "rm /srv/f/file",
        "mv /srv/f/file /srv/g && ln -s /srv/g /srv/f/file",
    )
    return Case(name, side(CANARY, 0o600), side(f"{CANARY}2", 0o640), drifts, secret=name == "secret-file")


def _block() -> Case:
    def side(text: str) -> Side:
        return Side(files.block("/srv/hosts", NODE, text), files.BlockHandler)

    foreign = r"127.0.0.1 localhost\n# caf\351\n"
    return Case(
        "block",
        side("10.0.0.1 one\n"),
        side("10.0.0.2 one\n10.0.0.3 two\n"),
        ("sed -i s/one/three/ /srv/hosts", "sed -i '/hotstack-os/,$d' /srv/hosts"),
        prepare=f"printf '{foreign}' > /srv/hosts; chown daemon:daemon /srv/hosts",
        works="test $(stat -c %U:%G /srv/hosts) = daemon:daemon",
        after=f"printf '{foreign}' | cmp - /srv/hosts",
    )


def _unit() -> Case:
    def side(words: str) -> Side:
        service = f"[Service]\nExecStart=/usr/bin/sleep {words}\n"
        text = f"[Unit]\nStartLimitIntervalSec=0\n{service}[Install]\nWantedBy=multi-user.target\n"
        return Side(units.unit("hot-test.service", NODE, text, NOTHING), units.UnitHandler)

    path = f"{units.DIRECTORY}/hot-test.service"
    drifts = (
        "systemctl stop hot-test",
        "systemctl disable hot-test",
        f"touch -d tomorrow {path}",
        f"sed -i 's/sleep /sleep 1/' {path}",
        f"sed -i 's/sleep /sleep 1/' {path}; systemctl daemon-reload",
        f"rm {path}",
    )
    works = "systemctl is-enabled hot-test && grep -az 1000 /proc/$(systemctl show -P MainPID hot-test)/cmdline"
    return Case("unit", side("1000"), side("2000"), drifts, works=works, after="! systemctl is-active hot-test")


def _running() -> Case:
    text = r"[Service]\nExecStart=/usr/bin/sleep 1000\n[Install]\nWantedBy=multi-user.target\n"
    return Case(
        "running",
        Side(units.running("foreign.service", NODE), units.RunningHandler),
        None,
        ("systemctl stop foreign", "systemctl disable foreign"),
        prepare=f"printf '{text}' > /usr/lib/systemd/system/foreign.service; systemctl daemon-reload",
        works="systemctl is-active foreign && systemctl is-enabled foreign",
        after="! systemctl is-active foreign && ! systemctl is-enabled foreign",
    )


def _user() -> Case:
    def side(*groups: str) -> Side:
        return Side(users.user("hottest", NODE, uid=64999, home="/var/lib/hottest", groups=groups), users.UserHandler)

    again = "systemctl stop user-runtime-dir@64999.service; systemctl start user-runtime-dir@64999.service"
    drifts = (
        "loginctl disable-linger hottest",
        # As often as systemd permits: the next start is refused unless the count is forgotten.
        f"loginctl disable-linger hottest; for n in 1 2 3 4 5 6 7; do {again} || break; done",
        "usermod --shell /bin/sh hottest",
        "gpasswd -d hottest audio",
        "gpasswd -a hottest games",
    )
    works = "test -d /var/lib/hottest && systemctl is-active user@$(id -u hottest).service"
    after = "! test -e /var/lib/hottest && ! ls /run/user | grep . && ! getent group hottest"
    return Case("user", side("audio"), side("audio", "video"), drifts, works=works, after=after)


def _user_unit() -> Case:
    name, home = "hotunit", "/var/lib/hotunit"

    def side(words: str) -> Side:
        text = f"[Service]\nExecStart=/usr/bin/sleep {words}\n[Install]\nWantedBy=default.target\n"
        resource = user_units.user_unit(name, home, "hot.service", NODE, text, NOTHING, Ref(users.USER, name, NODE))
        return Side(resource, user_units.UserUnitHandler)

    ctl = f"runuser --user {name} -- env XDG_RUNTIME_DIR=/run/user/64998 systemctl --user"
    path = f"{home}/.config/systemd/user/hot.service"
    making = f"useradd --system --uid=64998 --user-group --create-home --home-dir={home} {name}"
    gone = f"! {ctl} is-active hot && ! test -e {path}"
    stopped = "systemctl stop user@64998.service user-runtime-dir@64998.service"
    return Case(
        "user-unit",
        side("1000"),
        side("2000"),
        (f"{ctl} stop hot", f"{ctl} disable hot", f"sed -i 's/sleep /sleep 1/' {path}", f"rm {path}"),
        prepare=f"{making} && loginctl enable-linger {name} && systemctl start user@64998.service",
        works=f"{ctl} is-active hot && {ctl} is-enabled hot",
        after=f"{gone} && loginctl disable-linger {name} && {stopped} && userdel --remove {name}",
    )


def _rights(name: str, before: str) -> Case:
    """`before` is somebody else's override, which comes back."""
    program = f"/usr/local/bin/{name}"

    def side(group: str, mode: int) -> Side:
        resource = capabilities.rights(program, NODE, "root", group, mode, NOTHING)
        return Side(resource, capabilities.RightsHandler)

    drifts = (
        f"chmod 755 {program}; setcap cap_net_admin=ep {program}",
        f"chgrp root {program}; setcap cap_net_admin=ep {program}",
        f"dpkg-statoverride --remove {program}",
        f"dpkg-statoverride --remove {program}; dpkg-statoverride --add daemon daemon 700 {program}",
    )
    theirs = f"dpkg-statoverride --update --add {before} {program} &&" if before else ""
    listed = f"test \"$(dpkg-statoverride --list {program})\" = '{f'{before} {program}' if before else ''}'"
    given_back = f"test \"$(stat -c '%U %G %a' {program})\" = '{before or 'root root 755'}'"
    # Capabilities outlive a change of owner, and only root and the group may run it.
    works = f"getcap {program} | grep cap_net_admin=ep && {program} && ! runuser --user nobody {program}"
    return Case(
        name,
        side("daemon", 0o750),
        side("games", 0o700),
        drifts,
        prepare=f"cp /usr/bin/true {program} && {theirs} setcap cap_net_admin=ep {program}",
        works=f"{works} && runuser --user nobody --group daemon {program}",
        after=f"{listed} && {given_back} && getcap {program} | grep cap_net_admin=ep",
    )


def _network_cases(context: Context) -> list[Case]:
    return [_ovs_settings(), _bridge(), _port(), _address(), _route(), _sysctl(), _firewall(context)]


def _ovs_settings() -> Case:
    def side(**ids: str) -> Side:
        return Side(ovs.settings(NODE, ids, {"hot-other": "a"}, NOTHING), ovs.SettingsHandler)

    drifts = ("ovs-vsctl set open . external_ids:one=9", "ovs-vsctl remove open . other_config hot-other")
    works = 'test "$(ovs-vsctl get open . external_ids:one)" = \'"1 and 2"\''
    return Case("ovs-settings", side(one="1 and 2", two='"'), side(one="2", two="3"), drifts, works=works)


def _bridge() -> Case:
    def side(mtu: int, fail_mode: str) -> Side:
        resource = ovs.bridge("hot-t", NODE, datapath="netdev", fail_mode=fail_mode, mtu=mtu, needs=NOTHING)
        return Side(resource, ovs.BridgeHandler)

    drifts = (
        "ip link set hot-t down",
        "ovs-vsctl set interface hot-t mtu_request=1200",
        "ovs-vsctl set-fail-mode hot-t secure",
        "ovs-vsctl remove bridge hot-t external_ids owner",
        "ovs-vsctl del-br hot-t",
    )
    # A server's device, as it is when nobody unplugged it.
    plugged = "(ip link show tap-t || ip tuntap add tap-t mode tap) && ovs-vsctl --may-exist add-port hot-t tap-t"
    works = f"ip link show hot-t | grep 'mtu 1400' && {plugged}"
    after = "! ip link show hot-t && ! ip link show tap-t"
    return Case("bridge", side(1400, ""), side(1300, "secure"), drifts, works=works, after=after)


def _port() -> Case:
    side = Side(ovs.port("hot-p", "hot-v1", NODE, NOTHING), ovs.PortHandler)
    other = "--may-exist add-br hot-q -- set bridge hot-q datapath_type=netdev -- add-port hot-q hot-v1"
    drifts = (
        "ovs-vsctl del-port hot-v1",
        f"ovs-vsctl del-port hot-v1 -- {other}",
        # Its other end went, and both came again: vswitchd takes up the new device by itself, or is told to.
        "ip link delete hot-v1; sleep 1; ovs-vsctl del-port hot-v1; ip link add hot-v1 type veth peer name hot-v2",
    )
    bridge = "ovs-vsctl add-br hot-p -- set bridge hot-p datapath_type=netdev"
    clean = "ovs-vsctl del-br hot-p -- --if-exists del-br hot-q && ip link delete hot-v1"
    return Case(
        "port",
        side,
        None,
        drifts,
        prepare=f"{bridge}; ip link add hot-v1 type veth peer name hot-v2",
        works='test "$(ovs-vsctl port-to-br hot-v1)" = hot-p',
        after=f"! ovs-vsctl port-to-br hot-v1 && {clean}",
    )


def _address() -> Case:
    side = Side(addresses.address("hot-a", "10.78.0.1/24", NODE, NOTHING), addresses.AddressHandler)
    return Case(
        "address",
        side,
        None,
        ("ip address delete 10.78.0.1/24 dev hot-a",),
        prepare="ip link add hot-a type veth peer name hot-b; ip link set hot-b up; ip link set hot-a up",
        # Another address of the same network, younger than ours, outlives it.
        works="ip address replace 10.78.0.2/24 dev hot-a; ping -c1 -W1 10.78.0.1",
        after="ip -4 address show dev hot-a | grep 10.78.0.2 && ip link delete hot-a",
    )


def _route() -> Case:
    def side(gateway: str) -> Side:
        return Side(addresses.route("10.77.0.0/16", gateway, NODE, NOTHING), addresses.RouteHandler)

    drifts = ("ip route delete 10.77.0.0/16", "ip route replace 10.77.0.0/16 via 10.76.0.4")
    return Case(
        "route",
        side("10.76.0.2"),
        side("10.76.0.3"),
        drifts,
        prepare="ip link add hot-d type veth peer name hot-e; ip link set hot-e up;"
        " ip address add 10.76.0.1/24 dev hot-d; ip link set hot-d up",
        works="ip route get 10.77.1.1 | grep 'via 10.76.0.2 dev hot-d'",
        after="! ip route | grep 10.77 && ip link delete hot-d",
    )


def _sysctl() -> Case:
    name = "net.ipv4.ip_local_port_range"

    def side(value: str) -> Side:
        return Side(addresses.sysctl(name, value, NODE), addresses.SysctlHandler)

    return Case("sysctl", side("20000 40000"), side("21000 41000"), (f"sysctl --write {name}='22000 42000'",))


def _firewall(context: Context) -> Case:
    def side(*ports: int, peers: tuple[str, ...] = ()) -> Side:
        rules = firewall.rules(context.cloud.networks, "hot-t", ports, peers, (5672, 6641), (8022,))
        text = firewall.load_script(rules)
        return Side(firewall.firewall(NODE, text, NOTHING), firewall.FirewallHandler)

    table = f"inet {firewall.NAME}"
    drifts = (
        f"nft flush chain {table} input",
        f"nft insert rule {table} input accept",
        f"nft delete table {table}",
        f"echo >> {firewall.FILE}",
        f"rm {firewall.FILE}",
    )
    works = f"nft list table {table} | grep '5000, 9292'"
    after = f"! nft list table {table} && ! ls {firewall.FILE}*"
    return Case(
        "firewall", side(5000, 9292), side(peers=("10.1.0.254", "10.1.0.253")), drifts, works=works, after=after
    )


def _runtime_cases(context: Context, images: dict[str, str]) -> list[Case]:
    def container(memory: str, plain: str, secret: str) -> Container:
        def probe(_: Context) -> dict[str, dict[str, str | Hidden]]:
            return {"section": {"plain": plain, "hidden": Hidden(secret, KEY)}}

        service = replace(
            CACHE.services[0],
            config=(ConfigFile("/etc/probe.conf", probe, secrets="/etc/probe.secret"),),
            command=(*COMMAND, "-m", memory),
        )
        rendered = render(service, context)
        return Container(service, images["memcached"], rendered.public, rendered.secret, "10.0.0.1 one\n", context)

    return [_service(container("32", "1", CANARY), container("32", "2", f"{CANARY}2"))]


UNIT = "hotstack-os-memcached.service"
AWKWARD = '100% of ${HOME}, \\ and "it\'s"'
SOCKET = f"{MEMCACHED.mounted}/{MEMCACHED.name}"
COMMAND = ("/usr/bin/env", f"AWKWARD={AWKWARD}", "memcached", "-s", SOCKET, "-a", "0666")


def _service(first: Container, then: Container) -> Case:
    def side(each: Container) -> Side:
        wanted = {each.service.name: each}
        return Side(services.resource(each, NODE, NOTHING), lambda host: services.ServiceHandler(host, wanted, KEY))

    path = quadlets.path_of("memcached")
    config, secrets = "/etc/hotstack-os/config/memcached", "/etc/hotstack-os/secrets/memcached"
    drifts = (
        f"systemctl stop {UNIT}",
        f"sed -i s/plain/plane/ {config}/*/*",
        f"sed -i s/hidden/shown/ {secrets}/*/*",
        f"chmod 644 {secrets}/*/*",
        f"rm -r {config}",
        f"echo >> {path}",
        f"rm {path}",
        f"mv {path} /srv/kept; systemctl daemon-reload; mv /srv/kept {path}",
    )
    inside, word = "podman exec hotstack-os-memcached", shlex.quote(f"AWKWARD={AWKWARD}")
    works = f"{inside} grep hidden /etc/probe.secret && {inside} grep -zxF {word} /proc/1/environ"
    return Case(
        "service",
        side(first),
        side(then),
        drifts,
        works=works,
        after=f"! ls -d {config} {secrets} {path} && ! systemctl cat {UNIT}",
        secret=True,
    )


def _database_cases() -> list[Case]:
    within = Ref("directory", "/var/lib/mysql", NODE)

    def user(password: str, *names: str) -> Side:
        resource = databases.user("hot", NODE, Hidden(password, KEY), names, NOTHING, within)
        return Side(resource, databases.UserHandler)

    def sql(statement: str) -> str:
        return f"podman exec --user=0 hotstack-os-mariadb mariadb -e {shlex.quote(statement)}"

    one = Side(databases.database("hot_one", NODE, NOTHING, within), databases.DatabaseHandler)
    drifts = (
        "ALTER USER hot IDENTIFIED BY 'other'",
        "GRANT ALL ON *.* TO hot",
        "REVOKE ALL ON hot_one.* FROM hot",
        "GRANT SELECT ON foreign_one.* TO hot",
        "DROP USER hot",
    )
    return [
        Case(
            "database",
            one,
            None,
            (sql("DROP DATABASE hot_one"),),
            works=sql("CREATE OR REPLACE TABLE hot_one.t (i INT)"),
        ),
        Case(
            "database-user",
            user(CANARY, "hot_one"),
            user(f"{CANARY}2", "hot_one", "hot_two"),
            tuple(sql(each) for each in drifts),
            secret=True,
        ),
    ]


NAMES = (
    "directory", "file", "secret-file", "block", "unit", "running", "user", "user-unit", "file-rights",
    "foreign-override", "ovs-settings", "bridge", "port", "address", "route", "sysctl", "firewall", "service",
    "database", "database-user",
)  # fmt: skip


def make_cases(context: Context, images: dict[str, str]) -> dict[str, Case]:
    """Every case by its name."""
    made = [*_host_cases(), *_network_cases(context), *_runtime_cases(context, images), *_database_cases()]
    assert tuple(each.name for each in made) == NAMES
    return {each.name: each for each in made}
