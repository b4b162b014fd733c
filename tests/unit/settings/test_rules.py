from __future__ import annotations

import pytest

from hotstack_os.catalogue import registry
from hotstack_os.health.probes import ACCOUNT
from hotstack_os.settings.content import FLAVORS, Flavor
from hotstack_os.settings.content_rules import USERS
from hotstack_os.settings.loading import load
from hotstack_os.settings.problems import SettingsError
from unit.settings.world import Load, Mistakes


@pytest.mark.parametrize(
    ("text", "key", "wanted"),
    [
        ("networks: {containers: 172.31.0.0/24}", "networks.containers", "do not overlap"),
        ("content: {networks: {private: {cidr: 172.31.0.0/16}}}", "content.networks.private.cidr", "apart from"),
        ("content: {networks: {private: {cidr: 10.0.0.0/30}}}", "content.networks.private.cidr", "/29 or larger"),
        ("content: {networks: {private: {name: public}}}", "content.networks.private.name", "two different names"),
        ("content: {networks: {public: {subnet: private-subnet}}}", "content.networks.public.subnet", "different"),
        ("content: {user: nova}", "content.user", "of the cloud itself"),
        ("content: {project: service}", "content.project", "of the cloud itself"),
        ("content: {roles: [member, member]}", "content.roles.1", "once"),
        ("content: {ingress: [icmp, tcp/22, icmp]}", "content.ingress.2", "once"),
        ("content: {ingress: [tcp]}", "content.ingress.0", "tcp/PORT"),
        ("content: {ingress: [tcp/70000]}", "content.ingress.0", "tcp/PORT"),
        ("content: {ingress: [tcp/9-3]}", "content.ingress.0", "tcp/PORT"),
        ("content: {enabled: 'yes'}", "content.enabled", "true or false"),
        ("content: {quotas: {cores: -2}}", "content.quotas.cores", "-1 for no limit"),
        ("content: {quotas: {core: 1}}", "content.quotas.core", "a key that exists"),
        ("content: {flavors: {'a/b': {}}}", "content.flavors.a/b", "a name of at most 64"),
        ("content: {flavors: {x.y: {ram: 0}}}", "content.flavors.x.y.ram", "MiB"),
        ("content: {flavors: {x: {cpus: 1}}}", "content.flavors.x.cpus", "a key that exists"),
        ("content: {flavors: {x: {properties: {a b: c}}}}", "content.flavors.x.properties.a b", "a property's name"),
        ("content: {images: {x: {}}}", "content.images.x.url", "either a file or a URL"),
        ("content: {images: {x: {file: /a, url: 'http://a/b'}}}", "content.images.x.url", "either a file or a URL"),
        ("content: {images: {x: {url: 'http://a/b'}}}", "content.images.x.url", "a checksum for what is downloaded"),
        ("content: {images: {x: {file: /a, sha256: abc}}}", "content.images.x.sha256", "64 hexadecimal digits"),
        ("content: {images: {x: {file: a}}}", "content.images.x.file", "absolute path"),
        ("content: {images: {x: {url: 'file:///a'}}}", "content.images.x.url", "http or https"),
        ("content: {images: {x: {url: 'http://u:p@a/b'}}}", "content.images.x.url", "without credentials"),
        ("content: {images: {x: {file: /a, disk-format: vhd}}}", "content.images.x.disk-format", "servers boot from"),
        ("content: {images: {x: {file: /a, disk-format: vhdx}}}", "content.images.x.disk-format", "servers boot from"),
        ("content: {images: {x: {file: /a, disk-format: zip}}}", "content.images.x.disk-format", "qcow2"),
        ("content: {images: {hotstack-guest: {file: /a}}}", "content.test-image.name", "no other image"),
        ("networks: {provider: 172.31.0.0/16}", "networks.provider", "do not overlap"),
        ("networks: {containers: 10.0.0.0/27}", "networks.containers", "/26 or larger"),
        ("networks: {provider: 10.0.0.0/29}", "networks.provider", "/28 or larger"),
        ("networks: {provider: 10.0.0.1/24}", "networks.provider", "without host bits"),
        ("networks: {provider: 10.0.0.0}", "networks.provider", "IPv4 network"),
        ("networks: {provider: 'fd00::/64'}", "networks.provider", "IPv4 network"),
        ("networks: {provider: 10.0.0.0/255.255.0.255}", "networks.provider", "IPv4 network"),
        ("networks: {provider: 127.1.0.0/24}", "networks.provider", "addresses for hosts"),
        ("networks: {containers: 224.0.0.0/24}", "networks.containers", "addresses for hosts"),
        ("networks: {containers: 0.0.0.0/0}", "networks.containers", "addresses for hosts"),
        ("networks: {provider: 192.168.0.0/16}", "networks.provider", "apart from 192.168.100.0/24"),
        ("networks: {containers: 192.168.100.0/24}", "networks.containers", "apart from 192.168.100.0/24"),
        ("networks: {gateway: 172.31.0.1}", "networks.gateway", "a host in 172.31.0.128/25"),
        ("networks: {gateway: 172.31.0.128}", "networks.gateway", "a host in 172.31.0.128/25"),
        ("networks: {gateway: 172.31.0.255}", "networks.gateway", "a host in 172.31.0.128/25"),
        ("networks: {floating: {first: 172.31.1.1}}", "networks.floating.first", "a host in 172.31.0.128/25"),
        ("networks: {floating: {last: 172.31.0.255}}", "networks.floating.last", "a host in 172.31.0.128/25"),
        ("networks: {floating: {last: 172.31.0.132}}", "networks.floating.last", "at least 4 floating IPs"),
        ("networks: {floating: {first: 172.31.0.150, last: 172.31.0.140}}", "networks.floating.last", "at least 4"),
        ("networks: {floating: {first: 172.31.0.129}}", "networks.floating.first", "the gateway 172.31.0.129 outside"),
        ("networks: {gateway: 172.31.0.150, floating: {first: 172.31.0.140}}", "networks.floating.first", "outside"),
        ("networks: {dns: 8.8.8.8}", "networks.dns", "a host in 172.31.0.0/25 or 172.31.0.128/25"),
        ("networks: {dns: 172.31.0.127}", "networks.dns", "a host in"),
        ("networks: {dns: 172.31.0.11}", "networks.dns", "an address of its own"),
        ("networks: {dns: 172.31.0.129}", "networks.dns", "an address of its own"),
        ("networks: {dns: 172.31.0.130}", "networks.dns", "an address of its own"),
        ("{target: local, nodes: {a: }}", "nodes", "the target box"),
        ("paths: {volumes: /srv/volumes}\nnodes: {a: }", "paths.volumes", "below /var/lib/hotstack-os"),
        ("{nodes: {a: }, ports: {nova: 8022}}", "ports.nova", "free on the gateway"),
        ("nodes: {hotstack-os: }", "nodes.hotstack-os", "a name other than the cloud's"),
        ("nodes: {Upper: }", "nodes.Upper", "small letters"),
        ("nodes: {a: {adress: 1.2.3.4}}", "nodes.a.adress", "a key that exists"),
        ("nodes: {a: {address: 10.0.0.1}}", "nodes.a.address", "a host in 172.31.0.128/25"),
        ("nodes: {a: {address: 172.31.0.140}}", "nodes.a.address", "outside the pool"),
        ("nodes: {a: {address: 172.31.0.129}}", "nodes.a.address", "an address of its own"),
        ("nodes: {a: {address: 172.31.0.250}, b: {address: 172.31.0.250}}", "nodes.b.address", "an address of its own"),
        ("networks: {mtu: 1279}", "networks.mtu", "from 1280 to 9216"),
        ("networks: {mtu: 9217}", "networks.mtu", "from 1280 to 9216"),
        ("networks: {mtu: '1500'}", "networks.mtu", "from 1280 to 9216"),
        ("networks: {vlans: [0, 5]}", "networks.vlans", "from 1 to 4094"),
        ("networks: {vlans: [5, 4095]}", "networks.vlans", "from 1 to 4094"),
        ("networks: {vlans: [200, 100]}", "networks.vlans", "first and the last"),
        ("networks: {vlans: [1, 2, 3]}", "networks.vlans", "first and the last"),
        ("networks: {vlans: [true, 2]}", "networks.vlans", "first and the last"),
        ("dns_servers: [172.31.0.10]", "dns_servers.0", "other than the cloud's own"),
        ("dns_servers: [192.0.2.1, 0.0.0.0]", "dns_servers.1", "can answer"),
        ("dns_servers: 192.0.2.1", "dns_servers", "a list of IPv4 addresses"),
        ("paths: {data: data}", "paths.data", "absolute path"),
        ("paths: {data: '/srv/a b'}", "paths.data", "letters, digits"),
        ('paths: {data: "/srv/a\\x01"}', "paths.data", "letters, digits"),
        ("paths: {data: '/srv/a:b'}", "paths.data", "letters, digits"),
        ("paths: {data: '/srv/%h'}", "paths.data", "letters, digits"),
        ("paths: {data: /srv/../etc}", "paths.data", "without . and .."),
        ("paths: {data: /}", "paths.data", "of the cloud's own"),
        ("paths: {data: //etc}", "paths.data", "of the cloud's own"),
        ("paths: {data: /var/lib/}", "paths.data", "of the cloud's own"),
        ("paths: {data: /usr/share/cloud}", "paths.data", "of the cloud's own"),
        ("paths: {mounts: /run/mounts}", "paths.mounts", "of the cloud's own"),
        ("paths: {instances: /var/lib/hotstack-os}", "paths.instances", "does not hold the data directory"),
        ("paths: {data: /srv/x/data, volumes: /srv/x}", "paths.volumes", "does not hold the data directory"),
        ("paths: {instances: /srv/x, mounts: /srv/x/mnt}", "paths.mounts", "apart"),
        ("paths: {instances: /srv/x/disks, mounts: /srv/x}", "paths.mounts", "apart"),
        ("paths: {volumes: /srv/x, mounts: /srv/x}", "paths.mounts", "apart"),
        ("paths: {volumes: /var/lib/hotstack-os/nova-instances}", "paths.volumes", "apart"),
        ("paths: {volumes: /var/lib/hotstack-os/mysql}", "paths.volumes", "a directory of its own"),
        ("paths: {data: /var/lib/hotstack-os-clouds/x}", "paths.data", "apart from this program's own"),
        ("ports: {heat: 65536}", "ports.heat", "from 1 to 65535"),
        ("ports: {heat: 5000}", "ports.heat", "each port once"),
        ("ports: {keystone: 9292}", "ports.keystone", "each port once"),
        ("ports: {heat: 1000, novnc: 1000}", "ports.novnc", "each port once"),
        ("ports: {heat: 53}", "ports.heat", "free on the gateway"),
        ("ports: {ironic: 6385}", "ports.ironic", "a key that exists"),
        ("paths: {extra: }", "paths.extra", "a key that exists"),
        ("domain: Upper.local", "domain", "DNS domain"),
        ("domain: 'a..b'", "domain", "DNS domain"),
        ("domain: cloud.test.", "domain", "DNS domain"),
        ("domain: '-a.test'", "domain", "DNS domain"),
        ("domain: '10.0.0.1'", "domain", "DNS domain"),
        (f"domain: {'a' * 64}.test", "domain", "DNS domain"),
        ("domain: x.localhost", "domain", "resolvers"),
        ("name: 1cloud", "name", "begins with a letter"),
        ("name: cloud-", "name", "at most 32"),
        (f"name: {'a' * 33}", "name", "at most 32"),
        ('name: "red\\n"', "name", "at most 32"),
        ("name: ../etc", "name", "at most 32"),
        ("region: 'a/b'", "region", "a region"),
        ("release: 2024.2", "release", "(2025.1, 2025.2, 2026.1)"),
        ("release: true", "release", "an OpenStack release"),
        ("target: host", "target", "box or local"),
        ("mirrors: {debian: 'ftp://mirror.example.org'}", "mirrors.debian", "http, https or file URL"),
        ("mirrors: {debian: 'https://mirror.example.org/a b'}", "mirrors.debian", "http, https or file URL"),
        ("mirrors: {debian: 'https://[mirror'}", "mirrors.debian", "http, https or file URL"),
        ("mirrors: {debian: 'http:///debian'}", "mirrors.debian", "http, https or file URL"),
        ("services: {nova-api: {workers: 0}}", "services.nova-api.workers", "from 1 to 64"),
        ("services: {nova-api: {threads: 2.0}}", "services.nova-api.threads", "from 1 to 64"),
        ("services: {nova-api: {config: {DEFAULT: {x: }}}}", "services.nova-api.config.DEFAULT.x", "a text, a number"),
    ],
)
def test_each_rule_reports_its_key_and_no_other(mistakes: Mistakes, text: str, key: str, wanted: str) -> None:
    found = mistakes(text)
    assert list(found) == [key]
    assert wanted in found[key].wanted
    assert found[key].line == 1


