"""What the settings may say of each service: the catalogue tells it, the rules and the documentation ask."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Takes:
    """What one service takes from its settings.

    Attributes:
        sections: those that its `config` may have; any others go to a file of OpenStack's, where `any_section` is true.
        own: section → option → why it is the program's alone, and what to do instead.
        phrases: sections whose options are named by several words ("timeout client").
        workers, threads: the option, as SECTION.OPTION, that the number becomes; empty where it is not taken.
    """

    sections: tuple[str, ...] = ()
    any_section: bool = True
    own: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    phrases: tuple[str, ...] = ()
    workers: str = "workers"
    threads: str = "threads"

    @property
    def options(self) -> str:
        """In which sections there are options, as a phrase."""
        if self.any_section:
            named = "".join(f" and of `{each}`" for each in self.sections)
            return f"any section of its file{named}"
        return ", ".join(f"`{each}`" for each in self.sections)

    def owned(self, section: str, option: str) -> str | None:
        """Why an option is the program's alone; None where it is the user's."""
        mine = {plain(name): why for name, why in self.own.get(section, {}).items()}
        return mine.get(plain(option))

    def reserved(self) -> Iterator[str]:
        """The options that are the program's alone, as SECTION.OPTION."""
        return (f"{section}.{option}" for section, options in self.own.items() for option in options)


def plain(option: str) -> str:
    """An option's name as programs compare it that take - for _ and capitals for small letters, but for single ones."""
    return option if len(option) == 1 else option.lower().replace("_", "-")
