"""A damaged file of the state is named with the way out, by every command that needs it, and by none that does not."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

import hotstack_os
from hotstack_os.bootstrap.tokens import Tokens
from hotstack_os.box import BoxSpec
from hotstack_os.catalogue.context import Choice, Facts
from hotstack_os.cli import main as command
from hotstack_os.content import sshkey
from hotstack_os.content.credential import write_secret
from hotstack_os.core.generations import Generations
from hotstack_os.core.journal import Journal
from hotstack_os.core.model import Ref, Resource
from hotstack_os.core.plan import Action
from hotstack_os.deploy import places
from hotstack_os.deploy.examine_state import examine_state, require_whole
from hotstack_os.deploy.inventory import facts_of
from hotstack_os.deploy.overview import _wanted, overview
from hotstack_os.deploy.provisions import Provisions
from hotstack_os.errors import HotstackError
from hotstack_os.health import state as checks
from hotstack_os.hidden import Hidden
from hotstack_os.settings import kept
from hotstack_os.settings.cloud import Cloud
from hotstack_os.settings.content import ImageSource
from hotstack_os.settings.loading import load
from hotstack_os.settings.secrets import Vault
from hotstack_os.whole import Damaged, put

FACTS = Facts("lab", 2, Choice("netdev", "tried", "6.1"), Choice("qemu", "tried", "7.2"), ("192.0.2.1",))
NEEDED = ("journal.jsonl", "secrets.json", "settings.yaml", "node.json", "id_ed25519")
REMADE = (
    "tokens.json",
    "clouds.yaml",
    "cloud-secret.yaml",
    "id_ed25519.pub",
    "generations/000001.json",
    "lock",
    "box/box.json",
)


def half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def replaced(text: bytes) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        path.write_bytes(text)

    return damage


def directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def changed(path: Path) -> None:
    """A letter is another one, and the form is as it was."""
    data = bytearray(path.read_bytes())
    for place in [at for at in range(len(data) * 2 // 3, len(data)) if chr(data[at]).isalnum()][:1]:
        data[place] = ord("x") if data[place] != ord("x") else ord("y")
    path.write_bytes(bytes(data))


DAMAGES: dict[str, Callable[[Path], None]] = {
    "empty": replaced(b""),
    "half": half,
    "zeros": replaced(b"\0" * 4096),
    "binary": replaced(bytes(range(256)) * 8),
    "a list": replaced(b"[1, 2]\n"),
    "no keys": replaced(b"{}\n"),
    "changed": changed,
    "directory": directory,
}
WHOLE = {("journal.jsonl", "empty"), ("journal.jsonl", "half"), ("journal.jsonl", "zeros"), ("id_ed25519", "changed")}
"""A journal without a last line is one, and a changed letter of a private key may be in what we do not look at."""


@pytest.fixture
def cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cloud:
    """The state of a cloud whose box is down, each file by its own writer."""
    places = {"HOTSTACK_STATE_DIR": str(tmp_path / "clouds"), "HOTSTACK_CACHE_DIR": str(tmp_path / "cache")}
    for name, value in {**places, "HOTSTACK_NAME": "lab"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    made = load(None, {**places, "HOTSTACK_NAME": "lab"}, {})
    (made.state / "box").mkdir(parents=True, mode=0o700)
    vault = Vault.open(made.state)
    vault.secret("keystone-admin")
    vault.save()
    kept.keep(made)
    sshkey.make_key(made.state, "hotstack@lab")
    facts_of(made).keep(FACTS)
    Journal(made.state / "journal.jsonl").begin(Action("create", Resource(Ref("file", "/etc/one", "lab")), None, ()))
    Generations(made.state / "generations").record([Resource(Ref("file", "/etc/one", "lab"))], "1")
    Tokens(made.state / "tokens.json").keep(Hidden("password"), "token", "2099-01-01T00:00:00.000000Z")
    write_secret(made.state / "clouds.yaml", Hidden("clouds:\n  lab: {}\n"))
    write_secret(made.state / "cloud-secret.yaml", Hidden("hotstack_cloud_secrets:\n  auth_type: x\n"))
    put(made.state / "box/box.json", BoxSpec("lab", tmp_path, made.state / "box").to_json())
    (made.state / "lock").touch()
    return made


def said(cloud: Cloud) -> dict[str, list[str]]:
    """What `doctor` says of the state, by the file that is named."""
    findings = list(checks.state(examine_state(cloud)))
    assert all(each.todo for each in findings)
    return {each.what.split()[0]: [each.severity, each.what] for each in findings}


def test_nothing_is_said_of_files_that_are_whole(cloud: Cloud) -> None:
    assert said(cloud) == {}
    require_whole(cloud)


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", NEEDED)
def test_what_is_needed_is_named_with_the_way_out(
    cloud: Cloud, name: str, damage: str, capfd: pytest.CaptureFixture[str]
) -> None:
    path = cloud.state / name
    DAMAGES[damage](path)
    before = None if path.is_dir() else path.read_bytes()
    found = said(cloud)
    if (name, damage) not in WHOLE:
        assert found[str(path)][0] == "problem"
        with pytest.raises(Damaged, match=f"wanted {path} as it was written; found .*\n  → "):
            require_whole(cloud)
    assert command.main(["status"]) in (0, 1)
    assert command.main(["generations"]) in (0, 1)
    out, err = capfd.readouterr()
    assert not any(word in out + err for word in ("Traceback", "defect", "unexpected"))
    assert path.is_dir() if before is None else path.read_bytes() == before  # who reads changes nothing


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", REMADE)
def test_what_can_be_made_again_stops_nobody(
    cloud: Cloud, name: str, damage: str, capfd: pytest.CaptureFixture[str]
) -> None:
    DAMAGES[damage](cloud.state / name)
    found = said(cloud)
    if damage != "directory" or name not in ("tokens.json", "clouds.yaml", "cloud-secret.yaml", "box/box.json"):
        assert all(severity == "note" for severity, _ in found.values())
        require_whole(cloud)
    assert command.main(["status"]) == 1
    assert command.main(["generations"]) == 0
    out, err = capfd.readouterr()
    assert "The cloud lab does not run." in out
    assert err == "", err


def test_an_image_that_was_moved_away_hides_nothing_that_runs(cloud: Cloud) -> None:
    """What services are to be started from does not follow from the files of the content."""
    gone = ImageSource(cloud.state / "gone.qcow2", None, None)
    vault = Vault.open(cloud.state)
    places.make(cloud, FACTS, vault)
    vault.save()
    before = _wanted(cloud, "lab")
    assert {"keystone", "mariadb"} <= before.keys()
    assert _wanted(replace(cloud, content=replace(cloud.content, images={"gone": gone})), "lab") == before


def test_an_image_that_was_moved_away_keeps_nobody_from_removing_the_cloud(cloud: Cloud) -> None:
    gone = replace(cloud, content=replace(cloud.content, images={"gone": ImageSource(cloud.state / "x", None, None)}))
    with ExitStack() as opened:
        with pytest.raises(HotstackError, match="no such file"):
            places.seen(gone, Vault.open(cloud.state), opened)
        (place,) = places.seen(gone, Vault.open(cloud.state), opened, Provisions())
    assert place.host is None


@pytest.mark.parametrize("name", ["secrets.json", "node.json", "id_ed25519"])
@pytest.mark.parametrize("damage", ["half", "directory", "binary"])
def test_a_damaged_file_hides_nothing_that_runs(cloud: Cloud, name: str, damage: str) -> None:
    DAMAGES[damage](cloud.state / name)
    assert bool(_wanted(cloud, "lab")) == (name == "id_ed25519")
    assert [each.name for each in overview(cloud).nodes] == ["lab"]


def test_without_secrets_nobody_says_that_services_differ_from_the_settings(cloud: Cloud) -> None:
    (cloud.state / "secrets.json").unlink()
    assert _wanted(cloud, "lab") == {}


@pytest.mark.parametrize("damage", ["half", "directory", "binary"])
@pytest.mark.parametrize("name", [*NEEDED, *REMADE])
def test_plan_names_what_it_needs(cloud: Cloud, name: str, damage: str, capfd: pytest.CaptureFixture[str]) -> None:
    DAMAGES[damage](cloud.state / name)
    status = command.main(["plan"])
    out, err = capfd.readouterr()
    assert not any(word in out + err for word in ("Traceback", "defect", "unexpected"))
    if status == 1:
        assert name in NEEDED
        assert str(cloud.state / name) in err
        assert "\n  → " in err
    else:
        assert (status, out.splitlines()[-1][:5]) == (2, "Plan:")


def test_tokens_that_were_damaged_are_kept_again(cloud: Cloud) -> None:
    path = cloud.state / "tokens.json"
    for damage, do in DAMAGES.items():
        if path.is_dir():
            path.rmdir()
            path.write_text("{}")
        do(path)
        Tokens(path).keep(Hidden("password"), "another", "2099-01-01T00:00:00.000000Z")
        assert Tokens(path).get(Hidden("password")) == ("" if damage == "directory" else "another")


@pytest.mark.parametrize("how", ["missing", "empty", "another's", "binary"])
def test_the_public_half_of_a_key_follows_from_the_private_one(cloud: Cloud, how: str) -> None:
    private, public = cloud.state / "id_ed25519", cloud.state / "id_ed25519.pub"
    before = private.read_bytes(), public.read_text(), sshkey.public_key(cloud.state, None)
    if how == "missing":
        public.unlink()
    else:
        public.write_bytes({"empty": b"", "another's": b"ssh-ed25519 AAAA x\n", "binary": bytes(range(256))}[how])
    assert sshkey.public_key(cloud.state, None) == before[2]  # also for who only reads
    sshkey.make_key(cloud.state, "hotstack@lab")
    assert (private.read_bytes(), public.read_text(), sshkey.public_key(cloud.state, None)) == before
    shown = subprocess.run(("ssh-keygen", "-yf", private), capture_output=True, text=True, check=True)
    assert shown.stdout.split()[:2] == before[2].split()


def test_settings_of_the_earlier_version_are_read_and_those_that_lost_their_contents_are_not(cloud: Cloud) -> None:
    path = cloud.state / "settings.yaml"
    text = path.read_text()
    assert load(path, {}, {}).name == "lab"
    path.write_text(text.partition("\n")[2])
    assert kept.find(cloud.state) == path
    path.write_text(text.replace("region:", "regiom:", 1))
    with pytest.raises(Damaged, match="contents that do not fit their checksum"):
        kept.find(cloud.state)


def test_a_record_of_the_earlier_version_is_read(cloud: Cloud) -> None:
    said = (cloud.state / "node.json").read_text()
    assert '"sum"' in said
    put(cloud.state / "node.json", said[: said.index(',\n "sum"')] + "\n}\n")
    assert facts_of(cloud).load() == FACTS


def test_generations_that_are_damaged_are_passed_over(cloud: Cloud) -> None:
    generations = Generations(cloud.state / "generations")
    half(cloud.state / "generations/000001.json")
    assert generations.latest() is None
    again = generations.record([], "1", "up", {"user": "ada"})
    assert again.number == 2
    assert generations.latest() == again
    assert [each.path.name for each in generations.damaged()] == ["000001.json"]


AS_NOBODY = """
import os, sys
from hotstack_os.cli import main

