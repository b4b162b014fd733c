"""The code blocks of the repository's documents: what a reader types."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
RUN = ("README.md", "docs/QUICKSTART.md")
"""Pages whose shell blocks are run by tests/system/test_58_documents.py, unless they carry a reason."""
SHELL = {"console", "sh", "bash", ""}
_REASON = re.compile(r"<!-- not run: (.+) -->")
_FENCE = re.compile(r"```(\w*)\s*")
PROMPTS = ("# ", "$ ")


@dataclass(frozen=True)
class Block:
    """A fenced block; `reason` is why no test runs it, from the comment directly before it."""

    page: str
    line: int
    language: str
    text: str
    reason: str

    @property
    def shell(self) -> bool:
        return self.language in SHELL

    def commands(self) -> list[str]:
        """Its commands without prompts, continued lines joined, and without the remarks that stand in a column."""
        commands: list[str] = []
        going_on = False
        for line in self.text.splitlines():
            if going_on:
                commands[-1] += "\n" + line
            elif self.language != "console":
                commands.append(line)
            elif line.startswith(PROMPTS):
                commands.append(re.sub(r"\s{4,}\S.*$", "", line[2:]))
            going_on = bool(commands) and commands[-1].endswith("\\")
        return commands

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def pages() -> list[str]:
    """All documents, relative to the root."""
    found = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    return sorted(str(path.relative_to(ROOT)) for path in found)


def blocks(page: str) -> list[Block]:
    """The blocks of a page in their order."""
    return list(parse(page, (ROOT / page).read_text().splitlines()))


def parse(page: str, lines: list[str]) -> Iterator[Block]:
    """The blocks of a page with these lines."""
    start, language, reason = 0, "", ""
    for number, line in enumerate(lines, 1):
        if start and line.strip() == "```":
            yield Block(page, start, language, "\n".join(lines[start : number - 1]), reason)
            start, reason = 0, ""
        elif not start and (fence := _FENCE.fullmatch(line.strip())):
            start, language = number, fence[1]
        elif not start and line.strip():
            found = _REASON.fullmatch(line.strip())
            reason = found[1] if found else ""
