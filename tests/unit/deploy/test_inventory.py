"""What a node is, read from its files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pytest

from hotstack_os.deploy.inventory import resolvers

STUB = "# made by systemd-resolved\nnameserver 127.0.0.53\noptions edns0 trust-ad\nsearch .\n"
RESOLVED, MANAGER = "/run/systemd/resolve/resolv.conf", "/run/NetworkManager/no-stub-resolv.conf"


class Files:
    """A `Host` with some files."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = texts

    def read(self, paths: Iterable[str]) -> Mapping[str, bytes | None]:
        return {path: self._texts[path].encode() if path in self._texts else None for path in paths}


@pytest.mark.parametrize(
    ("texts", "found"),
    [
        ({}, ()),
        ({"/etc/resolv.conf": "nameserver 192.0.2.1\nnameserver 192.0.2.2\n"}, ("192.0.2.1", "192.0.2.2")),
        ({"/etc/resolv.conf": STUB}, ()),
        ({"/etc/resolv.conf": STUB, RESOLVED: "nameserver 192.0.2.3\nnameserver fe80::1%eth0\n"}, ("192.0.2.3",)),
        ({"/etc/resolv.conf": "nameserver 127.0.0.1\n", MANAGER: "nameserver 192.0.2.4\n"}, ("192.0.2.4",)),
        # Whoever writes down a server beside the machine's own means it.
        ({"/etc/resolv.conf": f"{STUB}nameserver 192.0.2.5\n", RESOLVED: "nameserver 192.0.2.6\n"}, ("192.0.2.5",)),
    ],
)
def test_name_servers_are_found_behind_the_machines_own_resolver(texts: dict[str, str], found: tuple[str, ...]) -> None:
    assert resolvers(Files(texts)) == found  # type: ignore[arg-type]
