from __future__ import annotations

import copy
import json
import os
import pickle
import re
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotstack_os.exec import Command, run_here
from hotstack_os.hidden import Fingerprint, Hidden
from hotstack_os.settings.secrets import FILE, SecretsUnusable, Vault


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "clouds" / "red"


def test_a_secret_is_32_letters_and_digits_and_stays_the_same(state: Path) -> None:
    vault = Vault.open(state)
    text = vault.secret("mariadb/root").reveal()
    assert re.fullmatch(r"[A-Za-z0-9]{32}", text)
    assert vault.secret("mariadb/root").reveal() == text
    assert vault.secret("mariadb/nova").reveal() != text


def test_a_fernet_key_is_what_cryptography_takes(state: Path) -> None:
    fernet = pytest.importorskip("cryptography.fernet")
    box = fernet.Fernet(Vault.open(state).fernet("keystone/fernet/0").reveal())
    assert box.decrypt(box.encrypt(b"token")) == b"token"


def test_a_fernet_key_is_32_bytes_in_url_safe_base64(state: Path) -> None:
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}=", Vault.open(state).fernet("x").reveal())


def test_a_password_does_not_pass_for_a_fernet_key(state: Path) -> None:
    vault = Vault.open(state)
    vault.secret("x")
    with pytest.raises(SecretsUnusable, match="to be a Fernet key"):
        vault.fernet("x")


def test_nothing_is_written_before_save(state: Path) -> None:
    vault = Vault.open(state)
    vault.secret("a")
    vault.fernet("b")
    assert vault.fingerprints().keys() == {"a", "b"}
    assert not state.parent.exists()


def test_a_saved_vault_opens_with_the_same_secrets_and_key(state: Path) -> None:
    vault = Vault.open(state)
    made = [vault.secret("a"), vault.fernet("b")]
    vault.save()
    again = Vault.open(state)
    assert [again.secret("a").reveal(), again.fernet("b").reveal()] == [hidden.reveal() for hidden in made]
    assert (again.key, again.fingerprints()) == (vault.key, vault.fingerprints())
    assert again.secret("a") == made[0]
    assert again.all()["b"] == made[1].fingerprint


def test_two_clouds_have_nothing_in_common(tmp_path: Path) -> None:
    one, other = Vault.open(tmp_path / "one"), Vault.open(tmp_path / "other")
    assert one.secret("a").reveal() != other.secret("a").reveal()
    assert one.key != other.key
    assert len(one.key) == 32


@pytest.mark.parametrize("umask", [0o000, 0o077, 0o777])
def test_modes_do_not_depend_on_the_umask(state: Path, umask: int) -> None:
    state.parent.mkdir()
    before = os.umask(umask)
    try:
        _saved(state)
    finally:
        os.umask(before)
    assert (state.stat().st_mode & 0o7777, (state / FILE).stat().st_mode & 0o7777) == (0o700, 0o600)
    assert [path.name for path in state.iterdir()] == [FILE]


def test_an_open_state_directory_is_closed_at_save(state: Path) -> None:
    state.mkdir(parents=True)
    state.chmod(0o755)
    _saved(state)
    assert state.stat().st_mode & 0o7777 == 0o700


def test_save_replaces_the_file_whole_and_only_when_there_is_something_new(state: Path) -> None:
    vault = _saved(state)
    before = (state / FILE).stat()
    vault.save()
    Vault.open(state).save()
    assert (state / FILE).stat().st_ino == before.st_ino
    with (state / FILE).open() as reader:
        vault.secret("more")
        vault.save()
        assert "more" not in json.load(reader)["secrets"]
    assert Vault.open(state).all().keys() == {"a", "more"}


def test_what_a_killed_process_left_is_swept_away(state: Path) -> None:
    _saved(state)
    (state / ".secrets-abc").write_text("half")
    vault = Vault.open(state)
    vault.secret("b")
    vault.save()
    assert [path.name for path in state.iterdir()] == [FILE]


def test_a_save_that_fails_leaves_the_old_file(state: Path) -> None:
    _saved(state)
    before = (state / FILE).read_bytes()
    vault = Vault.open(state)
    vault.secret("b")
    (state / FILE).unlink()
    (state / FILE).mkdir()
    with pytest.raises(SecretsUnusable):
        vault.save()
    (state / FILE).rmdir()
    (state / FILE).write_bytes(before)
    (state / FILE).chmod(0o600)
    assert Vault.open(state).all().keys() == {"a"}
    assert [path.name for path in state.iterdir()] == [FILE]


