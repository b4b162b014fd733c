"""How the APIs' answers are read: which of several things is meant, and what of it counts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hotstack_os.content import images, neutron, sshkey
from hotstack_os.content.flavors import pairs, unpaired
from hotstack_os.content.keypair import bare
from hotstack_os.core.model import Absent, Present
from hotstack_os.errors import HotstackError

RULE = {
    "direction": "ingress", "ethertype": "IPv4", "protocol": "tcp", "port_range_min": 22, "port_range_max": 22,
    "remote_ip_prefix": None, "remote_group_id": None,
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({}, "tcp/22"),
        ({"port_range_max": 30}, "tcp/22-30"),
        ({"protocol": "icmp", "port_range_min": None, "port_range_max": None}, "icmp"),
        ({"remote_ip_prefix": "0.0.0.0/0"}, "tcp/22"),
        ({"remote_ip_prefix": "10.0.0.0/8"}, ""),
        ({"remote_group_id": "x"}, ""),
        ({"direction": "egress"}, ""),
        ({"ethertype": "IPv6"}, ""),
    ],
)
def test_only_rules_that_let_in_from_everywhere_count(change: dict[str, Any], text: str) -> None:
    assert neutron._ingress({**RULE, **change}) == text


def test_of_networks_of_one_name_the_oldest_of_ours_counts() -> None:
    found = [
        {"id": "new", "name": "private", "project_id": "us", "created_at": "2026-02-01T00:00:00Z"},
        {"id": "old", "name": "private", "project_id": "us", "created_at": "2026-01-01T00:00:00Z"},
        {"id": "theirs", "name": "private", "project_id": "they", "created_at": "2025-01-01T00:00:00Z"},
    ]
    assert neutron._by_name(found, {"us": "hotstack"})["private"]["id"] == "old"


def image(identity: str, sha256: str | None, status: str = "active", **more: str) -> dict[str, Any]:
    base = {"id": identity, "name": "x", "status": status, "visibility": "public", "disk_format": "qcow2"}
    return {**base, "created_at": identity, **more, **({images.CHECKSUM: sha256} if sha256 else {})}


def test_of_images_of_one_name_ours_with_the_wanted_bytes_counts() -> None:
    foreign, old, half, new = image("1", None), image("2", "old"), image("3", "new", "queued"), image("4", "new")
    assert images._best([new, half, old, foreign], "new") == new
    assert images._best([half, old, foreign], "new") == old, "a half-written one serves nobody"
    assert images._best([foreign], "new") == foreign
    assert images._best([], "new") is None


def test_a_copy_that_was_left_is_seen() -> None:
    seen = images._seen([image("2", "new"), image("1", "old"), image("0", None)], "new")
    assert isinstance(seen, Present)
    assert seen.state["copies"] == 2
    assert isinstance(images._seen([], "new"), Absent)


def test_properties_are_what_people_gave() -> None:
    found = image("1", "x", hw_disk_bus="scsi", os_hash_algo="sha512", os_glance_import="y", os_type="linux")
    assert images._properties(found) == {"hw_disk_bus": "scsi", "os_type": "linux"}
    assert images._pointer("a/b~c") == "/a~1b~0c"


def test_pairs_come_apart_as_they_were() -> None:
    given = {"hw:x": "a=b", "y": ""}
    assert unpaired(pairs(given)) == given


def test_a_key_is_made_once_and_is_one_that_ssh_takes(tmp_path: Path) -> None:
    sshkey.make_key(tmp_path, "someone@cloud")
    private, public = tmp_path / "id_ed25519", sshkey.public_key(tmp_path, None)
    assert private.stat().st_mode & 0o777 == 0o600
    assert private.read_text().startswith("-----BEGIN OPENSSH PRIVATE KEY-----\n")
    assert public.startswith("ssh-ed25519 ")
    assert (tmp_path / "id_ed25519.pub").read_text() == f"{public} someone@cloud\n"
    assert bare(public) == public
    sshkey.make_key(tmp_path, "someone@cloud")
    assert sshkey.public_key(tmp_path, None) == public


@pytest.mark.parametrize("text", ["", "-----BEGIN OPENSSH PRIVATE KEY-----\nx\n", "ssh-rsa", "ssh-rsa A\nssh-rsa B\n"])
def test_what_is_no_public_key_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "key").write_text(text)
    with pytest.raises(HotstackError, match="something else"):
        sshkey.public_key(tmp_path, tmp_path / "key")


def test_a_key_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    assert sshkey.public_key(tmp_path, None) == ""
    with pytest.raises(HotstackError, match="no such file"):
        sshkey.public_key(tmp_path, tmp_path / "key")
