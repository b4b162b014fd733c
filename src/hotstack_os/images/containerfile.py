"""The text of Containerfiles (pure): one RUN and so one layer per image, since each RUN costs a container of its own.

During the build /mnt holds what came from outside, read-only: debs/ (packages with all they depend on, already
downloaded), unpack/, files/, requirements.txt, uv and its cache, wheels/, tools/; and out/, the only place for results
that are no part of the image. Nothing of /mnt is in the image.
"""

from __future__ import annotations

from hotstack_os.catalogue.spec import Image, User

VENV = "/opt/openstack"

TOOLS = ("compile_python.py", "schema_heads.py")
"""Files of images/files/ that lie in /mnt/tools/ while an environment is made."""

MARK = "hotstack-step"
"""Before each step the build prints a line of this word and the step's number, from 0."""

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin"


def text(image: Image, parent: str, *, pip: bool) -> str:
    """The Containerfile of `image` on `parent`; `pip` says whether it adds projects to the environment."""
    if image.parent is None:
        return f'FROM scratch\nADD rootfs.tar /\nENV LANG=C.UTF-8 PATH={_PATH}\nCMD ["/bin/bash"]\n'
    lines = [f"FROM {parent}", "USER 0:0"]
    lines += [f"ENV PATH={':'.join((*image.path, _PATH))}"] if image.path else []
    marked = (f"echo {MARK} {number} && ({step})" for number, step in enumerate(steps(image, pip=pip)))
    lines += ["RUN exec 2>&1 && " + " \\\n && ".join(marked)]
    lines += [f"USER {image.user.name}"] if image.user else []
    return "\n".join(lines) + "\n"


def steps(image: Image, *, pip: bool) -> tuple[str, ...]:
    """The shell lines that make the image, each run in a subshell; the first that fails ends the build."""
    lines = [_user(image.user)] if image.user else []
    lines += [_DEB] if image.deb else []
    lines += [_UNPACK] if image.unpack else []
    if pip:
        lines += [_BUILD] if image.builds else [_PIP, _DEFAULTS, _SCHEMA]
    lines += [_install(path, name) for path, name in sorted(image.files.items())]
    return (*lines, *image.steps, _FINISH)


def mode(path: str) -> str:
    """The mode of a file in an image: programs lie below a bin or sbin directory."""
    return "0755" if {"bin", "sbin"} & set(path.split("/")[:-1]) else "0644"


def _user(user: User) -> str:
    home = f"--home-dir {user.home} --no-create-home --shell /usr/sbin/nologin"
    # adduser(8) in packages' scripts takes an existing user for its own only below this limit.
    made = ["printf 'LAST_SYSTEM_UID=64999\\nLAST_SYSTEM_GID=64999\\n' >> /etc/adduser.conf"]
    made += [f"groupadd --gid {user.uid} {user.name}", f"useradd --uid {user.uid} --gid {user.uid} {home} {user.name}"]
    made += [f"usermod --append --groups {group} {user.name}" for group in user.groups]
    return " && ".join(made)


def _install(path: str, name: str) -> str:
    return f"install -D -o root -g root -m {mode(path)} /mnt/files/{name} {path}"


_APT = "apt-get install -y --no-install-recommends -o APT::Sandbox::User=root -o Dpkg::Use-Pty=0"
_DPKG = "-o Dpkg::Options::=--force-unsafe-io -o Dpkg::Options::=--force-confold"
_DEB = f"DEBIAN_FRONTEND=noninteractive {_APT} {_DPKG} /mnt/debs/*.deb"

_UNPACK = (
    "for package in /mnt/unpack/*.deb; do dpkg-deb --fsys-tarfile $package"
    " | tar -x -C / --keep-directory-symlink --exclude=./usr/share/man || exit 1; done"
)

_PIP = (
    f"set -a; . /mnt/env; set +a; test -d {VENV} || /mnt/uv venv -q --python /usr/bin/python3 {VENV} || exit 1;"
    f" /mnt/uv pip install -q --python {VENV}/bin/python --no-deps --no-build --require-hashes --link-mode copy"
    f" -r /mnt/requirements.txt && python3 /mnt/tools/compile_python.py {VENV}"
)

# Wheels install their defaults below the environment's own etc; services read them in /etc.
_DEFAULTS = (
    f"if test -d {VENV}/etc; then cp -a {VENV}/etc/. /etc/; fi;"
    f" rm -rf {VENV}/etc {VENV}/man {VENV}/share/man {VENV}/share/doc"
)

# Debian's setuptools and pbr build: nothing that the lock does not name is downloaded.
_BUILD = (
    "set -a; . /mnt/env; set +a; export UV_CACHE_DIR=/tmp/uv;"
    " /mnt/uv pip install -q --python /usr/bin/python3 --target /tmp/built --no-deps"
    " --no-build-isolation --no-binary :all: --require-hashes --link-mode copy -r /mnt/requirements.txt"
    " && find /tmp/uv -name '*.whl' -exec cp {} /mnt/out/ \\;"
)

_SCHEMA = f"python3 /mnt/tools/schema_heads.py {VENV} > /mnt/out/schema.json"

_FINISH = (
    "cp /var/lib/dpkg/status /mnt/out/dpkg-status && rm -rf /var/cache/apt/* /var/cache/debconf/*-old"
    " /var/lib/apt/lists/* /var/lib/dpkg/*-old /var/log/* /tmp/* /root/.cache"
)