def test_names_that_are_kept_are_those_of_the_cloud() -> None:
    accounts = {account.name for component in registry.COMPONENTS for account in component.accounts}
    domains = {domain.administrator for component in registry.COMPONENTS for domain in component.domains}
    assert accounts | domains | {"admin", ACCOUNT} <= USERS


def test_without_content_its_network_is_in_nobodys_way(load_text: Load) -> None:
    load_text("content: {enabled: false}\nnetworks: {provider: 192.168.100.0/24}\n")


def test_flavors_that_are_given_take_the_place_of_all_others(load_text: Load) -> None:
    given = load_text("content: {flavors: {mine: {vcpus: 3, properties: {hw:numa_nodes: 1, x: true}}}}\n").content
    assert dict(given.flavors) == {"mine": Flavor(3, 2048, 20, {"hw:numa_nodes": "1", "x": "true"})}
    assert load_text("content: {flavors: {}}\n").content.flavors == {}
    assert load_text("").content.flavors == FLAVORS


@pytest.mark.parametrize(
    ("provider", "gateway", "pool"),
    [
        ("10.0.0.0/28", "10.0.0.1", ("10.0.0.2", "10.0.0.10")),
        ("10.0.0.0/27", "10.0.0.1", ("10.0.0.2", "10.0.0.22")),
        ("10.0.0.0/25", "10.0.0.1", ("10.0.0.2", "10.0.0.72")),
        ("10.0.0.0/16", "10.0.0.1", ("10.0.0.2", "10.0.0.72")),
    ],
)
def test_addresses_follow_from_the_provider_network(
    load_text: Load, provider: str, gateway: str, pool: tuple[str, str]
) -> None:
    networks = load_text(f"networks: {{provider: {provider}}}\n").networks
    assert str(networks.gateway) == gateway
    assert (str(networks.floating_first), str(networks.floating_last)) == pool


