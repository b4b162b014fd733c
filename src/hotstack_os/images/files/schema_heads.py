#!/usr/bin/python3
"""Print the heads of the database migrations of the OpenStack projects in an environment, as JSON.

Usage: schema_heads.py ENVIRONMENT. Reads `revision` and `down_revision` of the alembic scripts without importing
anything: a head is a revision that no other names as its ancestor. Nova has two histories (nova_api, nova).

Where a project ships files EXPAND_HEAD and CONTRACT_HEAD, these say up to where its own tool goes: Keystone 28 has a
later revision below 2025.02/ that keystone-manage never sees, since its list of releases ends with 2024.01.
"""

import ast
import contextlib
import json
import sys
from pathlib import Path
from typing import Any

VERSIONS = {
    "keystone": "keystone/common/sql/migrations/versions",
    "glance": "glance/db/sqlalchemy/alembic_migrations/versions",
    "placement": "placement/db/sqlalchemy/alembic/versions",
    "nova_api": "nova/db/api/migrations/versions",
    "nova": "nova/db/main/migrations/versions",
    "neutron": "neutron/db/migration/alembic_migrations/versions",
    "cinder": "cinder/db/migrations/versions",
    "heat": "heat/db/migrations/versions",
}


def assignments(path: Path) -> dict[str, Any]:
    """The literal values of a script's module-level variables."""
    found: dict[str, Any] = {}
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            with contextlib.suppress(ValueError):  # not a literal: an expression of Python
                found[node.targets[0].id] = ast.literal_eval(node.value)
    return found


def heads(directory: Path) -> list[str]:
    """The heads that the project's own tool reaches: as its HEAD files say, else the revisions nobody descends from."""
    stated = [path.read_text().split() for path in directory.glob("*_HEAD")]
    if stated:
        return sorted({head for words in stated for head in words})
    revisions: set[str] = set()
    ancestors: set[str | None] = set()
    for path in directory.rglob("*.py"):
        script = assignments(path)
        if "revision" not in script:
            continue
        revisions.add(script["revision"])
        down = script.get("down_revision")
        # Alembic keeps no head that another one depends on, such as Glance's expand branch below its contract branch.
        for before in (down, script.get("depends_on")):
            ancestors.update(before if isinstance(before, (tuple, list)) else [before])
    return sorted(revisions - ancestors)


def main(environment: str) -> None:
    site = next(Path(environment).glob("lib/python3*/site-packages"))
    found = {name: heads(site / path) for name, path in VERSIONS.items() if (site / path).is_dir()}
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1])
