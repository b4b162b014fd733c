"""What the settings of a service must be for that service: whatever is said either works or is refused by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from hotstack_os.settings.problems import closest
from hotstack_os.settings.rule import Fault, Rule, World
from hotstack_os.settings.schema import Service, Settings
from hotstack_os.settings.takes import Takes

Check = Callable[[str, Service, Takes], Iterator[Fault]]


def _each(check: Check) -> Callable[[Settings, World], Iterator[Fault]]:
    """A rule of one service, asked of all that there are."""

    def judge(settings: Settings, world: World) -> Iterator[Fault]:
        for name, said in settings.services.items():
            if name in world.services:
                yield from check(name, said, world.services[name])

    return judge


def _sections(name: str, said: Service, takes: Takes) -> Iterator[Fault]:
    for section in said.config:
        if not takes.any_section and section not in takes.sections:
            wanted = f"a section that {name} has: {' or '.join(takes.sections)}"
            hint = closest(section, takes.sections) or f"hotstack-os settings explain services.{name}.config"
            yield Fault((("services", name, "config", section),), wanted, repr(section), hint)


def _options(name: str, said: Service, takes: Takes) -> Iterator[Fault]:
    for section, options in said.config.items():
        for option in options:
            key = ("services", name, "config", section, option)
            if why := takes.owned(section, option):
                yield Fault((key,), f"an option of {name} that is not the program's own", repr(option), why)
            elif " " in option and section not in takes.phrases:
                yield Fault((key,), "an option's name", repr(option))


def _numbers(name: str, said: Service, takes: Takes) -> Iterator[Fault]:
    for which, number, becomes in (
        ("workers", said.workers, takes.workers),
        ("threads", said.threads, takes.threads),
    ):
        if number is None:
            continue
        if not becomes:
            hint = f"What it takes: hotstack-os settings explain services.{name}"
            yield Fault((("services", name, which),), f"a service that takes {which}, which {name} does not",
                        str(number), hint)  # fmt: skip
            continue
        section, _, option = becomes.partition(".")
        if option in said.config.get(section, {}):
            keys = (("services", name, which), ("services", name, "config", section, option))
            yield Fault(keys, f"{which} or the option {becomes}, which are the same", "both")


SERVICE_RULES = (Rule((), _each(_sections)), Rule((), _each(_options)), Rule((), _each(_numbers)))
