"""Directories, files and blocks of lines in files that belong to the machine."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import PurePosixPath

from hotstack_os.core.model import Absent, Observation, Present, Ref, Resource, State
from hotstack_os.core.plan import Action
from hotstack_os.errors import HotstackError
from hotstack_os.exec import Command, FileStat, Host
from hotstack_os.hidden import Hidden, fingerprint

Text = str | Hidden
DIRECTORY, FILE, BLOCK = "directory", "file", "block"
PREPARED, BEGUN = ".hotstack-os-prepared", ".hotstack-os-preparing"
"""Marks in a directory that a service fills before its first start: that it is done, and that it is under way."""
CONTENTS, THERE, MISSING = "contents", "there", "missing"
"""In the state of such a directory."""


def directory(
    path: str, node: str, *, owner: str = "root", group: str = "root", mode: int = 0o755, filled: bool = False
) -> Resource:
    """A directory with this owner, group and mode; `filled` by a service of the same plan."""
    contents: State = {CONTENTS: THERE} if filled else {}
    return Resource(Ref(DIRECTORY, path, node), {"owner": owner, "group": group, "mode": f"{mode:04o}", **contents})


def file(path: str, node: str, text: Text, *, mode: int = 0o644, owner: str = "root") -> Resource:
    """A file with this content; its group has the owner's name or number."""
    return Resource(Ref(FILE, path, node), {"text": text, "mode": f"{mode:04o}", "owner": owner, "group": owner})


def block(path: str, node: str, text: str) -> Resource:
    """Lines between two marks in a file that is not ours."""
    return Resource(Ref(BLOCK, path, node), {"text": text})


class DirectoryHandler:
    """Directories. One that is removed goes with all below it: what lies in our directories is the cloud's.

    Not so in those that are `shared` with other programs: they go when they are empty.
    """

    def __init__(self, host: Host, shared: Collection[str] = ()) -> None:
        self._host = host
        self._shared = shared

    def observe(self, resources: Sequence[Resource]) -> Mapping[Ref, Observation]:
        found = self._host.stat([each.ref.name for each in resources])
        there = [each.ref.name for each in resources if CONTENTS in each.state and _is_directory(found[each.ref.name])]
        contents = {path: {CONTENTS: THERE if self._filled(path) else MISSING} for path in there}
        return {each.ref: _directory(found[each.ref.name], contents.get(each.ref.name, {})) for each in resources}

    def _filled(self, path: str) -> bool:
        """Data that lost its mark is data; what a killed preparation left is none."""
        mark, begun = f"{path}/{PREPARED}", f"{path}/{BEGUN}"
        found = self._host.stat([mark, begun])
        if found[mark] or found[begun]:
            return found[mark] is not None
        # A file system of its own may have this, and nothing else, from the beginning.
        look = ("find", path, "-mindepth", "1", "!", "-name", "lost+found", "-print", "-quit")
        return bool(self._host.run(Command(look, f"look into {path}")).stdout)

    def apply(self, action: Action) -> None:
        if action.verb == "remove" and action.ref.name in self._shared:
            argv = ("rmdir", "--ignore-fail-on-non-empty", action.ref.name)
            self._host.run(Command(argv, f"remove {action.ref.name} unless others use it"))
            return
        if action.verb == "remove":
            self._host.remove(action.ref.name)
            return
        state = action.resource.state
        self._host.make_directory(
            action.ref.name, mode=int(str(state["mode"]), 8), owner=str(state["owner"]), group=str(state["group"])
        )


def _is_directory(found: FileStat | None) -> bool:
    return found is not None and found.kind == "directory"


def _directory(found: FileStat | None, contents: State) -> Observation:
    if found is None:
        return Absent()
    if found.kind != "directory":
        return Present({"owner": found.owner, "group": found.group, "mode": found.kind})
    return Present({"owner": found.owner, "group": found.group, "mode": f"{found.mode:04o}", **contents})


class FileHandler:
    """Whole files of ours. `key` is the cloud's fingerprint key, to see whether a secret file is as wanted."""

    def __init__(self, host: Host, key: bytes) -> None:
        self._host = host
        self._key = key

    def observe(self, resources: Sequence[Resource]) -> Mapping[Ref, Observation]:
        names = [each.ref.name for each in resources]
        stats = self._host.stat(names)
        # A link in a file's place is replaced, whatever it leads to.
        texts = self._host.read([name for name, found in stats.items() if found and found.kind == "file"])
        return {each.ref: self._observe(each, stats[each.ref.name], texts.get(each.ref.name)) for each in resources}

    def _observe(self, wanted: Resource, found: FileStat | None, data: bytes | None) -> Observation:
        if found is None:
            return Absent()
        mode = f"{found.mode:04o}" if found.kind == "file" else found.kind
        rights: State = {"mode": mode, "owner": found.owner, "group": found.group}
        match wanted.state.get("text"):
            case None:  # no longer wanted: nobody knows here whether its content is a secret
                return Present(rights)
            case Hidden():
                return Present({**rights, "text": fingerprint(data or b"", self._key)})
            case _:
                return Present({**rights, "text": (data or b"").decode(errors="replace")})

    def apply(self, action: Action) -> None:
        path = action.ref.name
        if action.verb == "remove":
            self._host.remove(path)
            return
        parent = str(PurePosixPath(path).parent)
        if self._host.stat([parent])[parent] is None:
            self._host.make_directory(parent, mode=0o755)
        state = action.resource.state
        text, mode = state["text"], int(str(state["mode"]), 8)
        assert isinstance(text, str | Hidden)
        self._host.write(path, text, mode=mode, owner=str(state["owner"]), group=str(state["group"]))


class BlockHandler:
    """Our lines in somebody else's file, between marks; the rest of the file is never changed."""

    BEGIN = b"# BEGIN hotstack-os\n"
    END = b"# END hotstack-os\n"

    def __init__(self, host: Host) -> None:
        self._host = host

    def observe(self, resources: Sequence[Resource]) -> Mapping[Ref, Observation]:
        found = self._host.read([each.ref.name for each in resources])
        return {each.ref: self._observe(found[each.ref.name]) for each in resources}

    def _observe(self, data: bytes | None) -> Observation:
        _, mine, _ = self._parts(data or b"")
        return Absent() if mine is None else Present({"text": mine.decode(errors="replace")})

    def apply(self, action: Action) -> None:
        path = action.ref.name
        before, _, after = self._parts(self._host.read([path])[path] or b"")
        text = b"" if action.verb == "remove" else self.BEGIN + str(action.resource.state["text"]).encode() + self.END
        stat = self._host.stat([path])[path] or FileStat("file", 0o644, "root", "root", 0)
        self._host.write(path, before + text + after, mode=stat.mode, owner=stat.owner, group=stat.group)

    def _parts(self, data: bytes) -> tuple[bytes, bytes | None, bytes]:
        """What stands before our block, the block's own lines (None: there is none), what stands after it.

        Bytes, since whatever else is in the file may be in any encoding.
        """
        if self.BEGIN not in data:
            return (data if not data or data.endswith(b"\n") else data + b"\n"), None, b""
        before, rest = data.split(self.BEGIN, 1)
        if self.END not in rest:
            wanted = f"the line {self.END.decode().strip()!r} after {self.BEGIN.decode().strip()!r}"
            raise HotstackError(wanted, "none", "Remove our lines from the file.")
        mine, after = rest.split(self.END, 1)
        return before, mine, after
