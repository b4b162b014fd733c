from __future__ import annotations

import dataclasses
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path, PurePosixPath

import pytest

from hotstack_os.settings.loading import load
from hotstack_os.settings.problems import SettingsError
from unit.settings.world import Load, Mistakes


def test_no_file_is_the_default_cloud() -> None:
    cloud = load(None, {}, {}, ("2025.2",))

    assert (cloud.name, cloud.target, cloud.release) == ("hotstack-os", "box", "2025.2")
    assert (cloud.region, cloud.domain) == ("RegionOne", "hotstack-os.local")
    assert cloud.networks.containers == IPv4Network("172.31.0.0/25")
    assert cloud.networks.provider == IPv4Network("172.31.0.128/25")
    assert cloud.networks.gateway == IPv4Address("172.31.0.129")
    assert cloud.networks.dns == IPv4Address("172.31.0.10")
    assert (str(cloud.networks.floating_first), str(cloud.networks.floating_last)) == ("172.31.0.130", "172.31.0.200")
    assert (cloud.networks.mtu, cloud.networks.vlans) == (1500, (100, 200))
    assert cloud.paths.instances == PurePosixPath("/var/lib/hotstack-os/nova-instances")
    assert cloud.paths.volumes == PurePosixPath("/var/lib/hotstack-os/cinder-nfs")
    assert cloud.paths.mounts == PurePosixPath("/var/lib/hotstack-os/nova-mnt")
    assert cloud.ports == {
        "keystone": 5000, "glance": 9292, "placement": 8778, "nova": 8774, "neutron": 9696, "cinder": 8776,
        "heat": 8004, "heat-cfn": 8000, "nova-metadata": 8775, "novnc": 6080, "stats": 8404,
    }  # fmt: skip
    assert (cloud.services, cloud.dns_servers, cloud.debian_mirror) == ({}, None, None)
    assert cloud.state == Path("/var/lib/hotstack-os-clouds/hotstack-os")
    assert cloud.cache == Path("/var/cache/hotstack-os")


@pytest.mark.parametrize("text", ["", "# nothing\n", "networks:\nservices:\nname: ~\n", "services: {keystone: }\n"])
def test_keys_without_values_count_as_left_out(load_text: Load, text: str) -> None:
    cloud = load_text(text)
    plain = load(None, {}, {}, ("2025.2",))
    assert dataclasses.replace(cloud, services={}) == plain


def test_the_environment_stands_above_the_file(load_text: Load) -> None:
    environ = {
        "HOTSTACK_NAME": "blue",
        "OPENSTACK_RELEASE": "stable/2025.1",
        "REGION_NAME": "North",
        "GLOBAL_PHYSNET_MTU": "9000",
        "HOTSTACK_DATA_DIR": "/srv/cloud",
        "NOVA_INSTANCES_PATH": "/srv/disks/",
        "CINDER_NFS_EXPORT_DIR": "/srv/volumes",
        "NOVA_NFS_MOUNT_POINT_BASE": "/srv/mounts",
        "HOTSTACK_STATE_DIR": "/srv/state",
        "HOTSTACK_CACHE_DIR": "/srv/cache",
    }
    cloud = load_text("name: red\nregion: South\nrelease: '2026.1'\npaths: {data: relative}\n", environ)
    assert (cloud.name, cloud.release, cloud.region, cloud.networks.mtu) == ("blue", "2025.1", "North", 9000)
    assert [str(getattr(cloud.paths, f.name)) for f in dataclasses.fields(cloud.paths)] == [
        "/srv/cloud", "/srv/disks", "/srv/volumes", "/srv/mounts",
    ]  # fmt: skip
    assert (cloud.state, cloud.cache) == (Path("/srv/state/blue"), Path("/srv/cache"))


def test_a_variable_set_to_nothing_counts_as_not_set(load_text: Load) -> None:
    assert load_text("name: red\n", {"HOTSTACK_NAME": "", "HOTSTACK_STATE_DIR": ""}).name == "red"