main.main(sys.argv[1:])  # what it imports may be in places of root's
print("NOW", file=sys.stderr, flush=True)
os.setgid(65534)
os.setuid(65534)
sys.exit(main.main(sys.argv[1:]))
"""


@pytest.mark.usefixtures("cloud")
@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user")
@pytest.mark.parametrize("verb", ["status", "plan", "generations"])
def test_who_may_not_read_the_state_is_told_so(verb: str, tmp_path: Path) -> None:
    for place in (tmp_path, *tmp_path.parents[:2]):
        place.chmod(0o755)
    environment = {**os.environ, "PYTHONPATH": str(Path(hotstack_os.__file__).parent.parent)}
    argv = (sys.executable, "-c", AS_NOBODY, verb)
    done = subprocess.run(argv, env=environment, cwd="/", capture_output=True, text=True, check=False)
    said = done.stderr.partition("NOW\n")[2]
    assert (done.returncode, len(said.splitlines())) == (1, 2), said
    assert "ermission denied" in said


def test_a_state_that_is_no_directory_is_said(cloud: Cloud, capfd: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(cloud.state)
    cloud.state.write_text("")
    for verb in ("status", "plan"):
        assert command.main([verb]) in (1, 2)
        assert not any(word in capfd.readouterr().err for word in ("Traceback", "defect", "unexpected"))


def test_the_state_is_looked_at_before_up_does_anything(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    from hotstack_os.deploy import cloud as clouds  # noqa: PLC0415
    from hotstack_os.deploy.stages import Stages  # noqa: PLC0415

    class Silent:
        def begin(self, stage: str) -> None:
            raise AssertionError(stage)

    half(cloud.state / "node.json")
    with pytest.raises(HotstackError, match=r"node\.json as it was written"):
        clouds.up(replace(cloud, target="box"), Stages(Silent()))  # type: ignore[arg-type]
