"""No secret leaves in an archive, in whatever form it stood in a text; and an archive is whole, private and honest."""

from __future__ import annotations

import base64
import hashlib
import tarfile
from pathlib import Path
from urllib.parse import quote

import pytest

from hotstack_os.deploy import evidence
from hotstack_os.deploy.evidence import collect
from hotstack_os.deploy.masking import Mask
from hotstack_os.hidden import MASK, Hidden
from hotstack_os.settings.loading import load
from hotstack_os.settings.secrets import Vault

SECRETS = ("s3cret/of+length=20", "another-secret-text", "another-secret-text-that-is-longer")
MASKED = MASK.encode()


def planted(secret: str) -> list[bytes]:
    raw = secret.encode()
    digests = [hashlib.new(name, raw, usedforsecurity=False) for name in ("md5", "sha1", "sha256", "sha512")]
    stars = hashlib.new("sha1", digests[1].digest(), usedforsecurity=False).hexdigest().upper().encode()
    return [raw, quote(secret, safe="").encode(), raw.hex().encode(), base64.b64encode(raw).rstrip(b"="), stars,
            *(each.hexdigest().encode() for each in digests)]  # fmt: skip


@pytest.fixture
def mask() -> Mask:
    return Mask([Hidden(text) for text in SECRETS])


@pytest.mark.parametrize("secret", SECRETS)
def test_every_form_is_masked(secret: str, mask: Mask) -> None:
    for form in planted(secret):
        text = b"before '" + form + b"' after"
        assert mask(text) == b"before '" + MASKED + b"' after"


def test_what_is_no_secret_stays(mask: Mask) -> None:
    text = b"mysql+pymysql://nova@172.31.0.3:3306/nova http://[::1]:80/a@b password = none \xff"
    assert mask(text) == text


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (b"rabbit://nova:unknown@172.31.0.4:5672//", b"rabbit://nova:" + MASKED + b"@172.31.0.4:5672//"),
        (b"X-Auth-Token: gAAAAABo" + b"x" * 120 + b" end", b"X-Auth-Token: " + MASKED + b" end"),
    ],
)
def test_passwords_in_urls_and_tokens_are_masked_though_nobody_knows_them(text: bytes, left: bytes, mask: Mask) -> None:
    assert mask(text) == left


def test_short_words_are_no_secrets() -> None:
    assert Mask([Hidden("a")])(b"a banana") == b"a banana"


def test_the_archive_of_a_cloud_that_never_came_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence, "HERE", {"kernel": ("uname", "-a"), "leak": ("cat", str(tmp_path / "leak"))})
    environ = {"HOTSTACK_STATE_DIR": str(tmp_path / "state"), "HOTSTACK_CACHE_DIR": str(tmp_path / "cache")}
    cloud = load(None, environ, {})
    vault = Vault.open(cloud.state)
    secret, key = vault.secret("one").reveal(), vault.fernet("two").reveal()
    vault.save()
    (tmp_path / "leak").write_text(f"{secret} {key} {vault.key.hex()}")
    path = tmp_path / "out.tar.gz"
    errors = collect(cloud, path)
    assert path.stat().st_mode & 0o777 == 0o600
    with tarfile.open(path) as archive:
        texts = {each.name: archive.extractfile(each).read() for each in archive}  # type: ignore[union-attr]
    assert texts["out/machine/leak"].endswith(b"**** **** ****")
    assert b"name: hotstack-os" in texts["out/settings.yaml"]
    assert any("does not run" in line for line in errors)
    assert texts["out/errors.txt"].decode().splitlines() == "\n".join(errors).splitlines()
    assert not list(tmp_path.glob(".*"))
