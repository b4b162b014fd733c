"""hotstack-os env"""

from __future__ import annotations

import argparse
import json
import shlex
import sys

from hotstack_os.cli.common import add_cloud_arguments, existing_cloud

EXAMPLES = """Clients outside of hotstack-os need a route to the cloud's addresses; `hotstack-os openstack` needs none.

examples:
  eval "$(hotstack-os env)"             this shell's clients use the cloud as its user
  eval "$(hotstack-os env --admin)"     as its administrator
  hotstack-os env --merge               add the cloud to ~/.config/openstack/clouds.yaml
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_cloud_arguments(parser)
    parser.add_argument("--admin", action="store_true", help="the administrator instead of the user")
    parser.add_argument("--merge", action="store_true", help="add the entries to your own clouds.yaml, with a backup")


def run(arguments: argparse.Namespace) -> int:
    from hotstack_os.deploy import clouds_file, credentials  # noqa: PLC0415

    cloud = existing_cloud(arguments)
    variables = credentials.environment(cloud, admin=arguments.admin)
    if arguments.merge:
        own = clouds_file.own_path()
        backup = clouds_file.merge(credentials.path(cloud), own)
        del variables["OS_CLIENT_CONFIG_FILE"]
        print(f"{own} has the cloud's entries.{f' It was before: {backup}' if backup else ''}", file=sys.stderr)
    if arguments.json:
        print(json.dumps(variables, indent=1))
    else:
        print("\n".join(f"export {name}={shlex.quote(value)}" for name, value in variables.items()))
    return 0
