"""Making a release's lock: the one place that asks the package index which versions fit together."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import uv

from hotstack_os.catalogue.spec import Image
from hotstack_os.errors import HotstackError
from hotstack_os.exec import Command, run_here
from hotstack_os.images import lock, sources

PYTHON = "3.13"
"""Python of the images (Debian trixie)."""

_PLATFORM = "x86_64-manylinux_2_40"
SERIES: Mapping[str, Mapping[str, int]] = {
    "2025.1": {
        "keystone": 27,
        "glance": 30,
        "openstack-placement": 13,
        "nova": 31,
        "neutron": 26,
        "cinder": 26,
        "openstack-heat": 24,
    },
    "2025.2": {
        "keystone": 28,
        "glance": 31,
        "openstack-placement": 14,
        "nova": 32,
        "neutron": 27,
        "cinder": 27,
        "openstack-heat": 25,
    },
    "2026.1": {
        "keystone": 29,
        "glance": 32,
        "openstack-placement": 15,
        "nova": 33,
        "neutron": 28,
        "cinder": 28,
        "openstack-heat": 26,
    },
}
"""release → project → major version. Upper constraints name libraries only, not the services themselves."""

# Upper constraints leave setuptools open; projects of these releases import pkg_resources, which later ones dropped.
_BOUNDS = ("setuptools<81",)


def make_lock(images: Iterable[Image], release: str, constraints: str) -> lock.Lock:
    """The lock of all projects of all images for a release under a file or URL of its upper constraints.

    Hashes are those that the machine's main index gives for every file of a version; additional indexes and directories
    are left out, since their files may be others. Raises HotstackError where a project has no wheel and no image builds
    it, or where uv finds no solution.
    """
    if release not in SERIES:
        raise HotstackError(f"release {release}", f"series for {', '.join(SERIES)}", "Name one of these.")
    series = tuple(f"{project}=={major}.*" for project, major in SERIES[release].items())
    wanted = tuple(images)
    projects = sorted({name for image in wanted for name in image.pip})
    pins = lock.parse(_compile((*projects, *series, *_BOUNDS), constraints))
    built = {lock.normalise(name) for image in wanted for name in image.builds}
    left_out = {lock.normalise(name) for image in wanted for name in image.without}
    needed = {name: pin for name, pin in pins.items() if name not in left_out}
    _check_wheels({name: pin for name, pin in needed.items() if name not in built})
    return needed


def _compile(requirements: Iterable[str], constraints: str) -> str:
    command = _uv(
        "pip",
        "compile",
        "-",
        "--quiet",
        "--generate-hashes",
        "--no-header",
        "--no-emit-index-url",
        f"--constraint={constraints}",
        f"--python-version={PYTHON}",
        f"--python-platform={_PLATFORM}",
        purpose="find versions of all projects that fit together",
        stdin="".join(f"{line}\n" for line in requirements),
    )
    return run_here(command).stdout


def _check_wheels(pins: lock.Lock) -> None:
    """Ask whether the locked versions install without building anything; nothing is installed."""
    with tempfile.TemporaryDirectory() as place:
        requirements = Path(place, "requirements.txt")
        requirements.write_text(lock.text(pins))
        command = _uv(
            "pip",
            "install",
            "--dry-run",
            "--quiet",
            "--no-deps",
            "--no-build",
            "--require-hashes",
            f"--target={place}/target",
            f"--python-version={PYTHON}",
            f"--python-platform={_PLATFORM}",
            f"--requirements={requirements}",
            purpose="find a wheel for every project that no image builds (Image.builds)",
        )
        run_here(command)


def _uv(*argv: str, purpose: str, stdin: str = "") -> Command:
    return Command((uv.find_uv_bin(), *argv), purpose, stdin=stdin, env=_environment(), timeout=900)


def _environment() -> Mapping[str, str]:
    """The machine's main index and nothing beside it."""
    index = sources.pip_index().env
    kept = {name: index[name] for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INSECURE_HOST") if name in index}
    return kept | {name: os.environ[name] for name in ("UV_CACHE_DIR", "XDG_CACHE_HOME") if name in os.environ}
