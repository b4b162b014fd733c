"""hotstack-os env"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
from collections.abc import Mapping

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
    variables |= past_proxies(os.environ, str(cloud.networks.gateway), cloud.domain)
    if arguments.json:
        print(json.dumps(variables, indent=1))
    else:
        # What the shell says of another cloud would be mixed into what the file says of this one.
        others = [f"unset {name}" for name in sorted(os.environ) if name.startswith("OS_") and name not in variables]
        print("\n".join([*others, *(f"export {name}={shlex.quote(value)}" for name, value in variables.items())]))
    return 0


def past_proxies(environ: Mapping[str, str], *places: str) -> dict[str, str]:
    """Variables that keep clients from looking for the cloud behind a proxy, where there is one."""
    if not any(
        environ.get(name) for each in ("http_proxy", "https_proxy", "all_proxy") for name in (each, each.upper())
    ):
        return {}
    known = (environ.get("no_proxy") or environ.get("NO_PROXY") or "").split(",")
    past = ",".join([*filter(None, known), *(each for each in places if each not in known)])
    return {"no_proxy": past, "NO_PROXY": past}
