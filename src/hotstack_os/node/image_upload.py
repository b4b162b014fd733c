"""Sends an image's bytes to Glance: a program of its own, run in the cloud's network. Standard library only.

Reads {"url", "token", "path", "sha256"} from standard input. The bytes go from file to socket a mebibyte at a time, and
are hashed on the way; exit status 3 when they were not those that were announced, 4 when Glance refused them.
"""

import hashlib
import http.client
import json
import os
import sys
import urllib.parse
from typing import Any, BinaryIO

BLOCK = 1 << 20
TIMEOUT = 600


class Hashing:
    """A file that hashes what is read from it."""

    def __init__(self, handle: BinaryIO) -> None:
        self.handle = handle
        self.digest = hashlib.sha256()

    def read(self, size: int = -1, /) -> bytes:
        """The next bytes."""
        data = self.handle.read(size)
        self.digest.update(data)
        return data


def send(request: dict[str, Any]) -> tuple[int, str]:
    """Exit status and what to say."""
    parts = urllib.parse.urlsplit(request["url"])
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=TIMEOUT, blocksize=BLOCK)
    with open(request["path"], "rb") as handle:
        body = Hashing(handle)
        headers = {
            "X-Auth-Token": request["token"],
            "Content-Type": "application/octet-stream",
            "Content-Length": str(os.fstat(handle.fileno()).st_size),
        }
        connection.request("PUT", parts.path, body, headers)
        answer = connection.getresponse()
    if answer.status != 204:
        return 4, "HTTP %d: %s" % (answer.status, answer.read(500).decode(errors="replace"))
    if body.digest.hexdigest() != request["sha256"]:
        return 3, body.digest.hexdigest()
    return 0, ""


if __name__ == "__main__":
    status, said = send(json.load(sys.stdin))
    print(said)
    sys.exit(status)
