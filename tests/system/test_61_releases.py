"""A cloud on its way to another release, whatever fails: what runs fits its databases, and `up` goes on."""

from __future__ import annotations

import json
import random
import re
import signal
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hotstack_os.catalogue import registry
from hotstack_os.exec.wait import until
from system.conftest import ROOT, CloudUnderTest, discard, make_cloud
from system.releases import HEAD, LATER, PROGRAMS, PROJECTS, TABLE, Later

pytestmark = pytest.mark.long
DATABASES = {each.name: each for component in registry.components() for each in component.databases
             if component.name in PROJECTS}  # fmt: skip
"""Those whose schema moves with the later release."""


@dataclass(frozen=True)
class Chosen:
    """What chance chose: two schemas and two images, which fail one after the other."""

    schemas: tuple[str, str]
    unbuilt: str
    broken: str
    kill_after: int


@dataclass(frozen=True)
class Upgrade:
    """A cloud of the release of this tree, and the program that brings it to a later one."""

    cloud: CloudUnderTest
    later: Later
    chosen: Chosen

    def run(self, *words: str, accept: tuple[int, ...] = (0,)) -> subprocess.CompletedProcess[str]:
        """The program that knows the later release; the one of this tree would refuse to hear of it."""
        return self.cloud.run(*words, program=self.later.program, accept=accept, timeout=1500)

    def up(self, accept: tuple[int, ...] = (0,)) -> str:
        done = self.run("up", accept=accept)
        return done.stdout + done.stderr

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.run("status", "--json", accept=(0, 1)).stdout)
        return found

    def sql(self, statement: str) -> str:
        return self.run("exec", "--root", "mariadb", "--", "mariadb", "-N", "-e", statement).stdout

    def moved(self) -> set[str]:
        """The databases whose schema is the later one's."""
        heads = " UNION ".join(f"SELECT '{name}', version_num FROM {name}.{each.version_table}"
                               for name, each in DATABASES.items())  # fmt: skip
        return {line.split()[0] for line in self.sql(heads).splitlines() if line.split()[1] == HEAD}

    def reboot(self) -> None:
        self.run("box", "stop")
        self.run("box", "start")

    def running(self) -> Mapping[str, str]:
        """Service → image, of what runs by the word of podman."""
        listed = self.run("box", "enter", "--", "podman", "ps", "--format={{.Names}} {{.Image}}").stdout
        return {name.removeprefix("hotstack-os-"): image for name, image in map(str.split, listed.splitlines())}

    def assert_fits(self) -> set[str]:
        """What the node starts by itself is of the release of its schemas; the services of the later one."""
        moved, images = self.moved(), self.running()
        later = {name for name, image in images.items() if "-later:" in image}
        services = registry.services()
        for name in later:
            wanted = set(services[name].databases) & DATABASES.keys()
            assert wanted <= moved, f"{name} runs the later image on {wanted - moved}"
        for name in PROJECTS:
            ours = {each.name for each in services.values() if each.image == name}
            assert ours <= images.keys() | {"nova-ssh", "nova-compute-fake"}, "something does not run"
        return later


@pytest.fixture(scope="module")
def upgrade(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Upgrade]:
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")  # noqa: T201 (said where it fails)
    chance = random.Random(seed)  # noqa: S311 (no secret)
    first, second = chance.sample(sorted(DATABASES), 2)
    # What starts in the broken image does so after its schema, which must not be one of those that fail.
    free = sorted(name for name in PROGRAMS if name not in (first, second))
    unbuilt = chance.choice(sorted(PROJECTS))
    chosen = Chosen((first, second), unbuilt, chance.choice(free), chance.randint(1, 12))
    cloud = make_cloud("systest-release")
    try:
        cloud.run("up", timeout=1800)
        yield Upgrade(cloud, Later.make(tmp_path_factory.mktemp("release")), chosen)
    finally:
        cloud.configure("")
        discard(cloud)


def test_an_image_that_cannot_be_built_changes_nothing(upgrade: Upgrade) -> None:
    cloud, before = upgrade.cloud, upgrade.running()
    cloud.configure(f"release: {LATER}\n")
    upgrade.later.images(**{upgrade.chosen.unbuilt: "echo this one fails; false"})
    assert "this one fails" in upgrade.up(accept=(1,))
    upgrade.later.images()
    assert upgrade.running() == before
    cloud.configure("")  # the cloud has its release still, which nothing names
    cloud.run("plan")


def test_killed_anywhere_it_starts_again_with_what_fits(upgrade: Upgrade) -> None:
    cloud = upgrade.cloud
    cloud.configure(f"release: {LATER}\n")
    for name in upgrade.chosen.schemas:
        upgrade.sql(f"CREATE TABLE {name}.{TABLE} (in_the_way INT)")
    upgrade.run("images", "build")
    argv = [str(upgrade.later.program / "hotstack-os"), "up", "--settings", str(cloud.settings)]
    process = subprocess.Popen(argv, env=cloud.environment, stderr=subprocess.PIPE, text=True)
    assert process.stderr
    done = 0
    for line in process.stderr:
        done += bool(re.search(r"update \S+:(schema|service)/", line))
        if done == upgrade.chosen.kill_after:
            process.send_signal(signal.SIGKILL)
            break
    process.wait(timeout=600)
    process.stderr.close()
    assert done
    upgrade.reboot()
    upgrade.assert_fits()


