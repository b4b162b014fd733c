"""Packages of a node, with apt and dpkg themselves on a root of their own and a little archive of packages."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from hotstack_os.core.apply import ApplyFailed, converge, make_plan
from hotstack_os.core.handler import World
from hotstack_os.core.journal import Journal
from hotstack_os.core.model import Ref, Resource
from hotstack_os.exec import Command, CommandFailed, Result
from hotstack_os.exec.local import run_here
from hotstack_os.host.packages import PACKAGE, PackageHandler, packages

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("apt-get") is None, reason="dpkg installs as root, and on Debian"
)
CONTROL = (
    "Package: {name}\nVersion: {version}\nArchitecture: all\nMaintainer: Nobody <nobody@localhost>\nDescription: x\n"
)


@dataclass
class Machine:
    """A root with dpkg's database, and an archive. It is a `Host` as far as packages need one."""

    root: Path
    said: list[tuple[str, ...]] = field(default_factory=list)

    def run(self, command: Command) -> Result:
        """What the handler runs, with apt and dpkg turned to this root."""
        self.said.append(command.argv)
        admin = str(self.root / "var/lib/dpkg")
        own = {"APT_CONFIG": str(self.root / "apt.conf"), "DPKG_ADMINDIR": admin, "LANG": "C.UTF-8"}
        return run_here(replace(command, env={**command.env, **own}))

    def archive(self, names: Mapping[str, str], version: str = "1") -> None:
        """Packages that can be installed from now on: name → further fields, such as what it depends on."""
        for name, fields in names.items():
            tree = self.root / "build" / name
            (tree / "DEBIAN").mkdir(parents=True, exist_ok=True)
            (tree / "etc" / name).mkdir(parents=True, exist_ok=True)
            (tree / "etc" / name / "conf").write_text("as it comes\n")
            (tree / "DEBIAN/conffiles").write_text(f"/etc/{name}/conf\n")
            (tree / "DEBIAN/control").write_text(CONTROL.format(name=name, version=version) + fields)
            file = self.root / "archive" / f"{name}_{version}_all.deb"
            subprocess.run(["dpkg-deb", "--build", "--root-owner-group", tree, file], check=True, capture_output=True)
        (self.root / "archive/Packages").write_text(
            "\n".join(_entry(file) for file in sorted((self.root / "archive").glob("*.deb")))
        )

    def apt(self, *words: str) -> str:
        """What somebody else does."""
        return self.run(Command(("apt-get", "--yes", *words))).stdout

    @property
    def there(self) -> set[str]:
        """Installed packages."""
        shown = self.run(Command(("dpkg-query", "--show", "--showformat=${db:Status-Status} ${Package}\n"))).stdout
        return {line.split()[1] for line in shown.splitlines() if line.startswith("installed ")}

    def transactions(self) -> list[tuple[str, ...]]:
        """Verbs by which something was changed, with the packages."""
        changes = [argv for argv in self.said if argv[:1] == ("apt-get",) and "--simulate" not in argv]
        return [(argv[1], *(word for word in argv[2:] if word.isalpha())) for argv in changes]


def _entry(file: Path) -> str:
    """A package in an archive's index."""
    control = subprocess.run(["dpkg-deb", "--field", file], check=True, capture_output=True, text=True).stdout
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    return f"{control}Filename: ./{file.name}\nSize: {file.stat().st_size}\nSHA256: {digest}\n"


ARCHIVE = {
    "node": "Depends: library\n",
    "tool": "",
    "held": "",
    "library": "",
    "plugin": "Depends: node\n",
    "orphan": "",
    "editor": "Depends: pager\n",
    "pager": "",
}
NODE = ("node", "tool", "held", "pager")


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    root = tmp_path / "root"
    for each in ("archive", "etc/apt/apt.conf.d", "etc/apt/preferences.d", "var/lib/dpkg/updates", "var/lib/dpkg/info"):
        (root / each).mkdir(parents=True)
    for each in ("var/lib/apt/lists/partial", "var/cache/apt/archives/partial", "var/log/apt"):
        (root / each).mkdir(parents=True)
    (root / "var/lib/dpkg/status").touch()
    (root / "var/lib/dpkg/arch").write_text("amd64\n")
    (root / "etc/apt/sources.list").write_text(f"deb [trusted=yes] file:{root}/archive ./\n")
    (root / "apt.conf").write_text(
        f'Dir "{root}/"; Dir::State::status "{root}/var/lib/dpkg/status"; APT::Sandbox::User "root";\n'
        f'Dir::Bin::dpkg "/usr/bin/dpkg"; DPkg::Options {{ "--root={root}"; "--force-not-root"; }};\n'
    )
    found = Machine(root)
    found.archive(ARCHIVE)
    return found


def settle(machine: Machine, names: tuple[str, ...], journal: Path) -> None:
    """What a command does: what is wanted, or nothing of it."""
    wanted: dict[Ref, Resource] = {each.ref: each for each in [packages(names, "n")] if names}
    world = World({("n", PACKAGE): PackageHandler(machine, NODE)})  # type: ignore[arg-type]
    known = Journal(journal)
    converge(wanted, make_plan(wanted, world, known), world, known)


def test_packages_come_and_go_in_one_transaction_with_all_that_came_along(machine: Machine, tmp_path: Path) -> None:
    settle(machine, NODE, tmp_path / "journal")  # the lists are empty: they are read first
    assert machine.there == {"node", "tool", "held", "pager", "library"}
    installs = [each for each in machine.transactions() if each[0] != "update"]
    assert set(installs) == {("install", "held", "node", "pager", "tool")}
    machine.said.clear()
    settle(machine, NODE, tmp_path / "journal")
    assert machine.transactions() == []
    settle(machine, (), tmp_path / "journal")
    assert machine.there == set()
    assert machine.transactions() == [("purge", "held", "library", "node", "pager", "tool")]
    assert not (machine.root / "etc/tool").exists()
    assert Journal(tmp_path / "journal").ledger == {}


