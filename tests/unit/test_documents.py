"""No code block of a document is a mere claim: a test runs it, or it says why not; and what it names exists."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from documents import ROOT, RUN, Block, blocks, pages, parse
from hotstack_os.catalogue import registry
from hotstack_os.cli.main import VERBS, verb_parser
from hotstack_os.settings.loading import load

EVERY = [block for page in pages() for block in blocks(page)]
OURS = re.compile(r"\./hotstack-os ((?:[^|;)\"']|\"[^\"]*\"|'[^']*')+)")
"""A call of ours: to the end of its pipe or substitution, quoted words whole."""


def test_there_are_blocks() -> None:
    assert {"README.md", "docs/QUICKSTART.md"} <= {block.page for block in EVERY}


@pytest.mark.parametrize("block", [block for block in EVERY if block.shell], ids=str)
def test_a_shell_block_is_run_or_says_why_not(block: Block) -> None:
    assert block.commands(), "no command: use another language for what is no shell"
    if block.page not in RUN:
        assert block.reason, f"{block} is not run by test_58_documents.py: <!-- not run: WHY --> before it"


@pytest.mark.parametrize("block", [block for block in EVERY if not block.shell], ids=str)
def test_a_block_of_data_is_what_it_says(block: Block, tmp_path: Path) -> None:
    assert not block.reason
    match block.language:
        case "json":
            json.loads(block.text)
        case "yaml":
            path = tmp_path / "settings.yaml"
            path.write_text(block.text)
            load(path, {}, registry.takes())
        case other:
            assert other == "text"


@pytest.mark.parametrize("block", [block for block in EVERY if block.shell], ids=str)
def test_a_command_of_ours_is_understood(block: Block) -> None:
    (phony,) = re.findall(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for command in block.commands():
        for found in OURS.findall(command.replace("\\\n", " ")):
            verb, *words = shlex.split(found)
            if verb.startswith("-"):
                continue
            assert verb in VERBS, f"{block}: {command}"
            verb_parser(verb).parse_args(words[: words.index("--")] if "--" in words and verb != "openstack" else words)
        for target in re.findall(r"^make (\w+)", command, re.MULTILINE):
            assert target in phony.split()


def test_commands_of_a_block_are_what_is_typed(tmp_path: Path) -> None:
    text = "# ./hotstack-os logs -f      what it is for\nsome output\n# make \\\n    up\n$ id"
    assert Block("page", 1, "console", text, "").commands() == ["./hotstack-os logs -f", "make \\\n    up", "id"]
    assert Block("page", 1, "sh", "cd x\nid", "").commands() == ["cd x", "id"]


def test_a_reason_stands_directly_before_its_block() -> None:
    first = "<!-- not run: far away -->\ntext\n```console\n# a\n```\n"
    page = f"{first}<!-- not run: here -->\n\n```sh\nb\n```\n```yaml\nc: 1\n```"
    found = [(block.line, block.language, block.text, block.reason) for block in parse("page", page.splitlines())]
    assert found == [(3, "console", "# a", ""), (8, "sh", "b", "here"), (11, "yaml", "c: 1", "")]
