"""A `Cloud` as the settings file that would make it, with everything written out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hotstack_os.settings.cloud import Cloud, Networks, Paths, ServiceSettings
from hotstack_os.settings.content import Content, ContentNetworks, Flavor, ImageSource


def as_settings(cloud: Cloud) -> dict[str, Any]:
    """The plain data of a settings file: loading it gives an equal `Cloud`, under the same state and cache."""
    written: dict[str, Any] = {
        "name": cloud.name,
        "target": cloud.target,
        "release": cloud.release,
        "region": cloud.region,
        "domain": cloud.domain,
        "networks": _networks(cloud.networks),
        "paths": _paths(cloud.paths),
        "ports": dict(cloud.ports),
        "patience": cloud.patience,
    }
    if cloud.services:
        written["services"] = {name: _service(said) for name, said in cloud.services.items()}
    if cloud.nodes:
        written["nodes"] = {name: {"address": str(address)} for name, address in cloud.nodes.items()}
    if cloud.dns_servers is not None:
        written["dns_servers"] = [str(server) for server in cloud.dns_servers]
    if cloud.debian_mirror is not None:
        written["mirrors"] = {"debian": cloud.debian_mirror}
    written["content"] = _content(cloud.content)
    return written


def as_yaml(cloud: Cloud) -> str:
    """`as_settings` as YAML."""
    import yaml  # noqa: PLC0415 (costs 15 ms; most callers want only the data)

    return yaml.safe_dump(as_settings(cloud), sort_keys=False, default_flow_style=False, allow_unicode=True, width=1000)


def _networks(networks: Networks) -> dict[str, Any]:
    return {
        "containers": str(networks.containers),
        "provider": str(networks.provider),
        "gateway": str(networks.gateway),
        "dns": str(networks.dns),
        "floating": {"first": str(networks.floating_first), "last": str(networks.floating_last)},
        "mtu": networks.mtu,
        "vlans": list(networks.vlans),
    }


def _paths(paths: Paths) -> dict[str, str]:
    return {
        "data": str(paths.data),
        "instances": str(paths.instances),
        "volumes": str(paths.volumes),
        "mounts": str(paths.mounts),
    }


def _service(said: ServiceSettings) -> dict[str, Any]:
    config: Mapping[str, Any] = {section: dict(options) for section, options in said.config.items()}
    numbers = {"workers": said.workers, "threads": said.threads}
    return {"config": config, **{name: number for name, number in numbers.items() if number is not None}}


def _content(content: Content) -> dict[str, Any]:
    said: dict[str, Any] = {"enabled": content.enabled, "project": content.project, "user": content.user}
    if content.roles is not None:
        said["roles"] = list(content.roles)
    return {
        **said,
        "quotas": {name.replace("_", "-"): number for name, number in content.quotas.items()},
        "flavors": {name: _flavor(each) for name, each in content.flavors.items()},
        "networks": _content_networks(content.networks),
        "ingress": list(content.ingress),
        "images": {name: _image(each) for name, each in content.images.items()},
        "test-image": {"enabled": content.test_image is not None, **_some(name=content.test_image)},
        "key": {"name": content.key_name, **_some(file=content.key_file)},
        "credential": content.credential,
    }


def _flavor(flavor: Flavor) -> dict[str, Any]:
    return {**vars(flavor), "properties": dict(flavor.properties)}


def _image(image: ImageSource) -> dict[str, Any]:
    return {
        **_some(file=image.file, url=image.url, sha256=image.sha256),
        "disk-format": image.disk_format,
        "visibility": image.visibility,
        "properties": dict(image.properties),
    }


def _content_networks(networks: ContentNetworks) -> dict[str, Any]:
    return {
        "public": {
            "name": networks.public.network,
            "subnet": networks.public.subnet,
            "dhcp": networks.public_dhcp,
        },
        "private": {
            "name": networks.private.network,
            "subnet": networks.private.subnet,
            "cidr": str(networks.private_cidr),
        },
        "router": networks.router,
    }


def _some(**named: object) -> dict[str, str]:
    """Those that are there, as texts."""
    return {name: str(value) for name, value in named.items() if value is not None}
