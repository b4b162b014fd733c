"""Keystone's objects as desired state: roles, domains, projects, users with their roles, services and endpoints.

A user of another than the default domain is named user@domain; a role is named with its scope: role@project,
"role@domain NAME", or role@all for the whole system.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib import resources as package_files
from typing import Any

from hotstack_os.bootstrap.keystone import Keystone, KeystoneDown, LoginRefused
from hotstack_os.bootstrap.tokens import Tokens
from hotstack_os.core.model import Absent, Observation, Present, Ref, Resource, State, Unknown, Value, same
from hotstack_os.core.plan import Action
from hotstack_os.errors import HotstackError
from hotstack_os.exec import Host
from hotstack_os.hidden import Fingerprint, Hidden
from hotstack_os.runtime.quadlet import Container
from hotstack_os.runtime.services import run_once

ADMIN, IDENTITY = "identity-admin", "identity"
DOWN = "Keystone does not answer"
INTERFACES = ("public", "internal", "admin")
NEVER_LOCKED = "never locked"
_OPTION = "ignore_lockout_failure_attempts"


@dataclass(frozen=True)
class Access:
    """How Keystone is reached and administered: URL at its own address, the administrator's password, the region.

    `tokens` are those of all users that log in on its behalf.
    """

    url: str
    public_url: str
    password: Hidden
    region: str
    tokens: Tokens = field(compare=False)

    def admin(self, host: Host) -> Keystone:
        """A client logged in as the administrator."""
        return Keystone(host, self.url, ("admin", self.password), "admin", tokens=self.tokens)

    def user(self, host: Host, name: str, password: Hidden, project: str = "") -> Keystone:
        """A client for another user, who is of another domain than the default one if named user@domain."""
        user, _, domain = name.partition("@")
        return Keystone(host, self.url, (user, password), project, domain=domain or "Default", tokens=self.tokens)


def administrator(access: Access, node: str, needs: frozenset[Ref], within: Ref) -> Resource:
    """The first user, with which everything else is made. Bootstrap is complete when its last act is seen."""
    state: State = {"password": access.password, "complete": True, NEVER_LOCKED: True}
    return Resource(Ref(ADMIN, "admin", node), state, needs, within)


def user(password: Hidden, roles: Iterable[str]) -> State:
    """A user of the cloud's own, whose password is 32 random letters and digits.

    That cannot be guessed, however many tries there are. So Keystone does not lock these users after failed logins:
    whoever reaches its port could lock out the operator, and services from each other.
    """
    return {"enabled": True, "roles": tuple(sorted(roles)), "password": password, NEVER_LOCKED: True}


def thing(kind: str, name: str, state: Mapping[str, Value], node: str, needs: frozenset[Ref], within: Ref) -> Resource:
    """A role, domain, project, user, service or endpoint; what Keystone's bootstrap made is taken over as it is."""
    return Resource(Ref(IDENTITY, f"{kind}/{name}", node), state, needs, within, foreign="adopt")


class AdministratorHandler:
    """The administrator: seen by logging in, made by Keystone's own bootstrap, which also sets the password anew."""

    def __init__(self, host: Host, access: Access, container: Container) -> None:
        self._host = host
        self._access = access
        self._container = container

    def observe(self, resources: Sequence[Resource]) -> Mapping[Ref, Observation]:
        seen = self._see()
        return {each.ref: seen for each in resources}

    def _see(self) -> Observation:
        admin = self._access.admin(self._host)
        try:
            token = admin.login()
            account = admin.get(_account(token))["user"]
        except KeystoneDown:
            return Unknown(DOWN)
        except LoginRefused:
            return Absent()
        state: State = {"password": self._access.password, "complete": _complete(token)}
        return Present({**state, NEVER_LOCKED: _never_locked(account)})

    def apply(self, action: Action) -> None:
        if action.verb == "remove":
            return  # It lies within Keystone's database.
        if not same({"password": self._access.password, "complete": True}, action.found or {}):
            self._bootstrap()
        admin = self._access.admin(self._host)
        admin.send("PATCH", _account(admin.login()), {"user": {"options": {_OPTION: True}}})

    def _bootstrap(self) -> None:
        urls = [f"--bootstrap-{each}-url={self._access.public_url}" for each in INTERFACES]
        secret = self._access.password
        arguments = [secret.derive("--bootstrap-password="), f"--bootstrap-region-id={self._access.region}", *urls]
        program = package_files.files("hotstack_os.node").joinpath("keystone_bootstrap.py").read_text()
        run_once(
            self._host,
            self._container,
            ("/opt/openstack/bin/python3", "-c", program),
            "bootstrap",
            stdin=secret.in_json(arguments),
            timeout=120,
        )


