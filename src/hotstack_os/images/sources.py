"""Where this machine gets packages from: its Debian mirror, its package index, its certificates.

All of it is read at run time and used for one build; none of it is stored in images, locks or records.
"""

from __future__ import annotations

import configparser
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
_SUITES = frozenset({"bullseye", "bookworm", "trixie", "forky", "oldstable", "stable", "testing", "unstable", "sid"})
_CA_BUNDLES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt")


@dataclass(frozen=True)
class AptEntry:
    """One source of packages as apt knows it; `options` are those in brackets that a copy must keep."""

    uri: str
    suites: tuple[str, ...]
    components: tuple[str, ...]
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class PipIndex:
    """The machine's package indexes in uv's words: `env` for the build, `mounts` (source → target) for local ones."""

    env: Mapping[str, str]
    mounts: Mapping[str, str]


def debian_sources(suite: str, mirror: str | None = None, etc_apt: Path = Path("/etc/apt")) -> tuple[str, ...]:
    """sources.list(5) lines for `suite`, from `mirror` or from the archives that this machine uses for Debian.

    Empty where the machine has none (it runs another distribution): mmdebstrap then takes its own default.
    """
    if mirror:
        return (_line(mirror, suite),)
    entries = tuple(_entries(etc_apt))
    archives = [entry for entry in entries if "main" in entry.components and _SUITES.intersection(entry.suites)]
    if not archives:
        return ()
    main = max(archives, key=lambda entry: _likeness(entry, entries))
    lines = [_line(main.uri, suite, _options(main))]
    lines += [_line(main.uri, f"{suite}-updates", _options(main))] if _has_suffix(main, entries, "-updates") else []
    security = [e for e in entries if "main" in e.components and any(s.endswith("-security") for s in e.suites)]
    lines += [_line(entry.uri, f"{suite}-security", _options(entry)) for entry in security[:1]]
    return tuple(lines)


def ca_bundle(environ: Mapping[str, str] = os.environ) -> str | None:
    """The certificate bundle of this machine: SSL_CERT_FILE, else the distribution's; None where there is none."""
    wanted = (environ.get("SSL_CERT_FILE", ""), *_CA_BUNDLES)
    return next((path for path in wanted if path and Path(path).is_file()), None)


def pip_index(environ: Mapping[str, str] = os.environ, files: tuple[Path, ...] | None = None) -> PipIndex:
    """Index settings of pip (its configuration files, PIP_*) and uv (UV_*) as uv's variables; UV_* win.

    uv reads neither pip.conf nor PIP_*. Directories and file: addresses are given a place under /mnt/local, where the
    build sees them; those that do not exist are left out, as pip does.
    """
    settings = _pip_settings(environ, _pip_files(environ) if files is None else files)
    mounts: dict[str, str] = {}
    extra = [_reachable(word, mounts) for word in settings.get("extra-index-url", "").split()]
    links = [_reachable(word, mounts) for word in settings.get("find-links", "").split()]
    env = {
        "UV_DEFAULT_INDEX": _reachable(settings.get("index-url", ""), mounts),
        "UV_INDEX": " ".join(filter(None, extra)),
        "UV_FIND_LINKS": ",".join(filter(None, links)),
        "UV_INSECURE_HOST": settings.get("trusted-host", ""),
        # pip takes the best file of all indexes; uv would stop at the first index that knows the project.
        "UV_INDEX_STRATEGY": "unsafe-best-match",
    }
    kept = ("UV_DEFAULT_INDEX", "UV_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS", "UV_INSECURE_HOST")
    env |= {name: environ[name] for name in kept if environ.get(name)}
    return PipIndex({name: value for name, value in env.items() if value}, mounts)


def _entries(etc_apt: Path) -> Iterator[AptEntry]:
    for path in (etc_apt / "sources.list", *sorted(etc_apt.glob("sources.list.d/*"))):
        if path.suffix == ".list" and path.is_file():
            yield from _one_line_entries(path.read_text())
        elif path.suffix == ".sources" and path.is_file():
            yield from _deb822_entries(path.read_text())