def test_a_mistake_in_the_environment_names_its_variable(mistakes: Mistakes) -> None:
    found = mistakes(
        "region: fine\npaths: 5\n", {"GLOBAL_PHYSNET_MTU": "9²", "REGION_NAME": "a b", "NOVA_INSTANCES_PATH": "x"}
    )
    assert found["networks.mtu"].where == "environment variable GLOBAL_PHYSNET_MTU"
    assert found["region"].where == "environment variable REGION_NAME"
    assert found["paths.instances"].where == "environment variable NOVA_INSTANCES_PATH"
    assert found["paths"].line == 2


def test_mistakes_of_the_programs_own_directories_name_their_variables(mistakes: Mistakes) -> None:
    found = mistakes("", {"HOTSTACK_STATE_DIR": "here"})
    assert str(found[""]) == "environment variable HOTSTACK_STATE_DIR: wanted an absolute path; found 'here'"


def test_every_mistake_has_its_line_and_a_hint_where_there_is_one(mistakes: Mistakes) -> None:
    found = mistakes(
        """\
        name: red
        neworks: {}
        networks:
          containers: 10.1.2.3/24
          mtuu: 1500
        mtu: 9000
        target: locl
        region: 7
        services:
          nova-comput:
            workers: 2
          nova-api: {wrkers: 3}
        release: 2025.4
        """
    )
    lines = {key: (problem.line, problem.hint) for key, problem in found.items()}
    assert lines == {
        "neworks": (2, "Did you mean networks?"),
        "networks.containers": (4, "Did you mean 10.1.2.0/24?"),
        "networks.mtuu": (5, "Did you mean mtu?"),
        "mtu": (6, "Did you mean networks.mtu?"),
        "target": (7, ""),
        "region": (8, "Put it into quotes to make it a text."),
        "services.nova-comput": (10, "Did you mean nova-compute?"),
        "services.nova-api.wrkers": (12, "Did you mean workers?"),
        "release": (13, "Did you mean 2025.2?"),
    }


def test_the_error_lists_every_mistake_in_the_order_of_the_file(load_text: Load, tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        load_text("ports:\n  heat: 0\nname: Red\n")
    first, second = str(caught.value).splitlines()[1:3]
    assert first == f"  {tmp_path}/settings.yaml:2: ports.heat: wanted a TCP port from 1 to 65535; found 0"
    assert second.startswith(f"  {tmp_path}/settings.yaml:3: name: wanted a name of at most 32 small letters")
    assert str(caught.value).startswith("wanted settings without mistakes; found 2 mistakes:")


def test_what_has_no_end_is_not_read_to_it() -> None:
    with pytest.raises(SettingsError, match="at most 1 MiB of settings; found more"):
        load(Path("/dev/zero"), {}, {})


def test_a_key_that_comes_twice_is_told_with_both_lines(mistakes: Mistakes) -> None:
    problem = mistakes("ports:\n  heat: 1000\n  nova: 1001\n  heat: 1002\n")["ports.heat"]
    assert (problem.line, problem.found) == (4, "it again; first on line 2")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("name: [red", "'<stream end>'"),
        ("name: red: blue", "mapping values are not allowed here"),
        ("name: &n red", "the anchor &n"),
        ("name: *n", "the alias *n"),
        ("name: !!python/name:os.system x", "the tag tag:yaml.org,2002:python/name:os.system"),
        ("name: red\n--- {}", "another document"),
        ("name: \x07", "the character U+0007"),
        ("[" * 3000, "more than 20 levels"),
        ("? [a]\n: b", "a key with an inside of its own"),
        ("- name", "a list of 1"),
        ("just words", "'just words'"),
    ],
)
def test_what_is_no_plain_mapping_is_refused(mistakes: Mistakes, text: str, found: str) -> None:
    problem = mistakes(text)[""]
    assert problem.found == found
    assert problem.line >= 1