def test_what_was_there_before_stays_as_it_was(machine: Machine, tmp_path: Path) -> None:
    machine.apt("update")
    machine.apt("install", "editor", "held", "orphan", "library")  # the editor brings a pager
    machine.run(Command(("apt-mark", "hold", "held")))
    machine.run(Command(("apt-mark", "auto", "orphan", "library")))
    machine.archive({"pager": "", "held": ""}, version="2")
    machine.apt("update")
    settle(machine, NODE, tmp_path / "journal")
    versions = machine.run(Command(("dpkg-query", "--show", "--showformat=${Package} ${Version}\n"))).stdout
    assert {"pager 1", "held 1"} <= set(versions.splitlines())
    assert machine.run(Command(("apt-mark", "showauto"))).stdout.split() == ["library", "orphan", "pager"]
    settle(machine, (), tmp_path / "journal")
    assert machine.there == {"editor", "pager", "held", "orphan", "library"}
    assert machine.run(Command(("apt-mark", "showhold"))).stdout.split() == ["held"]


def test_what_others_need_stays_and_is_said(machine: Machine, tmp_path: Path) -> None:
    settle(machine, NODE, tmp_path / "journal")
    machine.apt("install", "plugin")
    machine.run(Command(("apt-mark", "hold", "held")))
    before = Journal(tmp_path / "journal").ledger[Ref(PACKAGE, "debian", "n")].before
    assert before is not None
    leave = PackageHandler(machine, NODE).leave(before)  # type: ignore[arg-type]
    assert leave.staying == {"node": ("plugin",), "held": ("somebody who put it on hold",)}
    settle(machine, (), tmp_path / "journal")
    assert machine.there == {"node", "library", "plugin", "held"}
    assert Journal(tmp_path / "journal").ledger == {}


def test_what_needs_one_or_the_other_of_ours_keeps_one(machine: Machine, tmp_path: Path) -> None:
    machine.archive({"either": "Depends: tool | pager\n"})
    settle(machine, NODE, tmp_path / "journal")
    machine.apt("install", "either")
    settle(machine, (), tmp_path / "journal")
    assert "either" in machine.there
    assert len(machine.there & {"tool", "pager"}) == 1


def test_configuration_that_was_left_of_a_package_is_left_again(machine: Machine, tmp_path: Path) -> None:
    machine.apt("update")
    machine.apt("install", "tool")
    kept = machine.root / "etc/tool/conf"
    kept.write_text("mine\n")
    machine.apt("remove", "tool")
    settle(machine, NODE, tmp_path / "journal")
    assert kept.read_text() == "mine\n"
    settle(machine, (), tmp_path / "journal")
    assert machine.there == set()
    assert kept.read_text() == "mine\n"


def test_nothing_is_removed_to_install_ours(machine: Machine, tmp_path: Path) -> None:
    machine.archive({"rival": "Conflicts: node\n"})
    machine.apt("update")
    machine.apt("install", "rival")
    with pytest.raises(ApplyFailed) as caught:
        settle(machine, NODE, tmp_path / "journal")
    (why,) = caught.value.failures.values()
    assert "Packages need to be removed but remove is disabled" in str(why)
    assert machine.there == {"rival"}


def test_a_package_that_a_later_revision_needs_is_ours_only_if_it_was_missing_then(
    machine: Machine, tmp_path: Path
) -> None:
    settle(machine, ("node",), tmp_path / "journal")
    machine.apt("install", "pager")
    settle(machine, NODE, tmp_path / "journal")
    settle(machine, (), tmp_path / "journal")
    assert machine.there == {"pager"}


def test_what_dpkg_was_killed_in_is_gone_on_with(machine: Machine, tmp_path: Path) -> None:
    settle(machine, ("tool",), tmp_path / "journal")
    status = machine.root / "var/lib/dpkg/status"
    (machine.root / "var/lib/dpkg/updates/0001").write_text(
        status.read_text().split("\n\n")[0].replace("install ok installed", "install ok half-configured") + "\n"
    )
    handler = PackageHandler(machine, NODE)  # type: ignore[arg-type]
    with pytest.raises(CommandFailed, match="dpkg was interrupted"):
        machine.apt("install", "pager")
    settle(machine, NODE, tmp_path / "journal")
    assert handler.observe([packages(NODE, "n")])
    assert set(NODE) <= machine.there


def test_an_old_record_of_each_package_is_taken_over_without_a_line(machine: Machine, tmp_path: Path) -> None:
    machine.apt("update")
    machine.apt("install", "pager", *(each for each in NODE if each != "pager"))
    machine.apt("install", "plugin")
    line = '{"event": "begin", "verb": "create", "ref": "n:package/%s", "needs": [], "within": null, "before": null}\n'
    done = '{"event": "done", "verb": "create", "ref": "n:package/%s"}\n'
    ours = ("node", "tool", "held")
    (tmp_path / "journal").write_text("".join(line % each + done % each for each in ours))
    wanted = packages(NODE, "n")
    world = World({("n", PACKAGE): PackageHandler(machine, NODE)})  # type: ignore[arg-type]
    assert not make_plan({wanted.ref: wanted}, world, Journal(tmp_path / "journal"))
    settle(machine, (), tmp_path / "journal")
    assert machine.there == {"node", "library", "plugin", "pager"}