def _one_line_entries(text: str) -> Iterator[AptEntry]:
    for line in text.splitlines():
        words = line.partition("#")[0].strip()
        if not words.startswith("deb "):
            continue
        words = words.removeprefix("deb ").strip()
        options = ""
        if words.startswith("["):
            options, _, words = words[1:].partition("]")
        uri, suite, *components = words.split()
        yield AptEntry(uri, (suite,), tuple(components), tuple(options.split()))


def _deb822_entries(text: str) -> Iterator[AptEntry]:
    for stanza in text.split("\n\n"):
        fields = _fields(stanza)
        if "deb" not in fields.get("types", "").split() or fields.get("enabled", "yes").lower() == "no":
            continue
        signed = fields.get("signed-by", "")
        options = [f"signed-by={signed}"] if signed.startswith("/") else []
        options += ["trusted=yes"] if fields.get("trusted", "").lower() == "yes" else []
        for uri in fields.get("uris", "").split():
            yield AptEntry(
                uri, tuple(fields["suites"].split()), tuple(fields.get("components", "").split()), tuple(options)
            )


def _fields(stanza: str) -> dict[str, str]:
    fields: dict[str, str] = {}
    name = ""
    for line in stanza.splitlines():
        if line.startswith("#"):
            continue
        if line[:1].isspace():
            fields[name] = f"{fields[name]} {line.strip()}"
        elif ":" in line:
            name, _, value = line.partition(":")
            name = name.lower()
            fields[name] = value.strip()
    return fields


def _likeness(entry: AptEntry, entries: tuple[AptEntry, ...]) -> tuple[bool, bool, bool]:
    """How much an entry is Debian's own archive rather than somebody's who publishes for Debian."""
    signed = any("debian-archive" in option for option in entry.options)
    return _has_suffix(entry, entries, "-updates"), signed, "debian" in urlsplit(entry.uri).path


def _has_suffix(entry: AptEntry, entries: tuple[AptEntry, ...], suffix: str) -> bool:
    return any(suite.endswith(suffix) for other in entries if other.uri == entry.uri for suite in other.suites)


def _options(entry: AptEntry) -> tuple[str, ...]:
    kept = tuple(option for option in entry.options if option.startswith(("signed-by=/", "trusted=")))
    return kept or (f"signed-by={KEYRING}",)


def _line(uri: str, suite: str, options: tuple[str, ...] = (f"signed-by={KEYRING}",)) -> str:
    return f"deb [{' '.join(options)}] {uri} {suite} main"


def _pip_files(environ: Mapping[str, str]) -> tuple[Path, ...]:
    """pip's configuration files, the strongest last (pip's documentation, "Configuration Files")."""
    home = Path(environ.get("HOME", "/root"))
    site = Path("/etc/pip.conf"), home / ".pip/pip.conf", home / ".config/pip/pip.conf"
    return (*site, Path(environ["PIP_CONFIG_FILE"])) if environ.get("PIP_CONFIG_FILE") else site


def _pip_settings(environ: Mapping[str, str], files: tuple[Path, ...]) -> dict[str, str]:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(files)
    found: dict[str, str] = {}
    for section in ("global", "install"):
        found |= dict(parser[section]) if parser.has_section(section) else {}
    variables = {name[4:].lower().replace("_", "-"): value for name, value in environ.items() if name[:4] == "PIP_"}
    return found | variables


def _reachable(word: str, mounts: dict[str, str]) -> str:
    """The address as the build sees it; empty for a local place that does not exist."""
    if not word.startswith(("/", "file:")):
        return word
    place = Path(urlsplit(word).path)
    if not place.is_dir():
        return ""
    # The pages of a local index link to files beside them, so its parent comes along.
    top = place.parent if word.startswith("file:") else place
    target = mounts.setdefault(str(top), f"/mnt/local/{len(mounts)}")
    inside = f"{target}/{place.relative_to(top)}" if top != place else target
    return f"file://{inside}" if word.startswith("file:") else inside
