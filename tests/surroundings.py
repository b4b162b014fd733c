"""What a person's shell may bring along: shell scripts that set it up, and end as the command that they are given."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

EVERYWHERE = {
    "umask": "umask 077",
    "umask of nothing": "umask 0777",
    "no TMPDIR": "export TMPDIR=/nonexistent TEMP=/nonexistent TMP=/nonexistent",
    "no HOME": "unset HOME",
    "HOME that is not there": "export HOME=/nonexistent",
    "the C locale": "export LANG=C LC_ALL=C LANGUAGE=",
    "a German one": "export LANG=de_DE.UTF-8 LC_ALL=de_DE.ISO-8859-1 LANGUAGE=de",
    "a far time zone": "export TZ=Pacific/Kiritimati",
    "a zone that is none": "export TZ=:nonsense",
    "proxies": "; ".join(
        f"export {name}={value}"
        for each in ("http_proxy", "https_proxy", "all_proxy")
        for name in (each, each.upper())
        for value in ("http://127.0.0.1:9",)
    ),
    "another cloud": "export OS_AUTH_URL=http://127.0.0.1:9/v3 OS_USERNAME=somebody OS_PASSWORD=canary"
    " OS_PROJECT_NAME=x OS_USER_DOMAIN_NAME=y OS_REGION_NAME=z OS_INTERFACE=internal OS_CACERT=/nonexistent"
    " OS_AUTH_TYPE=v3token OS_TOKEN=t",
    "another cloud by name": "export OS_CLOUD=elsewhere OS_CLIENT_CONFIG_FILE=/nonexistent"
    " OS_CLIENT_SECURE_FILE=/nonexistent",
    "no cloud by name": "export OS_CLOUD=",
    "directories that are not there": "export XDG_CONFIG_HOME=/nonexistent XDG_CACHE_HOME=/nonexistent"
    " XDG_RUNTIME_DIR=/nonexistent XDG_DATA_HOME=/nonexistent XDG_STATE_HOME=/nonexistent",
    "modules of other names": "export PYTHONPATH={odd} PYTHONSTARTUP={odd}/json.py"
    " PYTHONDONTWRITEBYTECODE=1 PYTHONUTF8=0",
    "another Python's home": "export PYTHONHOME=/nonexistent PYTHONPLATLIBDIR=odd PYTHONIOENCODING=latin-1",
    "Python that warns": "export PYTHONWARNINGS=error PYTHONDEVMODE=1 PYTHONOPTIMIZE=2 PYTHONINSPECT=1",
    "pip's and uv's settings": "export PIP_USER=1 PIP_REQUIRE_VIRTUALENV=1 PIP_TARGET=/nonexistent PIP_REQUIREMENT=none"
    " UV_PYTHON=2.7 UV_SYSTEM_PYTHON=1 UV_PROJECT=/nonexistent UV_OFFLINE=0",
    "almost nothing": 'exec env -i {kept} "$@"',
    "another python3 first": "export PATH={odd}/bin:$PATH",
    "a directory that was deleted": 'mkdir {odd}/gone && cd {odd}/gone && rmdir {odd}/gone',
    "no terminal and no input": "exec <&-",
    "a session of its own": 'exec setsid --wait "$@"',
    "a tiny terminal": "export COLUMNS=10 LINES=2 TERM=dumb",
    "a terminal nobody knows": "export TERM=nonsense COLORTERM=truecolor FORCE_COLOR=",
}  # fmt: skip
"""Name → what is done before the command begins."""
AS_ROOT = {
    "a TMPDIR where nothing is executed": "mkdir {odd}/t; exec unshare --mount sh -c"
    ' \'mount -t tmpfs -o noexec none "$0" && TMPDIR="$0" exec "$@"\' {odd}/t',
    "as sudo leaves it": 'exec env -i {kept} PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
    ' HOME=/root LOGNAME=root USER=root SUDO_USER=nobody SUDO_UID=65534 SUDO_GID=65534 SUDO_COMMAND=x TERM=xterm "$@"',
    "as sudo -E leaves it": "export HOME=/nonexistent USER=root SUDO_USER=nobody SUDO_UID=65534 SUDO_GID=65534",
}  # fmt: skip
"""What takes root; sudo itself is not everywhere, what it does with the environment is."""
ODD = ("json", "types", "argparse", "signal", "yaml", "openstack", "hotstack_os", "sitecustomize", "usercustomize")


def within(name: str, argv: Sequence[str], environ: Mapping[str, str], place: Path) -> subprocess.CompletedProcess[str]:
    """Run a command in these surroundings; `place` is a directory of the test's own."""
    odd = place / "odd"
    if not odd.exists():
        (odd / "bin").mkdir(parents=True)
        for module in ODD:
            (odd / f"{module}.py").write_text(f"raise SystemExit('{module} was taken from the surroundings')\n")
        (odd / "bin/python3").write_text(f'#!/bin/sh\nexec {shutil.which("python3", path="/usr/bin:/bin")} "$@"\n')
        (odd / "bin/python3").chmod(0o755)
    kept = " ".join(f"{key}={value}" for key, value in environ.items() if key.startswith("HOTSTACK_"))
    script = {**EVERYWHERE, **AS_ROOT}[name].replace("{odd}", str(odd)).replace("{kept}", kept)
    end = "" if script.endswith('"$@"') else ' "$@"' if script.endswith(f"{odd}/t") else '\nexec "$@"'
    return subprocess.run(
        ["sh", "-c", script + end, "sh", *argv],
        env=environ,
        cwd=odd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
        timeout=300,
    )