def _complete(token: Mapping[str, Any]) -> bool:
    """Whether bootstrap came to its end: it makes the user first, then roles, then the catalogue."""
    roles = {role["name"] for role in token["roles"]}
    interfaces = {each["interface"] for entry in token["catalog"] for each in entry["endpoints"]}
    return "admin" in roles and interfaces >= set(INTERFACES)


def _account(token: Mapping[str, Any]) -> str:
    return f"/users/{token['user']['id']}"


def _never_locked(account: Mapping[str, Any]) -> bool:
    return bool(account["options"].get(_OPTION, False))


class IdentityHandler:
    """Everything else in Keystone, by name.

    One login and one snapshot serve a whole run: nobody else changes these things while the cloud's lock is held, and
    our own changes are written into the snapshot. Several resources at once are looked at afresh.
    """

    def __init__(self, host: Host, access: Access, administrator: Keystone) -> None:
        self._host = host
        self._access = access
        self._keystone = administrator
        self._taking, self._moving = threading.Lock(), threading.Lock()
        self._snapshot: _Snapshot | None = None

    def _see(self, *, afresh: bool) -> _Snapshot:
        with self._taking:
            if afresh or self._snapshot is None:
                self._snapshot = _Snapshot.take(self._keystone, self._access.region)
            return self._snapshot

    def observe(self, resources: Sequence[Resource]) -> Mapping[Ref, Observation]:
        try:
            snapshot = self._see(afresh=len(resources) > 1)
            with ThreadPoolExecutor(4) as pool:
                observations = list(pool.map(lambda each: self._observe(each, snapshot), resources))
        except KeystoneDown:
            return {each.ref: Unknown(DOWN) for each in resources}
        except LoginRefused:
            return {each.ref: Unknown("the administrator cannot log in") for each in resources}
        return {each.ref: seen for each, seen in zip(resources, observations, strict=True)}

    def _observe(self, wanted: Resource, snapshot: _Snapshot) -> Observation:
        kind, _, name = wanted.ref.name.partition("/")
        state = getattr(snapshot, f"{kind}_state")(name)
        if state is None:
            return Absent()
        password = wanted.state.get("password")
        if isinstance(password, Hidden):
            state = {**state, "password": password if self._login(name, password) else Fingerprint("another")}
        return Present(state)

    def _login(self, name: str, password: Hidden) -> bool:
        try:
            self._access.user(self._host, name, password).login()
        except LoginRefused:
            return False
        return True

    def apply(self, action: Action) -> None:
        snapshot = self._see(afresh=False)
        kind, _, name = action.ref.name.partition("/")
        change = _Change(self._keystone, snapshot, self._access.region, self._moving)
        if action.verb == "remove":
            change.remove(kind, name)
        else:
            getattr(change, kind)(name, _without_known_password(action.resource.state, action.found or {}))


def _without_known_password(wanted: State, found: State) -> State:
    """What is to be sent: a password that is set once more, though it is the same, ends its user's tokens."""
    known = "password" in found and same(wanted.get("password", False), found["password"])
    return {key: value for key, value in wanted.items() if not (known and key == "password")}


