"""Finds the verb and runs it. Only the module of the chosen verb is imported: that keeps every verb's start short."""

from __future__ import annotations

import argparse
import sys
from importlib import import_module
from types import ModuleType
from typing import Any

from hotstack_os import __version__, interrupt
from hotstack_os.cli import output
from hotstack_os.errors import HotstackError, UsageError

VERBS = {
    "up": "build, deploy and wait until the cloud answers",
    "plan": "show what `up` would change, and why",
    "status": "services with their state, health and version; nodes; endpoints",
    "logs": "what services say, in the order of time",
    "exec": "run a program in the container of a service",
    "shell": "a shell on the node or in the container of a service",
    "start": "start services and wait until they answer",
    "stop": "stop services; servers run on",
    "restart": "restart services and wait until they answer",
    "drain": "move the servers of a node to others",
    "doctor": "look for what is wrong with the machine and the cloud, and say what to do",
    "smoke": "prove with servers, volumes and traffic that the cloud works",
    "diagnose": "collect configuration, logs and state in an archive without secrets",
    "uninstall": "remove services and their configuration; data and servers stay",
    "down": "remove the cloud, its data and its box",
    "generations": "what was carried out, when, by whom and from where",
    "settings": "show, explain and check settings",
    "completion": "completion for bash, zsh and fish",
    "openstack": "run an OpenStack client command as the administrator",
    "tempest": "run OpenStack's own tests against the cloud",
    "env": "print what a shell needs to use the cloud, or add it to your clouds.yaml",
    "images": "build, list, lock and prune container images",
    "box": "look at, enter, stop and start boxes",
}


class _Parser(argparse.ArgumentParser):
    """Wrong usage is one clear error with its own exit status; argparse's 2 means "changes" here."""

    def error(self, message: str) -> None:  # type: ignore[override]
        raise UsageError("a command line as in --help", message, f"See {self.prog} --help.")


def main(argv: list[str] | None = None) -> int:
    """Run the command line; the exit status. 0 done, 1 failed, 2 plan has changes, 64 usage, 130 interrupted."""
    words = sys.argv[1:] if argv is None else argv
    answer: output.Answer | None = None
    try:
        with output.answering() as answer:
            return _run(words)
    except HotstackError as error:
        output.say(f"hotstack-os: {error}")
        return error.exit_status
    except KeyboardInterrupt:
        return interrupt.last_word()
    except BrokenPipeError:
        output.give_up()  # whoever read our output has seen enough
        return 0
    except Exception as error:  # noqa: BLE001 (whatever is left is a defect of ours and becomes a report)
        if said := _foreseen(error, answer):
            output.say(f"hotstack-os: {said}")
            return said.exit_status
        from hotstack_os.cli.report import write_report  # noqa: PLC0415

        output.say(write_report(error, words))
        return 1


def _foreseen(error: Exception, answer: output.Answer | None) -> HotstackError | None:
    """What is no defect of ours, though Python says it: the machine, or an environment that is not whole."""
    if isinstance(error, ModuleNotFoundError):
        hint = "Remove that directory, and make it anew: hotstack-os up."
        return HotstackError(f"the Python module {error.name}, which this program needs", f"none in {sys.prefix}", hint)
    return output.explained(error, answer) if isinstance(error, OSError) else None


def verb_parser(verb: str) -> argparse.ArgumentParser:
    """The parser of one verb, for those who want to know what it understands."""
    module = import_module(f"hotstack_os.cli.{verb}")
    parser = _Parser(prog=f"hotstack-os {verb}", **_look(module, VERBS[verb]))
    module.add_arguments(parser)
    return parser


def _look(module: ModuleType, summary: str) -> dict[str, Any]:
    formatter = argparse.RawDescriptionHelpFormatter
    return {"description": summary, "epilog": module.EXAMPLES, "formatter_class": formatter}


def _run(words: list[str]) -> int:
    if words[:1] in (["--version"], ["-V"]):
        print(f"hotstack-os {__version__}")
        return 0
    parser = _Parser(prog="hotstack-os", description="Turns a Linux machine into a complete OpenStack cloud.")
    parser.add_argument("-V", "--version", action="version", version=f"hotstack-os {__version__}")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True, parser_class=_Parser)
    chosen = next((word for word in words if word in VERBS), "")
    module: ModuleType | None = None
    for verb, summary in VERBS.items():
        if verb == chosen:
            module = import_module(f"hotstack_os.cli.{verb}")
            module.add_arguments(verbs.add_parser(verb, help=summary, **_look(module, summary)))
        else:
            verbs.add_parser(verb, help=summary, add_help=False)
    command: list[str] = []
    if hasattr(module, "COMMAND") and "--" in words:
        # What stands behind is another program's: argparse would look for options of ours in it.
        place = words.index("--")
        words, command = words[:place], words[place + 1 :]
    arguments, unknown = parser.parse_known_args(words)
    assert module is not None
    if unknown:  # argparse would point to the help that does not tell of them
        verbs.choices[chosen].error(f"unrecognized arguments: {' '.join(unknown)}")
    if hasattr(module, "COMMAND"):
        arguments.words = [*getattr(arguments, "words", []), *command]
    return int(module.run(arguments))


if __name__ == "__main__":
    interrupt.listen()
    sys.exit(main())
