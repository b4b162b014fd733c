"""Configurations of programs that read neither ini files nor oslo.config's: lines of options, and command lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from hotstack_os.hidden import Hidden
from hotstack_os.render.ini import Sections, Value


@dataclass(frozen=True)
class Lines:
    """How a program reads its options, one a line.

    Attributes:
        separator: what stands between option and value.
        flags: true is the option's name alone, and false leaves it out.
        phrases: options are named by several words, and each section begins with its name on a line of its own.
    """

    separator: str
    flags: bool = False
    phrases: bool = False

    def text(self, sections: Sections) -> str:
        """The file. An option with several values is a line for each."""
        found: list[str] = []
        for name, options in sections.items():
            found += [name] if self.phrases else []
            margin = "  " if self.phrases else ""
            found += [f"{margin}{line}" for option, value in options.items() for line in self._lines(option, value)]
        return "\n".join([*found, ""])

    def _lines(self, option: str, value: Value) -> Iterator[str]:
        for each in value if isinstance(value, tuple) else (value,):
            if not (self.flags and isinstance(each, bool)):
                yield f"{option}{self.separator}{_shown(each)}"
            elif each:
                yield option


def arguments(options: Mapping[str, Value]) -> Iterator[str]:
    """Options as words of a command line: true is the option alone, false leaves it out."""
    for option, value in options.items():
        short = len(option) == 1
        name = f"-{option}" if short else f"--{option}"
        if value is True:
            yield name
        elif value is not False and short:
            yield from (name, _shown(value))
        elif value is not False:
            yield f"{name}={_shown(value)}"


def _shown(value: Value) -> str:
    assert not isinstance(value, Hidden | tuple), "secrets have files of their own"
    return str(value).lower() if isinstance(value, bool) else str(value)
