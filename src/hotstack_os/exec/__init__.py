"""The only door to processes, files and namespaces.

`Command` says what to run, `Host` is where; a host is reached through an agent (`node/agent.py`) started by an
argv prefix, so this machine, a box and later a machine behind SSH are the same code with another prefix.
"""

from hotstack_os.exec.command import Command, CommandFailed, CommandMissing, CommandTimeout, Result
from hotstack_os.exec.host import FileStat, Host, HostLost, HttpAnswer, RequestRefused
from hotstack_os.exec.local import run_here

__all__ = [
    "Command", "CommandFailed", "CommandMissing", "CommandTimeout", "FileStat",
    "Host", "HostLost", "HttpAnswer", "RequestRefused", "Result", "run_here",
]  # fmt: skip