@pytest.mark.parametrize(
    ("gateway", "pool"),
    [("10.0.0.254", ("10.0.0.183", "10.0.0.253")), ("10.0.0.100", ("10.0.0.101", "10.0.0.171"))],
)
def test_the_pool_follows_from_the_gateway_where_there_is_room(
    load_text: Load, gateway: str, pool: tuple[str, str]
) -> None:
    networks = load_text(f"networks: {{provider: 10.0.0.0/24, gateway: {gateway}}}\n").networks
    assert (str(networks.floating_first), str(networks.floating_last)) == pool


def test_the_dns_address_follows_from_the_containers_network(load_text: Load) -> None:
    assert str(load_text("networks: {containers: 10.9.0.64/26}\n").networks.dns) == "10.9.0.74"


@pytest.mark.parametrize("dns", ["172.31.0.100", "172.31.0.240"])
def test_the_dns_address_may_be_any_free_one(load_text: Load, dns: str) -> None:
    assert str(load_text(f"networks: {{dns: {dns}}}\n").networks.dns) == dns


def test_a_broken_value_is_told_once_and_not_as_broken_rules_too(mistakes: Mistakes) -> None:
    found = mistakes("networks: {provider: 10.0.0.1/24, gateway: 10.0.0.1, floating: {first: 10.0.0.9}}\n")
    assert list(found) == ["networks.provider"]


def test_a_rule_blames_what_was_written_and_not_a_default(mistakes: Mistakes) -> None:
    both = "networks: {containers: 10.0.0.0/25, provider: 10.0.0.0/24}\n"
    assert list(mistakes(both)) == ["networks.provider"]
    assert list(mistakes("networks: {containers: 172.31.0.128/25}\n")) == ["networks.containers"]
    environ = {"NOVA_INSTANCES_PATH": "/var/lib/hotstack-os/cinder-nfs/x"}
    assert mistakes("", environ)["paths.instances"].where == "environment variable NOVA_INSTANCES_PATH"


def test_without_any_release_the_error_says_so() -> None:
    with pytest.raises(SettingsError, match="none is installed"):
        load(None, {}, {}, ())


def test_nodes_get_the_highest_addresses_that_are_free(load_text: Load) -> None:
    text = "nodes: {a: , b: {address: 172.31.0.253}, c: }\nnetworks: {dns: 172.31.0.254}"
    found = {name: str(address) for name, address in load_text(text).nodes.items()}
    assert found == {"a": "172.31.0.252", "b": "172.31.0.253", "c": "172.31.0.251"}