@dataclass(frozen=True)
class _Snapshot:
    """All of Keystone that matters here, in seven requests; the dictionaries take up what we change."""

    roles: dict[str, Any]
    domains: dict[str, Any]
    projects: dict[str, Any]
    users: dict[str, Any]
    services: dict[str, Any]
    endpoints: dict[str, Any]
    assignments: tuple[Any, ...]

    @classmethod
    def take(cls, keystone: Keystone, region: str) -> _Snapshot:
        services = {each["name"]: each for each in keystone.get("/services")["services"]}
        names = {each["id"]: name for name, each in services.items()}
        domains = {each["name"]: each for each in keystone.get("/domains")["domains"]}
        suffix = {each["id"]: "" if each["id"] == "default" else f"@{name}" for name, each in domains.items()}
        return cls(
            roles={each["name"]: each for each in keystone.get("/roles")["roles"]},
            domains=domains,
            projects={each["name"]: each for each in keystone.get("/projects?domain_id=default")["projects"]},
            users={each["name"] + suffix.get(each["domain_id"], ""): each for each in keystone.get("/users")["users"]},
            services=services,
            endpoints=_endpoints(keystone.get("/endpoints")["endpoints"], names, region),
            assignments=tuple(keystone.get("/role_assignments?include_names=true")["role_assignments"]),
        )

    def role_state(self, name: str) -> dict[str, Value] | None:
        return {} if name in self.roles else None

    def domain_state(self, name: str) -> dict[str, Value] | None:
        found = self.domains.get(name)
        return {"enabled": found["enabled"]} if found else None

    def project_state(self, name: str) -> dict[str, Value] | None:
        found = self.projects.get(name)
        return {"enabled": found["enabled"]} if found else None

    def user_state(self, name: str) -> dict[str, Value] | None:
        found = self.users.get(name)
        if not found:
            return None
        roles = tuple(sorted(self.roles_of(name)))
        return {"enabled": found["enabled"], "roles": roles, NEVER_LOCKED: _never_locked(found)}

    def roles_of(self, user: str) -> list[str]:
        """Roles of a user, each with its scope."""
        known = self.users.get(user, {"id": ""})["id"]
        found = [each for each in self.assignments if each.get("user", {}).get("id") == known]
        return [f"{each['role']['name']}@{_scope(each['scope'])}" for each in found]

    def service_state(self, name: str) -> dict[str, Value] | None:
        found = self.services.get(name)
        return {"type": found["type"], "enabled": found["enabled"]} if found else None

    def endpoint_state(self, name: str) -> dict[str, Value] | None:
        found = self.endpoints.get(name)
        return {"url": found["url"], "enabled": found["enabled"], "region": found["region_id"]} if found else None


def _endpoints(found: list[Any], services: Mapping[str, str], region: str) -> dict[str, Any]:
    """One for each service and interface: that of the region, else one of another, which is to move there."""
    ordered = sorted(found, key=lambda each: (each["region_id"] == region, each["id"]))
    return {f"{services.get(each['service_id'])}/{each['interface']}": each for each in ordered}


def _scope(scope: Mapping[str, Any]) -> str:
    if "project" in scope:
        return str(scope["project"]["name"])
    return "domain " + str(scope["domain"]["name"]) if "domain" in scope else "all"