def test_a_schema_that_fails_leaves_its_services_as_they_were_over_a_reboot(upgrade: Upgrade) -> None:
    first, second = upgrade.chosen.schemas
    said = upgrade.up(accept=(1,))
    assert f"the schema of {first} to be migrated" in said
    assert f"the schema of {second} to be migrated" in said
    upgrade.reboot()
    assert upgrade.moved() == DATABASES.keys() - {first, second}
    later = upgrade.assert_fits()
    users = {each.name for each in registry.services().values() if {first, second} & set(each.databases)}
    assert not users & later
    assert later, "nothing moved, although most could"
    shown = {each["name"]: each for each in upgrade.status()["services"]}
    for name in users:
        assert "-later:" not in shown[name]["image"]
        assert "differs from settings" in shown[name]["differs"]
    load_again(upgrade, first, said)


def load_again(upgrade: Upgrade, name: str, said: str) -> None:
    """The command that the error names brings the database back as it was before the migration."""
    (command,) = [line.partition(": ")[2].strip() for line in said.splitlines()
                  if "zcat" in line and f"/{name}-" in line]  # fmt: skip
    dump = Path(command.split()[1])
    assert dump.stat().st_mode & 0o777 == 0o600
    tables = f"SELECT table_name FROM information_schema.tables WHERE table_schema = '{name}' ORDER BY 1"
    before = upgrade.sql(tables)
    upgrade.sql(f"CREATE TABLE {name}.left_by_a_migration (i INT); DROP TABLE {name}.{DATABASES[name].version_table}")
    environment = {**upgrade.cloud.environment, "PATH": f"{ROOT}:{upgrade.cloud.environment['PATH']}"}
    subprocess.run(["bash", "-o", "pipefail", "-ec", command], env=environment, check=True, timeout=120)
    assert upgrade.sql(tables) == before


def test_mended_one_by_one_it_goes_on_and_a_service_that_does_not_start_keeps_no_other_from_it(
    upgrade: Upgrade,
) -> None:
    first, second = upgrade.chosen.schemas
    upgrade.sql(f"DROP TABLE {first}.{TABLE}")
    program, broken = PROGRAMS[upgrade.chosen.broken], upgrade.chosen.broken
    path = f"/opt/openstack/bin/{program}"
    upgrade.later.images(**{broken: f"printf '#!/bin/sh\\nexit 3\\n' > {path} && chmod 755 {path}"})
    said = upgrade.up(accept=(1,))
    assert f"the schema of {second} to be migrated" in said
    assert f"the schema of {first} to be migrated" not in said
    assert re.search(rf"service/{broken}\S*: wanted {broken}\S* to start", said)
    assert upgrade.moved() == DATABASES.keys() - {second}
    shown = {each["name"]: each for each in upgrade.status()["services"]}
    for each in registry.services().values():
        if second in each.databases and each.name in shown:  # what runs, and what a boot would start
            assert "-later:" not in shown[each.name]["image"] + shown[each.name]["unit_image"]


def test_the_right_release_is_reached_and_kept(upgrade: Upgrade) -> None:
    cloud = upgrade.cloud
    upgrade.sql(f"DROP TABLE {upgrade.chosen.schemas[1]}.{TABLE}")
    upgrade.later.images()
    upgrade.up()
    assert upgrade.moved() == DATABASES.keys()
    until(lambda: upgrade.run("status", accept=(0, 1)).returncode == 0, "all to be healthy", seconds=180, step=1)
    cloud.configure("")
    upgrade.run("plan")  # left out, the release is the cloud's
    shown = upgrade.status()
    assert shown["release"]["name"] == LATER
    assert not [each["name"] for each in shown["services"] if each["differs"]]


def test_an_older_release_is_refused_before_anything_is_done(upgrade: Upgrade) -> None:
    cloud = upgrade.cloud
    (mine,) = [each.name for each in sorted((ROOT / "locks").glob("20*"))][-1:]
    cloud.configure(f"release: {mine}\n")
    generations = sorted((cloud.state / "generations").iterdir())
    for verb in ("plan", "up"):
        refused = upgrade.run(verb, accept=(1,)).stderr
        assert f"wanted release {LATER}, which the cloud {cloud.name} has" in refused
        assert "image" not in refused
    cloud.configure("")
    refused = cloud.run("up", accept=(1,)).stderr  # this program has no lock of that release
    assert f"a lock for release {LATER}" in refused
    cloud.run("status")  # but it can be looked at
    assert sorted((cloud.state / "generations").iterdir()) == generations
