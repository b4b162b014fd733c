"""How images change modules of upstream's: steps of their builds that fail where they have not done it."""

from __future__ import annotations

VENV = "/opt/openstack"
SITE = f"{VENV}/lib/python3.13/site-packages"


def compiled(path: str) -> str:
    """A step that compiles a module as compile_python.py does with all others."""
    return f"python -m compileall -q -f --invalidation-mode unchecked-hash {path}"


def edited(path: str, expression: str, wanted: str) -> str:
    """A step that edits a module of upstream's with sed.

    It fails where the result is not there, and where it was there before: what is found without us proves nothing.
    """
    found = f"grep -q '{wanted}' {path}"
    return f"! {found} && sed -i '{expression}' {path} && {found} && {compiled(path)}"
