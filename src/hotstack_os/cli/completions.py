"""Completion for shells, from the parsers of the verbs. Pure.

Everything is in the text that is printed: a shell that asked this program at each key press would wait for Python.
Names of clouds are the one thing that a shell looks up itself.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from hotstack_os.settings.environment import STATE

PROGRAM = "hotstack-os"
FILES, CLOUDS, NOTHING = "FILES", "CLOUDS", "NOTHING"
"""What can stand behind an option, besides a list of words."""
_STATE = f'"${{{STATE.variable}:-{STATE.default}}}"'


@dataclass(frozen=True)
class Option:
    """An option by its flags; `takes` is None for one without a value, else FILES, CLOUDS, NOTHING or its choices."""

    flags: tuple[str, ...]
    about: str
    takes: str | tuple[str, ...] | None


@dataclass(frozen=True)
class Verb:
    """A verb with its options and the words that can stand for its arguments; `files`: a file can, too."""

    name: str
    about: str
    options: tuple[Option, ...]
    words: tuple[str, ...]
    files: bool

    @property
    def flags(self) -> tuple[str, ...]:
        return tuple(flag for option in self.options for flag in option.flags)


def read(parser: argparse.ArgumentParser, name: str, about: str, services: Sequence[str]) -> Verb:
    """A verb as its parser has it; an argument called "service" or "services" is one of `services`."""
    options, words, files = [], [], False
    for action in parser._actions:  # argparse has no other way to look into a parser
        if action.option_strings:
            options.append(Option(tuple(action.option_strings), action.help or "", _takes(action)))
        else:
            words += [str(choice) for choice in action.choices or ()]
            words += services if action.dest in ("service", "services") else ()
            files = files or "FILE" in str(action.metavar)
    return Verb(name, about, tuple(options), tuple(words), files)


def _takes(action: argparse.Action) -> str | tuple[str, ...] | None:
    if action.nargs == 0:
        return None
    if action.choices:
        return tuple(str(choice) for choice in action.choices)
    if action.type is Path or "FILE" in str(action.metavar):
        return FILES
    return CLOUDS if action.dest == "cloud" else NOTHING


# bash -----------------------------------------------------------------------------------------------------------


def bash(verbs: Sequence[Verb]) -> str:
    """A file for /etc/bash_completion.d; it needs nothing but bash."""
    names = " ".join(verb.name for verb in verbs)
    lines = [
        f"# Completion of {PROGRAM} for bash; made by `{PROGRAM} completion bash`.",
        "_hotstack_os() {",
        '    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} verb="" word words=""',
        '    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do',
        f'        case " {names} " in *" $word "*) verb=$word; break ;; esac',
        "    done",
        "    COMPREPLY=()",
        '    case "$verb $prev" in',
        *(f"        {case}) {action}; return ;;" for case, action in _bash_values(verbs)),
        "    esac",
        '    case "$verb" in',
        f'        "") words="{names} --help --version" ;;',
        *(f'        {verb.name}) words="{" ".join([*verb.words, *verb.flags])}" ;;' for verb in verbs),
        "    esac",
        '    COMPREPLY=($(compgen -W "$words" -- "$cur"))',
        *(
            f'    [ "$verb" != {verb.name} ] || COMPREPLY+=($(compgen -f -- "$cur"))'
            for verb in verbs if verb.files
        ),
        "}",
        f"complete -o filenames -F _hotstack_os {PROGRAM} ./{PROGRAM}",
        "",
    ]  # fmt: skip
    return "\n".join(lines)


def _bash_values(verbs: Sequence[Verb]) -> Iterator[tuple[str, str]]:
    for verb in verbs:
        for option in verb.options:
            cases = "|".join(f'"{verb.name} {flag}"' for flag in option.flags)
            match option.takes:
                case None:
                    continue
                case "FILES":
                    yield cases, 'COMPREPLY=($(compgen -f -- "$cur"))'
                case "CLOUDS":
                    names = f'$(for word in {_STATE}/*/; do basename "$word"; done)'
                    yield cases, f'COMPREPLY=($(compgen -W "{names}" -- "$cur"))'
                case "NOTHING":
                    yield cases, ":"
                case choices:
                    yield cases, f'COMPREPLY=($(compgen -W "{" ".join(choices)}" -- "$cur"))'


# zsh ------------------------------------------------------------------------------------------------------------


def zsh(verbs: Sequence[Verb]) -> str:
    """A function for a directory of $fpath, named _hotstack-os."""
    lines = [
        f"#compdef {PROGRAM}",
        f"# Completion of {PROGRAM} for zsh; made by `{PROGRAM} completion zsh`.",
        "_hotstack_os() {",
        "    local verb= word prev=${words[CURRENT-1]}",
        "    local -a verbs options",
        "    verbs=(",
        *(f"        {_quoted(f'{verb.name}:{verb.about}')}" for verb in verbs),
        "    )",
        "    for word in ${words[2,CURRENT-1]}; do",
        "        if (( ${verbs[(I)$word:*]} )); then verb=$word; break; fi",
        "    done",
        '    case "$verb $prev" in',
        *(f"        ({case}) {action}; return ;;" for case, action in _zsh_values(verbs)),
        "    esac",
        "    case $verb in",
        "        ('') _describe verb verbs; compadd -- --help --version ;;",
        *_zsh_verbs(verbs),
        "    esac",
        "}",
        '_hotstack_os "$@"',
        "",
    ]
    return "\n".join(lines)


def _zsh_values(verbs: Sequence[Verb]) -> Iterator[tuple[str, str]]:
    for verb in verbs:
        for option in verb.options:
            cases = "|".join(f'"{verb.name} {flag}"' for flag in option.flags)
            match option.takes:
                case None:
                    continue
                case "FILES":
                    yield cases, "_files"
                case "CLOUDS":
                    yield cases, f"compadd -- {_STATE}/*(N/:t)"
                case "NOTHING":
                    yield cases, "_message value"
                case choices:
                    yield cases, f"compadd -- {' '.join(choices)}"


def _zsh_verbs(verbs: Sequence[Verb]) -> Iterator[str]:
    for verb in verbs:
        yield f"        ({verb.name})"
        pairs = [f"{flag}:{option.about}" for option in verb.options for flag in option.flags]
        yield f"            options=({' '.join(_quoted(pair) for pair in pairs)})"
        yield "            _describe option options"
        if verb.words:
            yield f"            compadd -- {' '.join(verb.words)}"
        if verb.files:
            yield "            _files"
        yield "            ;;"


# fish -----------------------------------------------------------------------------------------------------------


def fish(verbs: Sequence[Verb]) -> str:
    """A file for ~/.config/fish/completions."""
    lines = [f"# Completion of {PROGRAM} for fish; made by `{PROGRAM} completion fish`.", f"complete -c {PROGRAM} -f"]
    for verb in verbs:
        about = _quoted(verb.about)
        lines.append(f"complete -c {PROGRAM} -n __fish_use_subcommand -a {verb.name} -d {about}")
        lines += _fish_verb(verb)
    return "\n".join([*lines, ""])


def _fish_verb(verb: Verb) -> Iterator[str]:
    start = f"complete -c {PROGRAM} -n '__fish_seen_subcommand_from {verb.name}'"
    if verb.words:
        yield f"{start} -a '{' '.join(verb.words)}'"
    if verb.files:
        yield f"{start} -F"
    for option in verb.options:
        flags = " ".join(f"-l {flag[2:]}" if flag.startswith("--") else f"-s {flag[1:]}" for flag in option.flags)
        yield f"{start} {flags}{_fish_value(option.takes)} -d {_quoted(option.about)}"


def _fish_value(takes: str | tuple[str, ...] | None) -> str:
    match takes:
        case None:
            return ""
        case "FILES":
            return " -rF"
        case "CLOUDS":
            place = f"(set -q {STATE.variable}; and echo ${STATE.variable}; or echo {STATE.default})"
            return f" -xa '(for each in {place}/*/; basename $each; end)'"
        case "NOTHING":
            return " -x"
        case choices:
            return f" -xa '{' '.join(choices)}'"


def _quoted(text: str) -> str:
    """A text as one word, literally: all three shells read single quotes, and '\\'' between them, alike."""
    return "'" + text.replace("'", "'\\''") + "'"