def test_two_savers_do_not_overwrite_each_other(state: Path) -> None:
    one, other = Vault.open(state), Vault.open(state)
    one.secret("a")
    other.secret("a")
    one.save()
    with pytest.raises(SecretsUnusable, match="another process saved"):
        other.save()
    assert Vault.open(state).secret("a").reveal() == one.secret("a").reveal()


def test_threads_that_ask_for_one_name_get_one_secret(state: Path) -> None:
    vault = Vault.open(state)
    start = threading.Barrier(8)
    texts: list[str] = []

    def ask() -> None:
        start.wait()
        texts.extend(vault.secret(f"s{number}").reveal() for number in range(50))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(texts), len(set(texts))) == (400, 50)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "found nothing in it"),
        (b"\xff", "found something else"),
        (b"[]", "found JSON of another kind"),
        (b'{"version": 2, "key": "00", "secrets": {"a": "hunter2"}}', "did not write"),
        (b'{"version": 1, "key": "00", "secrets": {"a": "hunter2"}}', "did not write"),
        (b'{"version": 1, "key": "%s", "secrets": {"a": 5}}' % (b"00" * 32), "did not write"),
        (b'{"version": 1, "key": "%s", "secrets": {"a": "hunter2"}' % (b"00" * 32), "found a piece of it, cut off"),
    ],
)
def test_a_damaged_file_is_refused_and_not_shown(state: Path, content: bytes, found: str) -> None:
    state.mkdir(parents=True)
    (state / FILE).write_bytes(content)
    (state / FILE).chmod(0o600)
    with pytest.raises(SecretsUnusable, match=found) as caught:
        Vault.open(state)
    assert "hunter2" not in f"{caught.value} {caught.value!r} {caught.value.__cause__!r}"


def test_a_file_that_others_can_read_is_refused(state: Path) -> None:
    _saved(state)
    (state / FILE).chmod(0o640)
    with pytest.raises(SecretsUnusable, match="mode 0640"):
        Vault.open(state)


def test_a_link_or_pipe_in_the_place_of_the_file_is_refused(state: Path) -> None:
    _saved(state)
    (state / FILE).rename(state / "elsewhere")
    (state / FILE).symlink_to("elsewhere")
    with pytest.raises(SecretsUnusable):
        Vault.open(state)
    (state / FILE).unlink()
    os.mkfifo(state / FILE, 0o600)
    with pytest.raises(SecretsUnusable, match="no file"):
        Vault.open(state)


@given(names=st.lists(st.text(min_size=1, max_size=20), min_size=1, max_size=5, unique=True))
def test_secrets_never_appear(tmp_path_factory: pytest.TempPathFactory, names: list[str]) -> None:
    vault = Vault.open(tmp_path_factory.mktemp("state"))
    hidden = [vault.secret(name) for name in names[::2]] + [vault.fernet(name) for name in names[1::2]]
    vault.save()
    again = Vault.open(vault._state)
    shown = "".join(
        f"{thing} {thing!r} {thing:>9} {json.dumps(thing, default=str)} {json.dumps(thing, default=repr)}"
        for thing in (*hidden, *again.all().values())
    )
    shown += f"{vault} {vault!r} {again.all()} {again.fingerprints()} {again.fingerprints()!r}"
    for secret in hidden:
        assert secret.reveal() not in shown
    assert vault.key.hex() not in shown
    assert repr(vault.key) not in shown


def test_a_vault_cannot_be_serialised(state: Path) -> None:
    vault = _saved(state)
    for attempt in (pickle.dumps, copy.copy, copy.deepcopy, json.dumps):
        with pytest.raises(TypeError):
            attempt(vault)


def test_fingerprints_depend_on_secret_and_key_only(state: Path) -> None:
    vault = _saved(state)
    assert vault.fingerprints() == {"a": vault.secret("a").fingerprint}
    assert isinstance(vault.fingerprints()["a"], Fingerprint)
    assert Hidden(vault.secret("a").reveal(), vault.key) == vault.secret("a")
    assert Hidden(vault.secret("a").reveal(), b"other") != vault.secret("a")


def test_neither_secrets_nor_cloud_nor_releases_import_pydantic() -> None:
    names = ("cloud", "secrets", "releases", "text", "environment")
    imports = "\n".join(f"import hotstack_os.settings.{name}" for name in names)
    source = f"import sys\nsys.path[:0] = {sys.path!r}\n{imports}\nprint('pydantic' in sys.modules)"
    assert run_here(Command((sys.executable, "-"), stdin=source)).stdout == "False\n"


def _saved(state: Path) -> Vault:
    vault = Vault.open(state)
    vault.secret("a")
    vault.save()
    return vault
