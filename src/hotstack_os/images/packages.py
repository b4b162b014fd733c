"""Debian packages for image builds, resolved and downloaded by this machine's own apt.

The build itself is then offline: apt in the image gets files. This machine's apt knows proxies, credentials and
certificates; the image's dpkg status decides what is missing. Archives are kept and shared by all builds.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from hotstack_os.errors import HotstackError
from hotstack_os.exec import Command, run_here

FRESH_SECONDS = 6 * 3600.0


@dataclass(frozen=True)
class Apt:
    """An apt of its own below `directory` (lists, archives), for images of Debian on this machine's architecture."""

    directory: Path

    def update(self, sources: Iterable[str], now: float) -> None:
        """Fetch the lists of `sources` (sources.list lines) unless those at hand are from the last six hours."""
        listed = self.directory / "sources.list"
        wanted = "".join(f"{line}\n" for line in sources)
        stamp = self.directory / "updated"
        fresh = stamp.is_file() and now - stamp.stat().st_mtime < FRESH_SECONDS
        if fresh and listed.is_file() and listed.read_text() == wanted:
            return
        for name in ("lists/partial", "archives/partial", "none/partial"):
            (self.directory / name).mkdir(parents=True, exist_ok=True)
        listed.write_text(wanted)
        status = self.directory / "status"
        status.touch()
        run_here(Command(self._argv(status, "update"), "fetch the lists of Debian packages", timeout=300))
        stamp.touch()
        os.utime(stamp, (now, now))

    def fetch(self, status: Path, packages: Iterable[str], target: Path) -> tuple[str, ...]:
        """Put the archives of `packages`, and of all they need that `status` does not have, into `target`.

        Returns "name=version" of each. `status` is the dpkg status file of the image they will be installed in.
        """
        words = ("install", "--yes", "--no-install-recommends", *packages)
        # apt names only what its archive directory lacks: a directory that is always empty makes it name all.
        argv = self._argv(status, *words, "--print-uris", archives=self.directory / "none")
        listed = run_here(Command(argv, f"resolve {' '.join(packages)}")).stdout
        files = [line.split()[1] for line in listed.splitlines() if line.startswith("'")]
        if not all((self.directory / "archives" / name).is_file() for name in files):
            self._download(status, words, files, target)
        for name in files:
            (target / name).hardlink_to(self.directory / "archives" / name)
        return tuple("=".join(name.split("_")[:2]).replace("%3a", ":") for name in sorted(files))

    def fetch_alone(self, packages: Iterable[str], target: Path) -> None:
        """Put the archives of exactly these packages into `target`."""
        argv = self._argv(self.directory / "status", "download", *packages)
        run_here(Command(argv, f"download {' '.join(packages)}", cwd=str(target), timeout=600))

    def _download(self, status: Path, words: Iterable[str], files: Iterable[str], target: Path) -> None:
        """Download into a directory of this call, then share the archives: two may download at once."""
        private, shared = target.with_name(f"{target.name}.archives"), self.directory / "archives"
        (private / "partial").mkdir(parents=True)
        for name in files:
            if (shared / name).is_file():
                (private / name).hardlink_to(shared / name)
        argv = self._argv(status, *words, "--download-only", archives=private)
        run_here(Command(argv, "download Debian packages", timeout=900))
        for path in private.glob("*.deb"):
            path.replace(shared / path.name)

    def _argv(self, status: Path, *words: str, archives: Path | None = None) -> tuple[str, ...]:
        settings = {
            "Dir::Cache::archives": archives or self.directory / "archives",
            "Dir::Etc::sourcelist": self.directory / "sources.list",
            "Dir::Etc::sourceparts": "/dev/null",
            "Dir::Etc::preferences": "/dev/null",
            "Dir::Etc::preferencesparts": "/dev/null",
            "Dir::State::lists": self.directory / "lists",
            "Dir::State::status": status,
            "Dir::State::extended_states": "/dev/null",
            "Dir::Cache": self.directory,
            # Nothing of the machine is changed and every download has a directory of its own: no lock is needed.
            "Debug::NoLocking": "true",
            "APT::Architectures": _architecture(),
            "APT::Default-Release": "",
            "APT::Sandbox::User": "root",
        }
        options = (part for key, value in settings.items() for part in ("-o", f"{key}={value}"))
        return ("apt-get", "-q", *options, *words)


def _architecture() -> str:
    machine = os.uname().machine
    known = {"x86_64": "amd64", "aarch64": "arm64"}
    if machine not in known:
        raise HotstackError("a machine of architecture x86_64 or aarch64", machine)
    return known[machine]
