"""Ini files as oslo.config reads them, and the split into what anyone may see and what nobody may."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from hotstack_os.hidden import Hidden
from hotstack_os.settings.takes import plain

Value = str | int | bool | float | Hidden | tuple[str, ...]
Sections = Mapping[str, Mapping[str, Value]]

HEADER = "# Written by HotStack-OS; changed through its settings.\n"


def merge(base: Sections, over: Sections, *, alike: bool = False) -> Sections:
    """`base` with the options of `over` laid over it.

    Where they are `alike`, names of options that differ in - and _ or in capitals are one option.
    """
    names = [*base, *(name for name in over if name not in base)]
    known = {name: {plain(option) if alike else option: option for option in base.get(name, {})} for name in names}
    laid = {
        name: {known[name].get(plain(option), option): value for option, value in options.items()}
        for name, options in over.items()
    }
    return {name: {**base.get(name, {}), **laid.get(name, {})} for name in names}


def public(sections: Sections) -> str:
    """The ini text of all options that are not secret."""
    return HEADER + _text((name, _pick(options, secret=False)) for name, options in sections.items())


def secret(sections: Sections) -> Hidden | None:
    """The ini text of the secret options alone, itself a secret; None when there are none."""
    found = [value for options in sections.values() for value in options.values() if isinstance(value, Hidden)]
    if not found:
        return None
    text = _text((name, _pick(options, secret=True)) for name, options in sections.items())
    return found[0].around(HEADER + text)


def whole(sections: Sections, kept_as: Hidden) -> Hidden:
    """The ini text of all options, for programs that read one file; as secret as `kept_as`."""
    return kept_as.around(HEADER + _text(sections.items()))


def _pick(options: Mapping[str, Value], *, secret: bool) -> Mapping[str, Value]:
    return {key: value for key, value in options.items() if isinstance(value, Hidden) is secret}


def _text(sections: Iterable[tuple[str, Mapping[str, Value]]]) -> str:
    blocks = []
    for name, options in sections:
        if options:
            lines = [f"{key} = {_value(value)}" for key, value in options.items()]
            blocks.append("\n".join([f"[{name}]", *lines]) + "\n")
    return "\n".join(blocks)


def _value(value: Value) -> str:
    match value:
        case Hidden():
            return value.reveal()
        case bool():
            return "true" if value else "false"
        case tuple():
            return ",".join(value)
        case _:
            return str(value)
