"""hotstack-os completion"""

from __future__ import annotations

import argparse
from collections.abc import Callable

EXAMPLES = """Prints what a shell needs to complete verbs, options, services and names of clouds.

examples:
  hotstack-os completion bash > /etc/bash_completion.d/hotstack-os
  hotstack-os completion zsh > /usr/local/share/zsh/site-functions/_hotstack-os
  hotstack-os completion fish > ~/.config/fish/completions/hotstack-os.fish
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=("bash", "zsh", "fish"))


def run(arguments: argparse.Namespace) -> int:
    from hotstack_os.cli import completions  # noqa: PLC0415
    from hotstack_os.cli.main import VERBS, verb_parser  # noqa: PLC0415
    from hotstack_os.cli.services import known_services  # noqa: PLC0415

    services = known_services()
    verbs = [completions.read(verb_parser(verb), verb, summary, services) for verb, summary in VERBS.items()]
    writers: dict[str, Callable[..., str]] = {
        "bash": completions.bash,
        "zsh": completions.zsh,
        "fish": completions.fish,
    }
    print(writers[arguments.shell](verbs), end="")
    return 0
