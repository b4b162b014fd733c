"""Where a secret could come to light on a node and on the operator's machine, and the search for it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from system.conftest import CloudUnderTest

UNITS = "/etc/systemd /etc/containers /run/systemd/generator /run/systemd/transient"
OURS = "/etc/hotstack-os/config /usr/lib/hotstack-os /run/hotstack-os/health.json"


def places(cloud: CloudUnderTest) -> dict[str, bytes]:
    """Place → everything that can be read there by somebody who must not know a secret."""
    text = {
        "units": cloud.shell(f"find {UNITS} -type f -exec cat {{}} + 2>/dev/null || true"),
        "configuration": cloud.shell(f"find {OURS} -type f -exec cat {{}} +"),
        "podman inspect": cloud.shell("podman inspect $(podman ps --all --quiet)"),
        "journal": cloud.shell("journalctl --no-pager --output=export"),
        "logs": cloud.shell("find /var/log -type f -not -path '*/journal/*' -exec cat {} +"),
    }
    kept = [
        path for path in cloud.state.rglob("*") if path.is_file() and "box" not in path.relative_to(cloud.state).parts
    ]
    allowed = {"secrets.json", "clouds.yaml", "cloud-secret.yaml"}
    return {
        **{name: content.encode() for name, content in text.items()},
        "argv": b"\n".join(cloud.watch.argv),
        "environment": b"\n".join(cloud.watch.environ),
        "state": b"\n".join(path.read_bytes() for path in kept if path.name not in allowed),
    }


def forms(secret: str) -> Iterator[bytes]:
    """A secret and its plain digests: whoever finds a digest can try guesses against it."""
    raw = secret.encode()
    yield raw
    for algorithm in ("md5", "sha1", "sha256", "sha512"):
        yield hashlib.new(algorithm, raw, usedforsecurity=False).hexdigest().encode()


def found(secret: str, where: dict[str, bytes]) -> set[str]:
    """The places in which a secret or a digest of it stands."""
    return {place for place, content in where.items() if any(form in content for form in forms(secret))}
