#!/usr/bin/python3
"""Make an environment ready to be used read-only: remove test suites, byte-compile what is not compiled.

Usage: compile_python.py ENVIRONMENT. Nothing outside test suites imports them. The byte code is "unchecked": images do
not change, so it is never compared with its source and each start saves one stat per module.
"""

import os
import py_compile
import shutil
import sys
from concurrent.futures import ProcessPoolExecutor
from importlib.util import cache_from_source
from pathlib import Path

UNCHECKED = py_compile.PycInvalidationMode.UNCHECKED_HASH


def remove_tests(site: Path) -> None:
    """Remove every directory named "tests" below the installed packages."""
    for parent, directories, _ in os.walk(site):
        if "tests" in directories:
            shutil.rmtree(Path(parent) / "tests")
            directories.remove("tests")


def compile_one(path: str) -> str | None:
    """Compile a source file; templates and sources of other Pythons that do not compile are left as they are."""
    try:
        py_compile.compile(path, doraise=True, invalidation_mode=UNCHECKED)
    except py_compile.PyCompileError:
        return path
    return None


def main(environment: str) -> None:
    site = next(Path(environment).glob("lib/python3*/site-packages"))
    remove_tests(site)
    sources = [str(path) for path in site.rglob("*.py") if not Path(cache_from_source(str(path))).exists()]
    with ProcessPoolExecutor() as pool:
        left = [path for path in pool.map(compile_one, sources, chunksize=50) if path]
    sys.stdout.write(f"compiled {len(sources) - len(left)} modules; left alone: {' '.join(left) or 'none'}\n")


if __name__ == "__main__":
    main(sys.argv[1])
