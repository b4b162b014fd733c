"""What `exec.Host` promises, tried on this machine and in a box."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hotstack_os.exec import (
    Command,
    CommandFailed,
    CommandMissing,
    CommandTimeout,
    Host,
    HostLost,
    RequestRefused,
)
from hotstack_os.exec.agent import AgentHost
from hotstack_os.exec.wait import until
from hotstack_os.hidden import Hidden
from integration.box.machines import me

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="owners and mounts need root")


def sh(script: str, **more: object) -> Command:
    return Command(("sh", "-c", script), **more)  # type: ignore[arg-type]


class TestRun:
    def test_output_and_status_of_a_command(self, host: Host) -> None:
        result = host.run(sh("echo out; echo err >&2; exit 3", accept=frozenset({3})))
        assert (result.status, result.stdout, result.stderr) == (3, "out\n", "err\n")
        assert 0 < result.seconds < 5

    def test_bytes_reach_standard_input_unchanged(self, host: Host) -> None:
        data = bytes(range(256)) * 1000
        assert host.run(sh("cksum", stdin=data)).stdout == host.run(sh("head -c 256000 | cksum", stdin=data)).stdout
        assert host.run(sh("wc -c", stdin=data)).stdout.strip() == "256000"
        assert host.run(sh("od -An -tx1 | tr -d ' \n'", stdin=b"\x00\xff\n\x80")).stdout == "00ff0a80"

    def test_a_secret_reaches_standard_input(self, host: Host) -> None:
        assert host.run(sh("rev", stdin=Hidden("terces"))).stdout == "secret"

    def test_standard_input_ends_where_none_is_given(self, host: Host) -> None:
        assert host.run(Command(("cat",), timeout=5)).stdout == ""

    def test_environment_is_small_and_ours(self, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HOTSTACK_LEAK", "1")
        shown = host.run(Command(("env",), env={"GIVEN": "yes"})).stdout.splitlines()
        assert "GIVEN=yes" in shown
        assert "LANG=C.UTF-8" in shown
        assert not [line for line in shown if line.startswith("HOTSTACK_LEAK")]

    def test_working_directory(self, host: Host) -> None:
        assert host.run(Command(("pwd",), cwd="/usr")).stdout == "/usr\n"

    def test_missing_working_directory_is_not_a_missing_program(self, host: Host) -> None:
        with pytest.raises(RequestRefused, match="/no/such"):
            host.run(Command(("true",), cwd="/no/such"))

    def test_failure_tells_purpose_status_and_output(self, host: Host) -> None:
        with pytest.raises(CommandFailed) as caught:
            host.run(sh("echo because >&2; exit 7", purpose="prove failing"))
        assert caught.value.wanted == "to prove failing"
        assert "status 7" in caught.value.found
        assert "because" in caught.value.found

    @pytest.mark.parametrize(("number", "name"), [(signal.SIGTERM, "SIGTERM"), (38, "signal 38")])
    def test_death_by_signal(self, host: Host, number: int, name: str) -> None:
        with pytest.raises(CommandFailed, match=f"killed by {name}"):
            host.run(sh(f"kill -{int(number)} $$"))

    def test_missing_program(self, host: Host) -> None:
        with pytest.raises(CommandMissing, match="no-such-program"):
            host.run(Command(("no-such-program",)))

    def test_time_out_kills_the_whole_group(self, host: Host, scratch: str) -> None:
        script = f"echo begun; sleep 300 & echo $! >{scratch}/pid; wait"
        with pytest.raises(CommandTimeout, match="begun"):
            host.run(sh(script, timeout=0.3))
        found = host.read([f"{scratch}/pid"])[f"{scratch}/pid"]
        assert found is not None
        alive = sh(f"grep -qs '^State:.[^ZX]' /proc/{int(found)}/status", accept=frozenset({0, 1, 2}))
        until(lambda: host.run(alive).status != 0, "the grandchild to be dead", seconds=5)

    def test_time_out_ends_although_a_stranger_holds_the_pipe(self, host: Host) -> None:
        started = time.monotonic()
        with pytest.raises(CommandTimeout, match="begun"):
            host.run(sh("echo begun; setsid sleep 6 & sleep 300", timeout=0.3))
        assert time.monotonic() - started < 4

    def test_undecodable_output_is_replaced(self, host: Host) -> None:
        assert host.run(sh(r"printf 'a\377b'")).stdout == "a\ufffdb"


class TestFiles:
    def test_stat(self, host: Host, scratch: str) -> None:
        host.run(sh("umask 022; printf 12345 >file; chmod 640 file; ln -s file link; mkfifo fifo", cwd=scratch))
        paths = [f"{scratch}/{name}" for name in ("file", "link", "fifo", "none", "file/below")]
        file, link, fifo, none, below = (host.stat(paths)[path] for path in paths)
        assert file
        assert (file.kind, file.mode, file.size) == ("file", 0o640, 5)
        assert link
        assert (link.kind, link.target) == ("link", "file")
        assert fifo
        assert fifo.kind == "other"
        assert none is below is None

    def test_read_gives_regular_files_only(self, host: Host, scratch: str) -> None:
        host.run(sh(r"printf '\000\377' >file; mkfifo fifo; mkdir directory", cwd=scratch))
        paths = [f"{scratch}/{name}" for name in ("file", "fifo", "directory", "none")]
        assert list(host.read(paths).values()) == [b"\x00\xff", None, None, None]

    def test_read_tree(self, host: Host, scratch: str) -> None:
        host.run(sh("mkdir -p a/b empty; echo 1 >a/one; echo 2 >a/b/two; ln -s one a/link; mkfifo a/fifo", cwd=scratch))
        found = host.read_tree([f"{scratch}/a", f"{scratch}/none"])
        assert found == {f"{scratch}/a/one": b"1\n", f"{scratch}/a/b/two": b"2\n"}

    @pytest.mark.parametrize("data", [b"\x00\xff", "text ü", Hidden("secret")], ids=["bytes", "text", "secret"])
    def test_write_and_read_back(self, host: Host, scratch: str, data: bytes | str | Hidden) -> None:
        user = me(host)
        host.write(f"{scratch}/file", data, mode=0o640, owner=user, group=user)
        assert host.read([f"{scratch}/file"])[f"{scratch}/file"] == Command((), stdin=data).stdin_bytes()
        status = host.stat([f"{scratch}/file"])[f"{scratch}/file"]
        assert status
        assert (status.mode, status.owner) == (0o640, user)

    @as_root
    def test_write_gives_owner_and_group(self, host: Host, scratch: str) -> None:
        host.write(f"{scratch}/file", b"", mode=0o2755, owner="daemon", group="4242")
        status = host.stat([f"{scratch}/file"])[f"{scratch}/file"]
        assert status
        assert (status.mode, status.owner, status.group) == (0o2755, "daemon", "4242")

    def test_write_is_whole_or_not_at_all(self, host: Host, scratch: str) -> None:
        user, path = me(host), f"{scratch}/file"
        versions = {letter: letter.encode() * 200_000 for letter in "ab"}
        host.write(path, versions["a"], mode=0o644, owner=user, group=user)
        done = threading.Event()

        def rewrite() -> None:
            for letter in "babababa":
                host.write(path, versions[letter], mode=0o644, owner=user, group=user)
            done.set()

        writer = threading.Thread(target=rewrite)
        writer.start()
        seen = set()
        while not done.is_set():
            found = host.read([path])[path]
            assert found in versions.values()
            seen.add(found)
        writer.join()
        assert seen
        assert host.run(Command(("ls", "-A", scratch))).stdout == "file\n"

    def test_refused_write_leaves_nothing(self, host: Host, scratch: str) -> None:
        with pytest.raises(RequestRefused, match="no-such-user"):
            host.write(f"{scratch}/file", b"", mode=0o644, owner="no-such-user")
        with pytest.raises(RequestRefused):
            host.write(f"{scratch}/no/file", b"", mode=0o644, owner=me(host), group=me(host))
        host.run(Command(("mkdir", f"{scratch}/taken")))
        with pytest.raises(RequestRefused):
            host.write(f"{scratch}/taken", b"", mode=0o644, owner=me(host), group=me(host))
        assert host.run(Command(("ls", "-A", scratch))).stdout == "taken\n"

    @as_root
    def test_make_directory_with_setgid_owner_and_plain_parents(self, host: Host, scratch: str) -> None:
        for _ in range(2):
            host.make_directory(f"{scratch}/a/b", mode=0o2775, owner="daemon", group="games")
        parent, made = (host.stat([path])[path] for path in (f"{scratch}/a", f"{scratch}/a/b"))
        assert made
        assert (made.kind, made.mode, made.owner, made.group) == ("directory", 0o2775, "daemon", "games")
        assert parent
        assert (parent.mode, parent.owner) == (0o755, "root")

    def test_parents_do_not_depend_on_the_umask_of_the_caller(self, host: Host, scratch: str) -> None:
        host.close()
        before = os.umask(0o077)
        try:
            host.make_directory(f"{scratch}/x/y", mode=0o700, owner=me(host), group=me(host))
        finally:
            os.umask(before)
        status = host.stat([f"{scratch}/x"])[f"{scratch}/x"]
        assert status
        assert status.mode == 0o755

    def test_make_link_replaces_a_link(self, host: Host, scratch: str) -> None:
        for target in ("one", "one", "two"):
            host.make_link(f"{scratch}/link", target)
        status = host.stat([f"{scratch}/link"])[f"{scratch}/link"]
        assert status
        assert status.target == "two"
        host.run(Command(("mkdir", f"{scratch}/directory")))
        with pytest.raises(RequestRefused):
            host.make_link(f"{scratch}/directory", "one")
        assert host.run(Command(("ls", "-A", scratch))).stdout == "directory\nlink\n"

    def test_remove(self, host: Host, scratch: str) -> None:
        host.run(
            sh("mkdir -p tree/a kept; touch tree/a/f kept/f; ln -s ../kept tree/link; ln -s kept link", cwd=scratch)
        )
        for name in ("tree", "link", "none"):
            host.remove(f"{scratch}/{name}")
        assert (
            host.run(Command(("ls", "-A", scratch, f"{scratch}/kept"))).stdout
            == f"{scratch}:\nkept\n\n{scratch}/kept:\nf\n"
        )


@pytest.fixture
def walled(host: Host, scratch: str) -> Iterator[Host]:
    """The same host in a mount namespace of its own, with bind mounts of `source` and `file` below `a dir`."""
    inside = (
        'mkdir -p "$0/a dir/mnt" "$0/source"; touch "$0/source/precious";'
        ' mount --bind "$0/source" "$0/a dir/mnt"; touch "$0/file" "$0/a dir/file";'
        ' mount --bind "$0/file" "$0/a dir/file"; exec "$@"'
    )
    prefix = host.argv(("unshare", "--mount", "--propagation", "private", "sh", "-c", inside, scratch))
    walled = AgentHost("walled", prefix)
    yield walled
    walled.close()


@as_root
@pytest.mark.parametrize("path", ["a dir", "a dir/mnt", "a dir/file"])
def test_remove_refuses_mount_points(host: Host, walled: Host, scratch: str, path: str) -> None:
    with pytest.raises(RequestRefused):
        walled.remove(f"{scratch}/{path}")
    assert host.stat([f"{scratch}/source/precious"])[f"{scratch}/source/precious"]


class TestConversation:
    def test_a_slow_command_does_not_hold_up_a_read(self, host: Host, scratch: str) -> None:
        host.run(Command(("mkfifo", f"{scratch}/gate")))
        slow = threading.Thread(target=host.run, args=(Command(("cat", f"{scratch}/gate"), timeout=20),))
        slow.start()
        assert host.read(["/etc/passwd"])["/etc/passwd"]
        assert slow.is_alive()
        host.run(sh(f"echo go >{scratch}/gate"))
        slow.join(5)
        assert not slow.is_alive()

    def test_many_threads_get_their_own_answers(self, host: Host) -> None:
        answers: dict[int, str] = {}

        def ask(number: int) -> None:
            answers[number] = host.run(sh(f"echo {number}")).stdout

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert answers == {number: f"{number}\n" for number in range(20)}

    def test_death_of_the_agent_is_told_to_who_waits_and_who_comes(self, host: Host) -> None:
        with pytest.raises(HostLost, match="status"):
            host.run(sh("kill -9 $PPID; sleep 60"))
        with pytest.raises(HostLost):
            host.read(["/etc/passwd"])
        host.close()
        assert host.read(["/etc/passwd"])["/etc/passwd"]

    def test_an_agent_that_cannot_start(self, tmp_path: Path) -> None:
        for prefix in (("false",), (str(tmp_path / "no-program"),)):
            lost = AgentHost("lost", prefix)
            with pytest.raises(HostLost, match="node lost"):
                lost.read(["/etc/passwd"])
            lost.close()

    def test_close_twice_and_unused(self, host: Host) -> None:
        host.close()
        host.close()
        assert host.run(Command(("true",))).status == 0

    def test_argv_arrives_at_the_same_machine(self, host: Host) -> None:
        ask = ("readlink", "/proc/self/ns/uts")
        assert AgentHost("here").run(Command(host.argv(ask))).stdout == host.run(Command(ask)).stdout
