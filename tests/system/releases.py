"""A release that does not exist: the program of this tree with another lock, other images, and schemas that moved."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from system.conftest import ROOT

LATER = "2099.1"
HEAD = "feedc0ffee01"
"""The revision that its migrations add, one for each of its databases: a table of that name."""
TABLE = "made_up"
PROJECTS = {"placement": ("placement",), "nova": ("nova_api", "nova"), "cinder": ("cinder",), "heat": ("heat",)}
"""Image → its histories of migrations. Each of these has one head, so that a revision is added by one file."""
_MARK = "\n# later\n"
_TOOL = f'''"""Adds a revision to histories of migrations, and says what the heads are now."""

import json
import sys
from pathlib import Path

sys.path.insert(0, "/usr/local/lib/made-up")
import schema_heads

site = next(Path("/opt/openstack").glob("lib/python3*/site-packages"))
for project in sys.argv[1:]:
    directory = site / schema_heads.VERSIONS[project]
    (below,) = schema_heads.heads(directory)
    (directory / "made_up.py").write_text(
        "import sqlalchemy\\nfrom alembic import op\\n"
        f"revision = '{HEAD}'\\ndown_revision = {{below!r}}\\n"
        "def upgrade():\\n    op.create_table('{TABLE}', sqlalchemy.Column('id', sqlalchemy.Integer))\\n"
    )
schema_heads.main("/opt/openstack")
'''
PROGRAMS = {"placement": "uwsgi", "cinder": "cinder-scheduler", "heat": "heat-engine"}
"""Image → a program of it that runs a service, and that no migration needs."""


@dataclass(frozen=True)
class Later:
    """The program that knows the later release."""

    program: Path

    @classmethod
    def make(cls, directory: Path) -> Later:
        """A copy of this tree. What the later release does not change is built already."""
        copy = directory / "later"
        shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".git", "__pycache__", ".*_cache", "artefacts"))
        (newest,) = sorted((copy / "locks").glob("20*"))[-1:]
        shutil.copytree(newest, copy / "locks" / LATER)
        files = copy / "src/hotstack_os/images/files"
        (files / "made_up.py").write_text(_TOOL)
        for project in PROJECTS:
            module = copy / f"src/hotstack_os/catalogue/{project}.py"
            module.write_text(module.read_text().replace(f'image="{project}"', f'image="{project}-later"'))
            assert f'image="{project}-later"' in module.read_text()
        later = cls(copy)
        later.images()
        return later

    def images(self, **more: str) -> None:
        """Have it want these images, with a further step for those named: "false", say."""
        module = self.program / "src/hotstack_os/catalogue/images.py"
        text, _, _ = module.read_text().partition(_MARK)
        lines = [f"    {_image(name, histories, more.get(name, 'true'))},\n" for name, histories in PROJECTS.items()]
        module.write_text(f"{text}{_MARK}IMAGES = (\n    *IMAGES,\n{''.join(lines)})\n")


def _image(name: str, histories: tuple[str, ...], step: str) -> str:
    """Stands on the image of the release that is there, so that it is built in seconds."""
    root = "/usr/local/lib/made-up"
    files = {f"{root}/{each}": each for each in ("made_up.py", "schema_heads.py")}
    steps = (f"/opt/openstack/bin/python {root}/made_up.py {' '.join(histories)} > /mnt/out/schema.json", step)
    return f"Image({f'{name}-later'!r}, parent={name!r}, files={files!r}, steps={steps!r})"
