"""What a container that fell into wrong hands gets from others, and what somebody gets who tries passwords: nothing."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Iterator
from typing import Any

import pytest

from hotstack_os.catalogue import registry
from hotstack_os.catalogue.context import MEMCACHED
from hotstack_os.settings.secrets import Vault
from system.conftest import CloudUnderTest

FALLEN = "placement"
"""It uses memcached, and so can write whatever it likes there."""
EXPLODED = "/tmp/exploded"
PYTHON = "/opt/openstack/bin/python3"
USERS = sorted(name for name, each in registry.services().items() if "memcached" in each.after)

SPEAK = f"""
import dogpile.cache.api, os, pickle, socket, time, urllib.request

class Bomb:
    def __reduce__(self):
        return os.system, ("touch {EXPLODED}",)
def ask(text, end):
    with socket.socket(socket.AF_UNIX) as door:
        door.settimeout(5)
        door.connect("{MEMCACHED.mounted}/{MEMCACHED.name}")
        door.sendall(text)
        said = b""
        while not said.endswith(end):
            more = door.recv(65536)
            assert more, said
            said += more
        return said
def put(key, value, flags):
    said = ask(b"set %s %d 0 %d\\r\\n%s\\r\\n" % (key.encode(), flags, len(value), value), b"\\r\\n")
    assert said == b"STORED\\r\\n", said
def get(key):
    head, _, rest = ask(b"get %s\\r\\n" % key.encode(), b"END\\r\\n").partition(b"\\r\\n")
    return rest[:int(head.split()[3])] if rest else b""
def request(url, token):
    asked = urllib.request.Request(url, headers={{"X-Auth-Token": token, "X-Subject-Token": token}})
    return urllib.request.urlopen(asked, timeout=60).status
"""


def inside(cloud: CloudUnderTest, service: str, script: str) -> str:
    """What a Python script says in the container of a service, as the service's user."""
    return cloud.shell(f"podman exec -i hotstack-os-{service} {PYTHON} - <<'END'\n{script}\nEND")


def attack(cloud: CloudUnderTest, script: str) -> str:
    """What a script says that speaks with memcached from the fallen container."""
    return inside(cloud, FALLEN, f"{SPEAK}\n{script}").strip()


def ask(cloud: CloudUnderTest, url: str, token: str) -> tuple[int, str]:
    """Status and text of a GET on the node."""
    said = cloud.shell(
        f"curl -s -m 20 -w '\\n%{{http_code}}' -H 'X-Auth-Token: {token}' -H 'X-Subject-Token: {token}' {url}"
    )
    text, _, status = said.rpartition("\n")
    return int(status), text


def identity(cloud: CloudUnderTest, path: str) -> str:
    return f"http://{cloud.container(11)}:5000/v3{path}"


def images(cloud: CloudUnderTest) -> str:
    return f"http://{cloud.container(12)}:9292/v2/images?limit=1"


@pytest.fixture
def unexploded(cloud: CloudUnderTest) -> Iterator[None]:
    """Nothing of what is planted runs anywhere."""
    look = f"ls -d /proc/[0-9]*/root{EXPLODED} 2> /dev/null || true"
    assert cloud.shell(look) == ""
    yield
    assert cloud.shell(look) == ""


def test_only_who_uses_memcached_reaches_it(cloud: CloudUnderTest) -> None:
    look = "for each in $(podman ps --format '{{.Names}} {{.Pid}}' | tr ' ' :); do"
    said = cloud.shell(
        f"{look} ls /proc/${{each#*:}}/root{MEMCACHED.mounted}/ > /dev/null 2>&1 && echo $each; done; true"
    )
    doors = dict(line.removeprefix("hotstack-os-").split(":") for line in said.splitlines())
    assert doors.keys() == {*USERS, "memcached"}
    sockets = cloud.node("nsenter", "-t", doors["memcached"], "-n", "ss", "-Hltuxn").splitlines()
    assert [line.split()[4] for line in sockets] == [f"{MEMCACHED.mounted}/{MEMCACHED.name}"]


REGION = hashlib.sha1(b"<<<region>>>:shared default").hexdigest()  # noqa: S324 (dogpile.cache names keys so)
OTHER_REGION = hashlib.sha1(b"<<<region>>>:tokens").hexdigest()  # noqa: S324
"""Where Keystone keeps what the names of all other keys are made of: read at every request, under a known name."""

PLANTED = {
    "a pickle": ("pickle.dumps(Bomb())", 1),
    "a pickle that says nothing of it": ("pickle.dumps(Bomb())", 0),
    "a forged value": (
        "pickle.dumps(dogpile.cache.api.CachedValue(b'0123456789', {'ct': time.time(), 'v': 2}))",
        1,
    ),
    "a value of Keystone's from another place": (f"get('{OTHER_REGION}')", 0),
}


@pytest.mark.usefixtures("unexploded")
@pytest.mark.parametrize("what", PLANTED)
def test_keystone_does_not_believe_what_is_planted(cloud: CloudUnderTest, what: str) -> None:
    token = cloud.openstack("token", "issue")["id"]
    assert ask(cloud, identity(cloud, "/auth/tokens"), token)[0] == 200
    value, flags = PLANTED[what]
    url = identity(cloud, "/auth/tokens")
    said = attack(
        cloud,
        f"value = {value}; assert value; put('{REGION}', value, {flags}); assert get('{REGION}') == value\n"
        f"assert request('{url}', '{token}') == 200\n"
        f"later = get('{REGION}'); assert later; print('not' if later != value else '', 'believed')",
    )
    assert said == "not believed"


