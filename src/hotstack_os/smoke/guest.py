"""A guest of the scenario, reached from the node by SSH with a key made for this run."""

from __future__ import annotations

from dataclasses import dataclass

from hotstack_os.exec import Command, Host

PLACE = "/run/hotstack-os/smoke"
"""On the node: memory, gone with a reboot."""
KEY = f"{PLACE}/key"
# The guests are new each time, and so are their host keys.
_OPTIONS = {
    "BatchMode": "yes",
    "ConnectTimeout": "5",
    "StrictHostKeyChecking": "no",
    "UserKnownHostsFile": "/dev/null",
    "LogLevel": "ERROR",
    "IdentitiesOnly": "yes",
}
SSH_FAILED = 255
"""ssh(1): its own failure, where every other status is that of the remote command."""


def make_key(host: Host) -> str:
    """Make a new key pair on the node; returns the public half. The private half never leaves the node."""
    host.remove(PLACE)
    host.make_directory(PLACE, mode=0o700)
    argv = ("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "hotstack-os-smoke", "-f", KEY)
    host.run(Command(argv, "make a key for the smoke test"))
    public = host.read([f"{KEY}.pub"])[f"{KEY}.pub"]
    assert public is not None
    return public.decode().strip()


@dataclass(frozen=True)
class Guest:
    """A server of the stack; `vlan`, `mac` and `inside` (an address) are those of its trunk's subport."""

    host: Host
    name: str
    id: str
    floating: str
    vlan: int
    mac: str
    inside: str

    def answers_ping(self, count: int = 1) -> bool:
        """Whether every one of so many echo requests of the node is answered, each within a second."""
        argv = ("ping", "-q", "-n", "-c", str(count), "-i", "0.2", "-W", "1", self.floating)
        done = self.host.run(Command(argv, f"ping {self.name}", accept=frozenset({0, 1})))
        return f"{count} packets transmitted, {count} received" in done.stdout

    def takes_key(self) -> bool:
        """Whether it lets the key in."""
        done = self.host.run(self._command("true", "log in", accept=frozenset({0, SSH_FAILED})))
        return done.status == 0

    def says(self, script: str, purpose: str) -> str:
        """Standard output of a shell script in the guest."""
        return self.host.run(self._command(script, purpose)).stdout

    def _command(self, script: str, purpose: str, accept: frozenset[int] = frozenset({0})) -> Command:
        options = (word for name, value in _OPTIONS.items() for word in ("-o", f"{name}={value}"))
        argv = ("ssh", "-i", KEY, *options, f"root@{self.floating}", script)
        return Command(argv, f"{purpose} in the guest {self.name}", accept=accept, timeout=60)
