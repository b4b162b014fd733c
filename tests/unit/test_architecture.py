"""The rules that the rooms of the program keep, read from its source. An exception needs a line, and a reason, here."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import hotstack_os

pytestmark = pytest.mark.xdist_group("architecture")  # it reads all of our code once
ROOT = Path(hotstack_os.__file__).parent

LAYERS = (
    {"__main__"},
    {"cli"},
    {"deploy"},
    {"smoke", "tempest", "health", "content", "bootstrap", "runtime", "network", "host", "box", "images"},
    {"catalogue", "render", "settings"},
    {"core"},
    {"exec"},
    {"whole"},
    {"errors", "hidden", "interrupt", "surroundings"},
)
"""From top to bottom; a room may import the rooms of any lower layer."""

SIDEWAYS = {
    ("smoke", "content"),  # the light client of the APIs
    ("content", "bootstrap"),  # the administrator's client of Keystone
    ("bootstrap", "runtime"),  # databases, schemas and Keystone are reached through their containers
    ("runtime", "network"),  # the units of a boot restore the firewall
    ("runtime", "host"),  # services are systemd's units
    ("health", "host"),  # and so is their state
    ("health", "runtime"),  # whose units they are
    ("catalogue", "render"),  # a service's sections become files
    ("render", "settings"),  # which names of options are one
    ("catalogue", "settings"),  # what a component may ask about the cloud
}
"""Imports within a layer."""

STAND_ALONE = {"node", "images/files", "tempest/files"}
"""Programs that run on a node, in an image or in another environment: nothing of ours."""

SLEEPS = {
    "exec/wait.py": "the one place that waits",
    "interrupt.py": "ends the program that does not end by itself",
    "node/agent.py": "stands alone on the node: gives processes a second to end",
    "node/health.py": "stands alone on the node",
}

PROCESSES = {
    "exec/agent.py": "starts agents",
    "exec/local.py": "runs commands on this machine",
    "exec/stream.py": "shows what a command says while it runs",
    "exec/become.py": "becomes a client, a shell or a program in a container",
    "box/supervisor.py": "stands alone; it is what nspawn's parent must be",
    "node/agent.py": "stands alone on the node: runs what it is sent",
    "node/enter.py": "stands alone on the node: becomes a program in a container",
    "tempest/files/stream.py": "stands alone in Tempest's environment: runs stestr",
}

REVEALS = {
    "hidden.py": "into JSON that is secret itself",
    "exec/command.py": "to standard input",
    "render/ini.py": "into a text that is secret itself",
    "deploy/credentials.py": "into clouds.yaml, 0600",
    "deploy/recovery.py": "no secret, but the marks that stand for them",
    "deploy/masking.py": "into what is looked for in texts, to mask it",
    "content/credential.py": "into cloud-secret.yaml, 0600",
    "settings/secrets.py": "into the vault, 0600",
    "health/probes.py": "into the health watch's file, 0600",
    "catalogue/infrastructure.py": "into RabbitMQ's password hashes",
    "catalogue/nova.py": "into the signature of metadata requests",
    "catalogue/migration.py": "into SSH's private keys, 0400",
    "bootstrap/databases.py": "into a hash to compare with MariaDB's",
    "bootstrap/queues.py": "into the input of the node's program that tries logins, and to compare with a hash",
}

PODMAN = {
    "runtime": "the room of containers",
    "images": "the room of images",
    "box/podman.py": "the configuration of podman in a box",
    "box/machine.py": "writes that configuration",
    "cli/box.py": "an example of what to run in a box",
    "cli/shell.py": "an example of what to run on a node",
    "catalogue/spec.py": "Service.podman_args, the way out for what the words of the catalogue cannot say yet",
    "catalogue/nova.py": "its umask, said through podman_args",
}

BROAD = {
    "node/health.py": "whatever reading an answer comes upon, it was no healthy one: a reason that is told",
    "cli/main.py": "whatever is left is a defect of ours and becomes a report",
    "core/apply.py": "what fails is told with the plan; independent work goes on",
    "node/agent.py": "whatever an operation raises is its answer",
    "runtime/quadlets.py": "whatever a reading of several units ends with is told to each that waits for it",
}

LONGEST, LONGEST_PROGRAM = 400, 700
"""Lines of a module, and of a program that has to be one file."""


@dataclass(frozen=True, eq=False)
class Module:
    """One source file: its path in the package, its text and its tree."""

    path: str
    text: str
    tree: ast.Module

    @cached_property
    def nodes(self) -> tuple[ast.AST, ...]:
        """Every node of the tree."""
        return tuple(ast.walk(self.tree))

    @cached_property
    def typing_only(self) -> frozenset[ast.AST]:
        """The nodes below `if TYPE_CHECKING`."""
        branches = [node for node in self.nodes if isinstance(node, ast.If)]
        guards = [branch for branch in branches if ast.unparse(branch.test) == "TYPE_CHECKING"]
        return frozenset(node for branch in guards for node in ast.walk(branch))

    @property
    def room(self) -> str:
        return self.path.split("/")[0].removesuffix(".py")

    @property
    def name(self) -> str:
        return "hotstack_os." + self.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    def imports(self) -> Iterator[str]:
        """Every imported module or member by its full name, also those within functions."""
        for node in self.nodes:
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{self.path} imports relatively"
                yield from (f"{node.module}.{alias.name}" for alias in node.names)

    @cached_property
    def named(self) -> frozenset[str]:
        """The dotted text of everything that is called or named: `time.sleep`, `os.execvp`, `….reveal`."""
        return frozenset(_dotted(node) for node in self.nodes if isinstance(node, ast.Attribute | ast.Name))

    def words(self) -> Iterator[str]:
        """Names and string constants, but not comments and docstrings."""
        prose = {id(node) for node in self._docstrings()}
        for node in self.nodes:
            match node:
                case ast.Constant(value=str(text)) if id(node) not in prose:
                    yield text
                case ast.Name(id=text) | ast.Attribute(attr=text) | ast.arg(arg=text) | ast.alias(name=text):
                    yield text
                case ast.FunctionDef(name=text) | ast.ClassDef(name=text) | ast.keyword(arg=str(text)):
                    yield text

    def _docstrings(self) -> Iterator[ast.Constant]:
        """Strings that stand alone as a statement, at the head of a body or below what they describe."""
        for node in self.nodes:
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
                yield node.value


def _dotted(node: ast.expr) -> str:
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=value, attr=name):
            return f"{_dotted(value)}.{name}"
        case _:
            return "…"


@cache
def modules() -> tuple[Module, ...]:
    paths = sorted(path for path in ROOT.rglob("*.py") if "__pycache__" not in path.parts)
    texts = {path: path.read_text(encoding="utf-8") for path in paths}
    return tuple(Module(str(path.relative_to(ROOT)), text, ast.parse(text)) for path, text in texts.items())


def stands_alone(module: Module) -> bool:
    return any(module.path.startswith(f"{place}/") for place in STAND_ALONE)


def layer(room: str) -> int:
    return next(number for number, rooms in enumerate(LAYERS) if room in rooms)


def edges() -> Iterator[tuple[str, str, str]]:
    """(importing room, imported room, path) for every import that crosses rooms."""
    for module in modules():
        for name in module.imports():
            package, _, rest = name.partition(".")
            room = rest.split(".")[0]
            # The package itself is its version and its place on disk, which everyone may know.
            if package == "hotstack_os" and room not in {module.room, "__version__", ""}:
                yield module.room, room, module.path


def paths_with(words: set[str]) -> set[str]:
    """Paths of modules that name one of these dotted things."""
    return {module.path for module in modules() if words & module.named}


def test_every_room_has_its_layer() -> None:
    rooms = {module.room for module in modules()} - {"__init__", "node"}
    assert rooms <= set().union(*LAYERS)


def test_imports_point_downwards() -> None:
    upwards = {
        f"{path}: {above} → {below}"
        for above, below, path in edges()
        if layer(below) <= layer(above) and (above, below) not in SIDEWAYS
    }
    assert not upwards


def test_imports_within_a_layer_are_needed_and_form_no_circle() -> None:
    found = {(above, below) for above, below, _ in edges() if layer(below) == layer(above)}
    assert found == SIDEWAYS
    graph: dict[str, set[str]] = {}
    for above, below in SIDEWAYS:
        graph.setdefault(above, set()).add(below)
    TopologicalSorter(graph).prepare()


def test_modules_import_each_other_without_circle() -> None:
    names = {module.name for module in modules()}
    graph: dict[str, set[str]] = {}
    for module in modules():
        wanted = {part for name in module.imports() for part in (name, name.rpartition(".")[0])} & names
        # `from package import module` names the package too; its __init__ gathers, it does not depend.
        graph[module.name] = {each for each in wanted if each != module.name and not _typing_only(module, each)}
    for package in [module.name for module in modules() if module.path.endswith("__init__.py")]:
        for members in graph.values():
            if any(each.startswith(f"{package}.") for each in members):
                members.discard(package)
    TopologicalSorter(graph).prepare()


def _typing_only(module: Module, name: str) -> bool:
    """Whether it is imported below `if TYPE_CHECKING` alone."""
    imported = [node for node in module.nodes if isinstance(node, ast.ImportFrom) and node.module == name]
    return bool(imported) and module.typing_only.issuperset(imported)


def test_programs_for_nodes_and_images_stand_alone() -> None:
    own = {f"{module.path}: {name}" for module in modules() if stands_alone(module)
           for name in module.imports() if name.split(".")[0] == "hotstack_os"}  # fmt: skip
    assert not own


def test_the_core_knows_nothing_of_the_cloud() -> None:
    foreign = {"openstack", "podman", "systemd", "quadlet", "keystone", "mariadb", "container", "catalogue"}
    said = {
        f"{module.path}: {word}"
        for module in modules()
        if module.room in {"core", "exec"}
        for word in module.words()
        if any(each in word.lower() for each in foreign)
    }
    assert not said


def test_only_one_place_waits() -> None:
    assert paths_with({"time.sleep", "sleep"}) == SLEEPS.keys()


def test_processes_are_started_in_few_places() -> None:
    names = {f"os.{name}" for name in ("system", "popen", "fork", "forkpty", "posix_spawn")}
    names |= {f"os.exec{kind}" for kind in ("l", "le", "lp", "lpe", "v", "ve", "vp", "vpe")}
    importing = {module.path for module in modules() if any(name.startswith("subprocess") for name in module.imports())}
    assert paths_with(names) | importing == PROCESSES.keys()


def test_secrets_are_revealed_in_few_places() -> None:
    callers = {module.path for module in modules() if any(name.endswith(".reveal") for name in module.named)}
    assert callers == REVEALS.keys()


def test_podman_has_rooms_of_its_own() -> None:
    said = {module.path for module in modules() if any("podman" in word.lower() for word in module.words())}
    outside = {path for path in said if path not in PODMAN and path.split("/")[0] not in PODMAN}
    assert not outside
    assert {path for path in PODMAN if path.endswith(".py")} <= said


def test_modules_are_short() -> None:
    lengths = {each: len(each.text.splitlines()) for each in modules()}
    assert not {
        f"{module.path}: {length} lines"
        for module, length in lengths.items()
        if length >= (LONGEST_PROGRAM if stands_alone(module) else LONGEST)
    }


def test_broad_excepts_have_a_reason() -> None:
    broad = {
        module.path
        for module in modules()
        for node in module.nodes
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or {"Exception", "BaseException"} & set(ast.unparse(node.type).split()))
    }
    assert broad == BROAD.keys()
