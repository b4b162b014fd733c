"""How OpenStack's WSGI applications are served: uWSGI, one process with a few threads, sized for one machine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from hotstack_os.catalogue.context import Context
from hotstack_os.catalogue.spec import ConfigFile, Ini, Options, Value

WORKERS, THREADS = "uwsgi.processes", "uwsgi.threads"
_ITS_PLACE = "Where it listens and what it serves follow from the catalogue; `ports` has the ports that users see."

_ROUTERS = ("http-chunked-input", "http-auto-chunked")
"""Options of uWSGI's own HTTP router, which is not loaded: without it they are texts, too, and mean nothing."""


def _strict(sections: Ini) -> Ini:
    """Else uWSGI takes an option that it does not know for a text that others may quote, as is our own start-time."""
    options = {name: value for name, value in sections["uwsgi"].items() if name not in _ROUTERS}
    quoted = f"start-time={options.pop('start-time')}"
    return {"uwsgi": {**options, "set-placeholder": quoted, "strict": True}}


_OWN = {
    **dict.fromkeys(("http-socket", "socket", "http", "module", "wsgi", "wsgi-file"), _ITS_PLACE),
    **dict.fromkeys(("plugins", "home", "virtualenv", "venv"), _ITS_PLACE),
    **dict.fromkeys(_ROUTERS, "uWSGI's router is not there: parts are taken by what chunked-input-limit says."),
    **dict.fromkeys(("start-time", "set-placeholder", "set-ph", "set"), "Neutron tells its workers apart by it."),
}
OPTIONS = Options(("uwsgi",), strict=_strict, own={"uwsgi": _OWN})
_ALONE = replace(
    OPTIONS,
    own={"uwsgi": {**_OWN, "threads": "It serves one request in each process: give it more `workers`."}},
)


def uwsgi(service: str, module: str, port: int, *, threads: int = 4, **more: Value) -> ConfigFile:
    """The uWSGI configuration of `service`; `more` are further uWSGI options, '_' standing for '-'.

    One thread is for an application that serves one request at a time: the user cannot give it more, and it has two
    processes, so that a long request does not hold up all others.
    """
    options = OPTIONS if threads > 1 else _ALONE
    return ConfigFile("/etc/uwsgi.ini", _render(service, module, port, threads, more), options=options)


def _render(service: str, module: str, port: int, threads: int, more: dict[str, Value]) -> Callable[[Context], Ini]:
    def render(_: Context) -> Ini:
        return {
            "uwsgi": {
                "plugins": "python3",
                "home": "/opt/openstack",
                "module": f"{module}:application",
                "http-socket": f"0.0.0.0:{port}",
                "master": True,
                "processes": 2 if threads == 1 else 1,
                "threads": threads,
                "enable-threads": True,
                "lazy-apps": True,
                "need-app": True,
                "die-on-term": True,
                "disable-logging": True,
                "log-master": False,
                # Clients that leave before the answer are their own affair, not an error of the service.
                "ignore-sigpipe": True,
                "ignore-write-errors": True,
                "disable-write-exception": True,
                # Keystone's catalogue and Nova's headers exceed uWSGI's default of 4 KiB.
                "buffer-size": 65535,
                "socket-timeout": 120,
                # HAProxy keeps no idle connection to a process that serves one request a thread.
                "add-header": "Connection: close",
                # Neutron's OVN hash ring tells workers apart by the time of start.
                "start-time": "%t",
                "procname-prefix-spaced": service,
                **{name.replace("_", "-"): value for name, value in more.items()},
            }
        }

    return render