@dataclass(frozen=True)
class _Change:
    keystone: Keystone
    snapshot: _Snapshot
    region: str
    moving: threading.Lock

    def remove(self, kind: str, name: str) -> None:
        found = getattr(self.snapshot, f"{kind}s").get(name)
        if found:
            self.keystone.send("DELETE", f"/{kind}s/{found['id']}")

    def role(self, name: str, _: Mapping[str, Value]) -> None:
        if name not in self.snapshot.roles:
            self.snapshot.roles[name] = self.keystone.send("POST", "/roles", {"role": {"name": name}})["role"]

    def domain(self, name: str, state: Mapping[str, Value]) -> None:
        self._put("domain", name, {"name": name, "enabled": state["enabled"]})

    def project(self, name: str, state: Mapping[str, Value]) -> None:
        self._put("project", name, {"name": name, "domain_id": "default", "enabled": state["enabled"]})

    def service(self, name: str, state: Mapping[str, Value]) -> None:
        self._put("service", name, {"name": name, "type": state["type"], "enabled": state["enabled"]})

    def endpoint(self, name: str, state: Mapping[str, Value]) -> None:
        service, _, interface = name.partition("/")
        body = {"service_id": self.snapshot.services[service]["id"], "interface": interface, "region_id": self.region}
        former = self.snapshot.endpoints.get(name, {}).get("region_id", self.region)
        if former != self.region:
            self._enter_region()
        self._put("endpoint", name, {**body, "url": state["url"], "enabled": state["enabled"]})
        if former != self.region:
            self._leave_region(former)

    def _enter_region(self) -> None:
        """The first of them was made by the bootstrap; an endpoint moves only into one that is there."""
        with self.moving:
            if not self._is_region(self.region):
                self.keystone.send("POST", "/regions", {"region": {"id": self.region}})

    def _leave_region(self, region: str) -> None:
        """A region in which no endpoint is left goes. Several endpoints move at the same time."""
        with self.moving:
            if self._is_region(region) and not self.keystone.get(f"/endpoints?region_id={region}")["endpoints"]:
                self.keystone.send("DELETE", f"/regions/{region}")

    def _is_region(self, region: str) -> bool:
        return any(each["id"] == region for each in self.keystone.get("/regions")["regions"])

    def user(self, name: str, state: Mapping[str, Value]) -> None:
        """A user as it shall be. One that is given back keeps the password that it got: nobody knows the former."""
        user = self._put_user(name, state)
        wanted = set(_words(state["roles"]))
        present = set(self.snapshot.roles_of(name))
        for method, roles in (("PUT", wanted - present), ("DELETE", present - wanted)):
            for each in sorted(roles):
                self.keystone.send(method, self._assignment(user, each))

    def _put_user(self, name: str, state: Mapping[str, Value]) -> str:
        found = self.snapshot.users.get(name)
        user, _, domain = name.partition("@")
        domain_id = self.snapshot.domains[domain]["id"] if domain else "default"
        wanted = {"name": user, "domain_id": domain_id, "enabled": bool(state["enabled"])}
        wanted |= {"options": {_OPTION: state[NEVER_LOCKED]}} if NEVER_LOCKED in state else {}
        body = _with_password(wanted, state.get("password"))
        path = f"/users/{found['id']}" if found else "/users"
        self.snapshot.users[name] = self.keystone.send("PATCH" if found else "POST", path, body)["user"]
        return str(self.snapshot.users[name]["id"])

    def _assignment(self, user: str, text: str) -> str:
        role, _, scope = text.partition("@")
        role_id = self.snapshot.roles[role]["id"]
        if scope == "all":
            return f"/system/users/{user}/roles/{role_id}"
        if scope.startswith("domain "):
            domain_id = self.snapshot.domains[scope.removeprefix("domain ")]["id"]
            return f"/domains/{domain_id}/users/{user}/roles/{role_id}"
        if scope not in self.snapshot.projects:
            raise HotstackError(f"the project {scope} for the role {role}", "no such project in Keystone")
        return f"/projects/{self.snapshot.projects[scope]['id']}/users/{user}/roles/{role_id}"

    def _put(self, kind: str, name: str, body: dict[str, Any]) -> None:
        known: dict[str, Any] = getattr(self.snapshot, f"{kind}s")
        method, path = ("PATCH", f"/{kind}s/{known[name]['id']}") if name in known else ("POST", f"/{kind}s")
        known[name] = self.keystone.send(method, path, {kind: body})[kind]


def _with_password(user: dict[str, Any], password: Value | None) -> dict[str, Any] | Hidden:
    if not isinstance(password, Hidden):
        return {"user": user}
    return password.in_json({"user": {**user, "password": password}})


def _words(value: Value) -> tuple[str, ...]:
    assert isinstance(value, tuple)
    return tuple(str(each) for each in value)