def test_a_syntax_error_does_not_hide_mistakes_in_the_environment(mistakes: Mistakes) -> None:
    assert set(mistakes("name: [", {"REGION_NAME": " "})) == {"", "region"}


def test_files_that_cannot_be_read(tmp_path: Path, mistakes: Mistakes) -> None:
    with pytest.raises(SettingsError, match="no such file or directory"):
        load(tmp_path / "none.yaml", {}, {}, ("2025.2",))
    with pytest.raises(SettingsError, match="is a directory"):
        load(tmp_path, {}, {}, ("2025.2",))
    (tmp_path / "latin").write_bytes(b"name: \xe9\n")
    with pytest.raises(SettingsError, match="text in UTF-8; found other bytes at offset 6"):
        load(tmp_path / "latin", {}, {}, ("2025.2",))


def test_options_keep_what_was_written(load_text: Load) -> None:
    options = (
        load_text(
            """\
        services:
          nova-api:
            config:
              filter:authtoken:
                truth: true
                norway: no
                number: 12
                ratio: 1.5
                version: 1.10
                octal: 0777
                time: 1:30
                text: "7"
                empty: ""
                big: 123456789012345678901234567890
        """
        )
        .services["nova-api"]
        .config["filter:authtoken"]
    )
    assert options == {
        "truth": True, "norway": "no", "number": 12, "ratio": 1.5, "version": "1.10", "octal": "0777", "time": "1:30",
        "text": "7", "empty": "", "big": "123456789012345678901234567890",
    }  # fmt: skip
    assert [type(value) for value in list(options.values())[:4]] == [bool, str, int, float]


@pytest.mark.parametrize("release", ["2025.2", "'2025.2'", "stable/2025.2"])
def test_a_release_needs_no_quotes(load_text: Load, release: str) -> None:
    assert load_text(f"release: {release}\n").release == "2025.2"


def test_option_values_are_never_shown(load_text: Load) -> None:
    text = """\
        services:
          keystone: hunter2
          nova-compute:
            config: hunter2
          nova-api:
            workers: hunter2
            config:
              DEFAULT: hunter2
              database: {connection: "hunter2\\nhunter2", list: [hunter2], inner: {a: hunter2}, "bad name": hunter2}
              "a]": {x: hunter2}
              number: 424242
        """
    with pytest.raises(SettingsError) as caught:
        load_text(text)
    assert len(caught.value.problems) == 10
    assert "hunter2" not in str(caught.value) + repr(caught.value)
    assert "424242" not in str(caught.value) + repr(caught.value)


def test_what_acts_on_terminals_is_shown_as_escapes(load_text: Load) -> None:
    with pytest.raises(SettingsError) as caught:
        load_text('"\\e[31m": 1\nname: "\\ud800\\e[32m"\n')
    assert str(caught.value).replace("\n", "").isprintable()
    assert "\\x1b[31m" in str(caught.value)
    assert "\\ud800\\x1b[32m" in str(caught.value)


def test_credentials_of_a_mirror_are_not_shown(mistakes: Mistakes) -> None:
    problem = mistakes("mirrors: {debian: 'https://me:hunter2@mirror.example.org/debian'}\n")["mirrors.debian"]
    assert "hunter2" not in str(problem)
    assert "apt_auth.conf" in problem.hint


def test_a_cloud_cannot_be_changed(load_text: Load) -> None:
    cloud = load_text("services: {nova-api: {config: {DEFAULT: {debug: true}}}}\n")
    with pytest.raises(TypeError):
        cloud.ports["nova"] = 1  # type: ignore[index]
    with pytest.raises(TypeError):
        cloud.services["nova-api"].config["DEFAULT"]["debug"] = False  # type: ignore[index]


def test_loading_writes_nothing(load_text: Load, tmp_path: Path) -> None:
    environ = {"HOTSTACK_STATE_DIR": f"{tmp_path}/state", "HOTSTACK_CACHE_DIR": f"{tmp_path}/cache"}
    load_text("", environ)
    assert [path.name for path in tmp_path.iterdir()] == ["settings.yaml"]
