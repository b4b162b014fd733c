"""What services run from, and what their next start would run from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from hotstack_os.exec import Host
from hotstack_os.runtime import quadlet, quadlets
from hotstack_os.runtime.containers import listed

LABEL = f"{quadlet.LABEL}digest"


@dataclass(frozen=True)
class Started:
    """What a service runs from, and what its next start would run from.

    Attributes:
        image, digest: the image that runs, and what names all that was started; empty where nothing runs.
        unit_image, unit_digest: the same of the unit in place; empty where there is none.
    """

    image: str = ""
    digest: str = ""
    unit_image: str = ""
    unit_digest: str = ""


def started(host: Host, names: Iterable[str]) -> Mapping[str, Started]:
    """What each service runs from."""
    paths = {name: quadlets.path_of(name) for name in names}
    texts, containers = host.read(paths.values()), listed(host)
    return {name: _started(containers.get(name), (texts[path] or b"").decode(errors="replace"))
            for name, path in paths.items()}  # fmt: skip


def _started(container: Mapping[str, Any] | None, unit: str) -> Started:
    runs = container if container and container["State"] == "running" else None
    image, digest = (runs["Image"], runs["Labels"].get(LABEL, "")) if runs else ("", "")
    return Started(image, digest, quadlet.value(unit, "Image"), quadlet.value(unit, f"Label={LABEL}"))
