"""What is asked of a real MariaDB beside what its handlers promise: who asks, and how databases are begun and kept."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from hotstack_os.bootstrap import dumps, seeds, sql
from hotstack_os.catalogue.spec import Database
from hotstack_os.exec import Command, CommandFailed, run_here
from hotstack_os.exec.wait import until
from hotstack_os.runtime.services import NOT_CARRIED_IN, run_as_root_in
from integration.handlers.conftest import Place

DATABASE = Database("hot_seed", "nobody", "nobody", (), project="nobody")
MIGRATION = f"""
USE hot_seed;
CREATE TABLE stack (id INT PRIMARY KEY AUTO_INCREMENT, name TEXT);
CREATE TABLE resource (stack INT, FOREIGN KEY (stack) REFERENCES stack (id));
INSERT INTO stack VALUES (7, 'ä\\'s');
INSERT INTO resource VALUES (7);
ALTER DATABASE hot_seed CHARACTER SET utf8mb3;
CREATE TABLE {DATABASE.version_table} (version_num VARCHAR(32));
INSERT INTO {DATABASE.version_table} VALUES ('a'), ('b');
"""


def test_who_enters_a_container_is_a_root_without_capabilities(place: Place) -> None:
    shown = run_as_root_in(
        place.host, "mariadb", ("cat", "/proc/self/status", "/proc/1/comm"), "look", stdin=None, timeout=20
    )
    status = dict(line.split(":\t") for line in shown.splitlines() if ":\t" in line)
    assert status["Uid"].split() == ["0"] * 4
    assert {status[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
    assert status["NoNewPrivs"] == "1"
    assert shown.splitlines()[-1] == place.sh("podman top hotstack-os-mariadb comm | tail -1").strip()


def test_a_container_that_does_not_run_is_not_entered(place: Place) -> None:
    image = "$(podman container inspect --format '{{.ImageName}}' hotstack-os-mariadb)"
    place.sh(f"podman create --network=none --name hotstack-os-idle {image} true")
    for name in ("idle", "nobody"):
        with pytest.raises(CommandFailed, match=f"the container of hotstack-os-{name}.service does not run") as caught:
            run_as_root_in(place.host, name, ("true",), "enter", stdin=None, timeout=20)
        assert caught.value.result.status == NOT_CARRIED_IN
    place.sh("podman rm hotstack-os-idle")


def test_what_a_program_in_a_container_ended_with_is_told(place: Place) -> None:
    endings = {("sh", "-c", "exit 7"): 7, ("sh", "-c", "kill -9 $$"): 137, ("none",): 127, ("/etc/passwd",): 126}
    for command, status in endings.items():
        with pytest.raises(CommandFailed) as caught:
            run_as_root_in(place.host, "mariadb", command, "try", stdin=None, timeout=20)
        assert caught.value.result.status == status
        assert len(str(caught.value)) < 200  # what was asked for, not the program that carries it in


SPY = r"""#!/bin/sh
cat /proc/self/status >> /spied/$(basename "$0")
exit 0
"""


def test_no_file_of_a_container_runs_with_powers(place: Place) -> None:
    """Who holds a container may have put a program of theirs in the place of any that could be run in it."""
    image = "$(podman container inspect --format '{{.ImageName}}' hotstack-os-mariadb)"
    place.host.make_directory("/srv/spy", mode=0o755)
    place.host.write("/srv/spy/spy", SPY, mode=0o755)
    names = ("setpriv", "nsenter", "python3", "env", "id")
    covers = " ".join(f"-v /srv/spy/spy:/usr/bin/{each}:ro" for each in names)
    place.sh(
        f"systemd-run --unit=hotstack-os-held -p Delegate=yes podman run --rm --cgroups=split --network=none --user=0"
        f" --name hotstack-os-held {covers} -v /srv/spy:/spied {image} sleep 300"
    )
    try:
        until(lambda: place.sh("podman ps -q --filter name=hotstack-os-held").strip() != "", "it to run", seconds=30)
        run_as_root_in(place.host, "held", ("id",), "look", stdin=None, timeout=20)
        seen = place.sh("tail -n +1 /srv/spy/*; true")
        assert "==> /srv/spy/id <==" in seen
        powers = {
            line.split(":\t")[1] for line in seen.splitlines() if line.startswith(("CapEff:", "CapPrm:", "CapBnd:"))
        }
        assert powers == {"0" * 16}
        assert "NoNewPrivs:\t1" in seen
    finally:
        place.sh("systemctl stop hotstack-os-held; rm -r /srv/spy")


def test_a_database_is_begun_kept_and_made_anew(place: Place) -> None:
    whole = "podman exec --user=0 hotstack-os-mariadb mariadb-dump --skip-comments --databases hot_seed"
    only = (
        "SELECT table_name FROM information_schema.tables WHERE table_schema = 'hot_seed' AND table_type = 'BASE TABLE'"
    )
    sql.execute(place.host, f"CREATE DATABASE hot_seed {sql.CHARACTERS};", "make a database")
    sql.execute(place.host, seeds.begin(DATABASE, frozenset(), ["b", "a"]), "begin it")
    assert seeds.tables(place.host, DATABASE) == {seeds.UNFINISHED}
    assert sql.query(place.host, only) == []  # no table for a migration to find
    assert seeds.aim(place.host, DATABASE) == ["a", "b"]

    sql.execute(place.host, MIGRATION + seeds.end(DATABASE), "migrate it")
    migrated, kept = place.sh(whole), seeds.dump(place.host, DATABASE)
    assert "DEFAULT CHARACTER SET utf8mb3" in migrated

    for rubbish in (seeds.tables(place.host, DATABASE), {seeds.UNFINISHED, "stack", "other"}):
        begin = seeds.begin(DATABASE, frozenset(rubbish), ["a", "b"])
        sql.execute(place.host, f"{begin}{kept}{seeds.end(DATABASE)}", "load it")
        assert place.sh(whole) == migrated
        broken = f"{seeds.begin(DATABASE, seeds.tables(place.host, DATABASE), ['a'])}CREATE TABLE stack (id INT);"
        sql.execute(place.host, f"{broken}CREATE TABLE other (id INT);", "break it off")
    sql.execute(place.host, "DROP DATABASE hot_seed;", "remove it")


def test_a_dump_brings_a_database_back_as_it_was(place: Place, tmp_path: Path) -> None:
    """Also where a migration has left tables of its own, and while somebody has rights on it."""
    whole = "podman exec --user=0 hotstack-os-mariadb mariadb-dump --skip-comments --databases hot_seed"
    sql.execute(place.host, f"CREATE DATABASE hot_seed {sql.CHARACTERS};", "make a database")
    sql.execute(place.host, f"{MIGRATION}GRANT ALL ON hot_seed.* TO hot_reader@'%' IDENTIFIED BY 'x';", "fill it")
    before, kept = place.sh(whole), dumps.Dumps(tmp_path, "contract")
    dump = kept.keep(place.host, DATABASE, ["a", "b"])

    sql.execute(place.host, "USE hot_seed; DELETE FROM resource; CREATE TABLE other (id INT);", "break it")
    words = kept.loading(dump).partition(" -- ")[2].split()
    load = place.host.argv(("podman", "exec", "--interactive", "--user=0", "hotstack-os-mariadb", *words))
    run_here(Command(load, "load the dump", stdin=gzip.decompress(dump.read_bytes())))
    assert place.sh(whole) == before
    rights = sql.query(place.host, "SELECT user FROM mysql.db WHERE db = 'hot_seed'")
    assert rights == [["hot_reader"]]
    sql.execute(place.host, "DROP DATABASE hot_seed; DROP USER hot_reader@'%';", "remove it")


def test_no_dump_is_left_of_a_database_that_cannot_be_dumped(place: Place, tmp_path: Path) -> None:
    with pytest.raises(CommandFailed, match="dump the database hot_seed before its migration"):
        dumps.Dumps(tmp_path, "contract").keep(place.host, DATABASE, ["a"])
    assert not list(tmp_path.iterdir())
