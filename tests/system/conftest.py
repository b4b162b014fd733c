"""One real cloud for all tests of this folder, made and removed as a user would: with the command."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from hotstack_os.catalogue import registry
from hotstack_os.settings.cloud import Cloud
from hotstack_os.settings.loading import load
from system.client import Client
from system.watching import ProcessWatch

if TYPE_CHECKING:
    from system.servers import Servers

ROOT = Path(__file__).parents[2]
CACHE = Path(os.environ.get("HOTSTACK_CACHE_DIR", "/var/cache/hotstack-os"))
NAME = "systest"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--values", type=Path, metavar="FILE", help="settings of the cloud, without its name")


@dataclass
class CloudUnderTest:
    """A cloud with a state directory of its own, driven through ./hotstack-os."""

    state_root: Path
    settings: Path
    name: str = NAME
    first: dict[str, Any] = field(default_factory=dict)
    watch: ProcessWatch = field(default_factory=ProcessWatch)
    warm: Client = field(default_factory=Client)

    @property
    def state(self) -> Path:
        return self.state_root / self.name

    @property
    def wanted(self) -> Cloud:
        """What its settings say."""
        return load(self.settings, self.environment, registry.takes())

    def container(self, number: int) -> str:
        """The address of the container with this number in the services' network."""
        return str(self.wanted.networks.containers.network_address + number)

    @property
    def environment(self) -> Mapping[str, str]:
        return {**os.environ, "HOTSTACK_STATE_DIR": str(self.state_root)}

    def run(
        self, *words: str, accept: tuple[int, ...] = (0,), timeout: float = 600, program: Path = ROOT
    ) -> subprocess.CompletedProcess[str]:
        """./hotstack-os VERB --settings … WORDS; a status that is not accepted fails the test with all output."""
        verb, *rest = words
        argv = [str(program / "hotstack-os"), verb, "--settings", str(self.settings), *rest]
        done = subprocess.run(
            argv,
            env=self.environment,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=timeout,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode in accept, f"{' '.join(argv)}: status {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def json(self, *words: str, accept: tuple[int, ...] = (0,)) -> Any:
        """What a verb says with --json."""
        verb, *rest = words
        return json.loads(self.run(verb, "--json", *rest, accept=accept).stdout)

    def client(
        self, *words: str, accept: tuple[int, ...] = (0,), timeout: float = 600
    ) -> subprocess.CompletedProcess[str]:
        """The OpenStack client as the administrator; a status that is not accepted fails the test with all output."""
        done = self.warm.call(self.wanted, words, timeout)
        assert done.returncode in accept, f"{' '.join(words)}: status {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def openstack(self, *words: str) -> Any:
        """What the OpenStack client says, as data."""
        return json.loads(self.client(*words, "-f", "json").stdout)

    def node(self, *argv: str, accept: tuple[int, ...] = (0,)) -> str:
        """Standard output of a command on the node."""
        return self.run("box", "enter", "--", *argv, accept=accept).stdout

    def shell(self, script: str) -> str:
        """Standard output of a shell script on the node."""
        return self.node("sh", "-ec", script)

    def configure(self, text: str) -> None:
        """Replace the settings."""
        self.settings.write_text(f"name: {self.name}\n{text}")


def make_cloud(name: str) -> CloudUnderTest:
    """A cloud that is not there yet. Its state lies on a disk: overlayfs cannot stand on every temporary directory."""
    root = Path(tempfile.mkdtemp(prefix="hotstack-os-test-", dir="/var/tmp"))
    cloud = CloudUnderTest(root / "clouds", root / "settings.yaml", name)
    cloud.configure("")
    return cloud


def discard(cloud: CloudUnderTest) -> None:
    """Take the cloud away, and what the test made around it."""
    cloud.warm.close()
    cloud.run("down", "--yes")
    shutil.rmtree(cloud.settings.parent)


def existing_cloud(name: str) -> CloudUnderTest:
    """A cloud of the developer's, which the tests leave up: HOTSTACK_TEST_CLOUD=NAME."""
    root = Path(os.environ.get("HOTSTACK_STATE_DIR", "/var/lib/hotstack-os-clouds"))
    cloud = CloudUnderTest(root, Path(tempfile.mkdtemp(prefix="hotstack-os-test-")) / "settings.yaml", name)
    cloud.configure("")
    return cloud


@pytest.fixture(scope="session")
def cloud(pytestconfig: pytest.Config) -> Iterator[CloudUnderTest]:
    """The cloud, up; `first` is what its first `up` said."""
    if name := os.environ.get("HOTSTACK_TEST_CLOUD"):
        existing = existing_cloud(name)
        yield existing
        existing.warm.close()
        return
    under_test = make_cloud(NAME)
    if values := pytestconfig.getoption("--values"):
        under_test.configure(values.read_text())
    try:
        under_test.run("images", "build", timeout=1800)
        with under_test.watch:
            under_test.first = under_test.json("up")
        yield under_test
    finally:
        discard(under_test)


@pytest.fixture(scope="session")
def lasting_servers(cloud: CloudUnderTest) -> Iterator[Callable[[], Servers]]:
    """The way to servers that answer SSH; made when somebody asks, and again where somebody has removed them."""
    from system.servers import is_there, running  # noqa: PLC0415 (it uses this module)

    with ExitStack() as made:
        given: list[Servers] = []

        def servers() -> Servers:
            if not given or not is_there(cloud):
                given[:] = [made.enter_context(running(cloud))]
            return given[0]

        yield servers


@pytest.fixture(scope="module")
def servers(lasting_servers: Callable[[], Servers]) -> Servers:
    """Servers that answer SSH, for all tests of a module, which use or disturb them."""
    return lasting_servers()