def place_of(cloud: CloudUnderTest, token: str) -> str:
    """Where Glance remembers what Keystone said of a token; nobody without its secret can tell."""
    secret = Vault.open(cloud.state).secret("token-cache-glance").reveal().encode()
    digest = hmac.new(secret, token.encode() + b"ENCRYPT", hashlib.sha384).digest()
    return f"tokens/{base64.b64encode(digest[:16])!r}"


@pytest.mark.usefixtures("unexploded")
def test_an_api_does_not_run_what_is_planted_for_a_token(cloud: CloudUnderTest) -> None:
    token = cloud.openstack("token", "issue")["id"]
    assert ask(cloud, images(cloud), token)[0] == 200
    place = json.dumps(place_of(cloud, token))
    said = attack(
        cloud,
        f"kept = get({place}); assert kept; value = pickle.dumps(Bomb()); put({place}, value, 1)\n"
        f"assert get({place}) == value; assert request('{images(cloud)}', '{token}') == 200\n"
        f"later = get({place}); assert later and later != value; print(kept.hex())",
    )
    assert b"roles" not in base64.b64decode(bytes.fromhex(said)[64:])


def test_an_api_does_not_believe_a_token_that_keystone_never_gave(cloud: CloudUnderTest) -> None:
    """What Keystone would say of the administrator's, planted as if it had been said of a made-up one."""
    token = cloud.openstack("token", "issue")["id"]
    _, said = ask(cloud, identity(cloud, "/auth/tokens"), token)
    assert "admin" in {role["name"] for role in json.loads(said)["token"]["roles"]}
    forged = f"gAAAAA{secrets.token_urlsafe(90)}"
    assert ask(cloud, images(cloud), forged)[0] == 401
    plain = f"tokens/{hashlib.sha256(forged.encode()).hexdigest()}"
    for place in (plain, place_of(cloud, forged)):
        attack(cloud, f"put({json.dumps(place)}, {said.encode()!r}, 0)")
        assert ask(cloud, images(cloud), forged)[0] == 401


def log_in(cloud: CloudUnderTest, user: str, password: str) -> int:
    """The status of a login by name and password."""
    who = {"name": user, "domain": {"id": "default"}, "password": password}
    body = {"auth": {"identity": {"methods": ["password"], "password": {"user": who}}, "scope": "unscoped"}}
    said = cloud.shell(
        f"curl -s -m 20 -o /dev/null -w '%{{http_code}}' -H 'Content-Type: application/json' -d @-"
        f" {identity(cloud, '/auth/tokens')} <<'END'\n{json.dumps(body)}\nEND"
    )
    return int(said)


@pytest.fixture
def person(cloud: CloudUnderTest) -> Iterator[str]:
    """A user with a password that a person chose."""
    cloud.client("user", "create", "--password", "correct horse", "person")
    yield "person"
    cloud.client("user", "delete", "person")


def test_who_tries_passwords_of_a_person_has_to_wait(cloud: CloudUnderTest, person: str) -> None:
    assert log_in(cloud, person, "correct horse") == 201
    assert [log_in(cloud, person, f"wrong {time}") for time in range(6)] == [401] * 6
    assert log_in(cloud, person, "correct horse") == 401
    elapsed = (
        "UPDATE keystone.local_user SET failed_auth_at = failed_auth_at - INTERVAL %d SECOND WHERE name = 'person'"
    )
    database = "podman exec -i -u 0 hotstack-os-mariadb mariadb"
    cloud.shell(f'echo "{elapsed % 240}" | {database}')
    assert log_in(cloud, person, "correct horse") == 401
    cloud.shell(f'echo "{elapsed % 61}" | {database}')
    assert log_in(cloud, person, "correct horse") == 201


@pytest.mark.parametrize("user", ["admin", "nova", "health", "hotstack"])
def test_nobody_locks_out_the_operator_or_a_service(cloud: CloudUnderTest, user: str) -> None:
    vault = Vault.open(cloud.state).all()
    (secret,) = (vault[name] for name in (f"keystone-{user}", f"user-{user}") if name in vault)
    assert {log_in(cloud, user, f"wrong {time}") for time in range(7)} == {401}
    assert log_in(cloud, user, secret.reveal()) == 201
    assert cloud.run("plan").stdout == "Nothing to do.\n"


def test_who_could_be_locked_out_is_seen_and_protected_again(cloud: CloudUnderTest) -> None:
    token = cloud.openstack("token", "issue")["id"]
    for user in ("admin", "nova"):
        cloud.client("user", "set", "--no-ignore-lockout-failure-attempts", user)
    plan = cloud.json("plan", accept=(2,))
    seen = {action["ref"].partition(":")[2]: action["reasons"] for action in plan["actions"]}
    assert seen.keys() == {"identity-admin/admin", "identity/user/nova"}
    assert all(reasons == ["never locked: no → yes"] for reasons in seen.values()), seen
    cloud.run("up")
    assert cloud.run("plan").stdout == "Nothing to do.\n"
    options: Any = json.loads(ask(cloud, identity(cloud, "/users?name=nova"), token)[1])
    assert options["users"][0]["options"] == {"ignore_lockout_failure_attempts": True}  # by a token that still counts
