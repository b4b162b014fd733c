"""Where packages come from, read from a machine's own configuration."""

from __future__ import annotations

from pathlib import Path

import pytest

from hotstack_os.images.sources import KEYRING, ca_bundle, debian_sources, pip_index

SOURCES = """\
# Debian
Types: deb deb-src
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main
  contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main
"""
FOREIGN = "deb [arch=amd64 signed-by=/etc/apt/keyrings/tool.gpg] https://apt.tool.example/debian bookworm main\n"


@pytest.fixture
def etc(tmp_path: Path) -> Path:
    (tmp_path / "sources.list.d").mkdir()
    return tmp_path


def write(etc: Path, name: str, text: str) -> None:
    (etc / name).write_text(text)


def test_deb822_sources_are_used_for_the_suite_of_the_images(etc: Path) -> None:
    write(etc, "sources.list.d/debian.sources", SOURCES)
    assert debian_sources("trixie", etc_apt=etc) == (
        f"deb [signed-by={KEYRING}] http://mirror.example/debian trixie main",
        f"deb [signed-by={KEYRING}] http://mirror.example/debian trixie-updates main",
        f"deb [signed-by={KEYRING}] http://mirror.example/debian-security trixie-security main",
    )


def test_one_line_sources_keep_trust_and_lose_the_rest(etc: Path) -> None:
    write(etc, "sources.list", "deb [trusted=yes arch=amd64] file:/srv/debian trixie main contrib\n# deb x y main\n")
    assert debian_sources("trixie", etc_apt=etc) == ("deb [trusted=yes] file:/srv/debian trixie main",)


def test_archives_of_others_are_not_taken_for_debian(etc: Path) -> None:
    write(etc, "sources.list.d/a.list", FOREIGN)
    write(etc, "sources.list.d/debian.sources", SOURCES.replace("example/debian", "example/archive"))
    assert all("mirror.example/archive" in line for line in debian_sources("trixie", etc_apt=etc))


def test_disabled_and_source_only_entries_do_not_count(etc: Path) -> None:
    off = SOURCES.replace("Types: deb deb-src", "Types: deb-src").replace(
        "Suites: bookworm-s", "Enabled: no\nSuites: b-s"
    )
    write(etc, "sources.list.d/debian.sources", off)
    assert debian_sources("trixie", etc_apt=etc) == ()


def test_another_distribution_has_no_debian_mirror(etc: Path) -> None:
    write(etc, "sources.list", "deb http://mirror.example/ubuntu noble main universe\n")
    assert debian_sources("trixie", etc_apt=etc) == ()


def test_a_mirror_of_the_settings_wins(etc: Path) -> None:
    write(etc, "sources.list.d/debian.sources", SOURCES)
    lines = debian_sources("trixie", "http://other.example/debian", etc)
    assert lines == (f"deb [signed-by={KEYRING}] http://other.example/debian trixie main",)


def test_certificates_of_the_environment_win(tmp_path: Path) -> None:
    bundle = tmp_path / "ca.crt"
    bundle.touch()
    assert ca_bundle({"SSL_CERT_FILE": str(bundle)}) == str(bundle)
    assert ca_bundle({"SSL_CERT_FILE": str(tmp_path / "missing")}) != str(tmp_path / "missing")


def test_pip_settings_become_those_of_uv(tmp_path: Path) -> None:
    conf = tmp_path / "pip.conf"
    conf.write_text(
        "[global]\nindex-url = https://u:p%40ss@index.example/simple\ntrusted-host = a.example b.example\n"
        "[install]\nextra-index-url = https://one.example/simple\n  https://two.example/simple\n"
    )
    env = pip_index({}, (conf,)).env
    assert env["UV_DEFAULT_INDEX"] == "https://u:p%40ss@index.example/simple"
    assert env["UV_INDEX"] == "https://one.example/simple https://two.example/simple"
    assert env["UV_INSECURE_HOST"] == "a.example b.example"


def test_the_environment_is_stronger_than_files_and_uv_stronger_than_pip(tmp_path: Path) -> None:
    conf = tmp_path / "pip.conf"
    conf.write_text("[global]\nindex-url = https://file.example/\n")
    assert (
        pip_index({"PIP_INDEX_URL": "https://pip.example/"}, (conf,)).env["UV_DEFAULT_INDEX"] == "https://pip.example/"
    )
    both = {"PIP_INDEX_URL": "https://pip.example/", "UV_DEFAULT_INDEX": "https://uv.example/"}
    assert pip_index(both, (conf,)).env["UV_DEFAULT_INDEX"] == "https://uv.example/"


def test_local_places_are_mounted_and_missing_ones_left_out(tmp_path: Path) -> None:
    (tmp_path / "index/simple").mkdir(parents=True)
    (tmp_path / "wheels").mkdir()
    index = pip_index(
        {
            "PIP_EXTRA_INDEX_URL": f"file://{tmp_path}/index/simple file://{tmp_path}/gone/simple",
            "PIP_FIND_LINKS": f"{tmp_path}/wheels {tmp_path}/gone",
        },
        (),
    )
    assert index.env["UV_INDEX"] == "file:///mnt/local/0/simple"
    assert index.env["UV_FIND_LINKS"] == "/mnt/local/1"
    assert index.mounts == {f"{tmp_path}/index": "/mnt/local/0", f"{tmp_path}/wheels": "/mnt/local/1"}


def test_a_machine_without_settings_needs_no_index() -> None:
    index = pip_index({}, ())
    assert "UV_DEFAULT_INDEX" not in index.env
    assert index.mounts == {}
