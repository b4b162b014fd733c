"""What the settings of the cloud's content must be to each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hotstack_os.settings.rule import Fault, Rule, World
from hotstack_os.settings.schema import Settings

USERS = frozenset(
    {"admin", "health", "glance", "placement", "nova", "neutron", "cinder", "heat", "heat_domain_admin", "keystone"}
)
"""Users that the cloud itself has."""
PROJECTS = frozenset({"admin", "service"})
"""Projects that the cloud itself has."""


def _people(settings: Settings, _: World) -> Iterator[Fault]:
    if settings.content.user in USERS:
        yield Fault(("content.user",), "a user other than those of the cloud itself", repr(settings.content.user))
    if settings.content.project in PROJECTS:
        found = repr(settings.content.project)
        yield Fault(("content.project",), "a project other than those of the cloud itself", found)


def _network_names(settings: Settings, _: World) -> Iterator[Fault]:
    public, private = settings.content.networks.public, settings.content.networks.private
    for key, one, other in (("name", public.name, private.name), ("subnet", public.subnet, private.subnet)):
        if one == other:
            keys = (f"content.networks.public.{key}", f"content.networks.private.{key}")
            yield Fault(keys, "two different names", f"{one!r} twice")


def _image_names(settings: Settings, _: World) -> Iterator[Fault]:
    test = settings.content.test_image
    if test.enabled and test.name in settings.content.images:
        yield Fault(
            ("content.test-image.name",),
            "a name that no other image has",
            repr(test.name),
            "Rename one of the two, or set content.test-image.enabled to false.",
        )


def _image_sources(settings: Settings, _: World) -> Iterator[Fault]:
    for name, image in settings.content.images.items():
        key = f"content.images.{name}"
        if (image.file is None) == (image.url is None):
            yield Fault((f"{key}.file", f"{key}.url"), "either a file or a URL", "both" if image.file else "neither")
        elif image.url and not image.sha256:
            hint = "sha256sum FILE prints it."
            yield Fault((f"{key}.url", f"{key}.sha256"), "a checksum for what is downloaded", "a URL alone", hint)


def _once(settings: Settings, _: World) -> Iterator[Fault]:
    for key, values in (("roles", settings.content.roles or ()), ("ingress", settings.content.ingress)):
        for place in _repeated(values):
            yield Fault((f"content.{key}.{place}",), "each of them once", f"{values[place]!r} again")


def _repeated(values: Sequence[str]) -> list[int]:
    return [place for place, value in enumerate(values) if value in values[:place]]


CONTENT_RULES = (
    Rule(("content.user", "content.project"), _people),
    Rule(("content.networks",), _network_names),
    Rule(("content.images", "content.test-image"), _image_names),
    Rule(("content.images",), _image_sources),
    Rule(("content.roles", "content.ingress"), _once),
)
