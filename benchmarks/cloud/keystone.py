# SPDX-License-Identifier: Apache-2.0
"""The simulated Keystone: tokens with a catalogue, and who is who."""

from __future__ import annotations

import dataclasses
import datetime
import functools
import json
from collections.abc import Callable, Mapping
from typing import Any

from benchmarks.cloud.behaviour import Behaviour
from benchmarks.cloud.exchange import (
    Answer,
    Fault,
    Request,
    bad_request,
    unauthorized,
)
from benchmarks.cloud.people import DOMAIN, IMPLIED, People, Project, User

_TOKEN_LENGTH = 190
"""Characters; about as long as those of Keystone."""
_HERE = {"id": DOMAIN, "name": "Default"}

OTHER_SERVICES = {
    "image": "glance",
    "network": "neutron",
    "placement": "placement",
    "orchestration": "heat",
    "key-manager": "barbican",
}
"""What catalogues hold besides; nobody answers there."""


@dataclasses.dataclass(frozen=True, slots=True)
class Token:
    """What a token is good for."""

    user_id: str
    project_id: str
    administrator: bool
    expires_at: float
    """Seconds since the epoch."""


class Keystone:
    """Gives tokens and tells who is who.

    :param url: scheme, host and port of all services.
    :param now: the cloud's clock, in seconds since the epoch.
    :param given: told the project's id of each token.
    """

    def __init__(
        self,
        people: People,
        url: str,
        region: str,
        password: str,
        behaviour: Callable[[], Behaviour],
        now: Callable[[], float],
        given: Callable[[str], None],
    ) -> None:
        self._people = people
        self._url = url
        self._region = region
        self._password = password
        self._behaviour = behaviour
        self._now = now
        self._given = given
        self._tokens: dict[str, Token] = {}
        self._serial = 0

    def token(self, request: Request) -> Token:
        """The token that a request carries.

        :raises Fault: none that is good.
        """
        found = self._tokens.get(request.headers.get("x-auth-token", ""))
        if found is None or found.expires_at <= self._now():
            raise unauthorized()
        return found

    def revoke_all(self) -> None:
        """Let no token be good any more."""
        self._tokens.clear()

    def answer(self, request: Request, path: str) -> Answer:
        """:raises Fault: a refusal."""
        parts = path.strip("/").split("/")
        if parts == [""]:
            versions = {"versions": {"values": [self._version()]}}
            return Answer(300, json.dumps(versions).encode())
        if parts == ["v3"]:
            version = {"version": self._version()}
            return Answer(200, json.dumps(version).encode())
        match request.method, parts[1:]:
            case "POST", ["auth", "tokens"]:
                return self._issue(request)
            case "GET", ["projects"]:
                self._administrator(request, "identity:list_projects")
                return self._projects()
            case "GET", ["projects", project_id]:
                self._administrator(request, "identity:get_project")
                return self._project(project_id)
            case "GET", ["users", user_id]:
                self._administrator(request, "identity:get_user")
                return self._user(user_id)
            case "GET", ["role_assignments"]:
                self._administrator(request, "identity:list_role_assignments")
                return self._assignments(request.params())
        raise Fault(404, "error", f"The resource {path} could not be found.")

    # -- tokens --------------------------------------------------------------

    def _issue(self, request: Request) -> Answer:
        auth = request.document("auth")
        user = self._authenticated(auth)
        project = self._scope(auth.get("scope"))
        roles = self._people.roles(user, project)
        if not roles:
            raise Fault(
                401,
                "error",
                f"User {user.id} has no access to project {project.id}",
            )
        self._serial += 1
        text = f"gAAAAA{self._serial:08x}".ljust(_TOKEN_LENGTH, "s")
        issued_at = self._now()
        expires_at = issued_at + self._behaviour().token_lifetime
        self._tokens[text] = Token(
            user.id, project.id, "admin" in roles, expires_at
        )
        self._given(project.id)
        body = {
            **_who_and_where(user, project),
            "methods": ["password"],
            "audit_ids": [f"{self._serial:022x}"],
            "expires_at": _shown(expires_at),
            "issued_at": _shown(issued_at),
            "is_domain": False,
            "roles": [{"id": each, "name": each} for each in sorted(roles)],
            "catalog": [],
        }
        catalogue = self._catalogue.replace("%(project)s", project.id)
        shown = json.dumps({"token": body})
        shown = shown.replace('"catalog": []', f'"catalog": {catalogue}')
        return Answer(201, shown.encode(), (("X-Subject-Token", text),))

    def _authenticated(self, auth: Mapping[str, Any]) -> User:
        """Whose name and password were given."""
        try:
            claimed = auth["identity"]["password"]["user"]
            if "id" in claimed:
                user = self._people.user(claimed["id"])
            else:
                user = self._people.user_named(claimed["name"])
            password = claimed["password"]
        except (KeyError, TypeError):
            raise bad_request("only passwords are simulated") from None
        if user is None or password != self._password or not user.enabled:
            raise unauthorized()
        return user

    def _scope(self, scope: object) -> Project:
        """The project that a token is asked for."""
        wanted = scope.get("project") if isinstance(scope, dict) else None
        if not isinstance(wanted, dict):
            raise bad_request("only scopes of projects are simulated")
        if "id" in wanted:
            found = self._people.project(str(wanted["id"]))
        else:
            found = self._people.project_named(str(wanted.get("name")))
        if found is None:
            raise unauthorized()
        return found

    @functools.cached_property
    def _catalogue(self) -> str:
        """The catalogue, with a mark in the place of the project."""
        places = {
            ("identity", "keystone"): "/identity",
            ("compute", "nova"): "/compute/v2.1",
            ("block-storage", "cinder"): "/volume/v3/%(project)s",
            **{
                (kind, name): f"/{kind}"
                for kind, name in OTHER_SERVICES.items()
            },
        }
        return json.dumps(
            [
                {
                    "endpoints": [
                        {
                            "id": f"{place:024}{number:08}",
                            "interface": interface,
                            "region_id": self._region,
                            "url": self._url + path,
                            "region": self._region,
                        }
                        for number, interface in enumerate(
                            ("public", "internal", "admin")
                        )
                    ],
                    "type": kind,
                    "id": f"{place:032}",
                    "name": name,
                }
                for place, ((kind, name), path) in enumerate(places.items())
            ]
        )

    # -- who is who ----------------------------------------------------------

    def _administrator(self, request: Request, rule: str) -> None:
        if not self.token(request).administrator:
            raise Fault(
                403,
                "error",
                "You are not authorized to perform the requested action: "
                f"{rule}.",
            )

    def _projects(self) -> Answer:
        rows = [_row_of(each) for each in self._people.projects()]
        links = {"next": None, "self": f"{self._url}/identity/v3/projects"}
        return _json({"projects": rows, "links": links})

    def _project(self, project_id: str) -> Answer:
        found = self._people.project(project_id)
        if found is None:
            raise _missing("project", project_id)
        return _json({"project": _row_of(found)})

    def _user(self, user_id: str) -> Answer:
        found = self._people.user(user_id)
        if found is None:
            raise _missing("user", user_id)
        row: dict[str, Any] = {
            "id": found.id,
            "name": found.name,
            "email": found.email,
            "enabled": found.enabled,
            "domain_id": DOMAIN,
            "options": {},
            "password_expires_at": None,
        }
        return _json({"user": row})

    def _assignments(self, params: Mapping[str, str]) -> Answer:
        """The effective assignments of a project, with names."""
        project = self._people.project(params.get("scope.project.id", ""))
        if project is None:
            raise _missing("project", params.get("scope.project.id", ""))
        scope = {
            "project": {
                "domain": _HERE,
                "id": project.id,
                "name": project.name,
            }
        }
        rows = []
        for grant in self._people.grants(project):
            user = self._people.user(grant.user_id)
            assert user is not None
            rows += [
                {
                    "scope": scope,
                    "user": {
                        "domain": _HERE,
                        "id": user.id,
                        "name": user.name,
                    },
                    "role": {"id": role, "name": role},
                    "links": {
                        "assignment": f"{self._url}/identity/v3{grant.path}"
                    },
                }
                for role in (grant.role, *IMPLIED[grant.role])
            ]
        return _json({"role_assignments": rows, "links": {"next": None}})

    def _version(self) -> Mapping[str, Any]:
        return {
            "id": "v3.14",
            "status": "stable",
            "updated": "2020-04-07T00:00:00Z",
            "links": [{"rel": "self", "href": f"{self._url}/identity/v3/"}],
            "media-types": [],
        }


def fault_of(fault: Fault) -> Answer:
    """A refusal as Keystone, and the door of the others, say it."""
    body = {
        "error": {
            "code": fault.status,
            "message": fault.words,
            "title": "Unauthorized" if fault.status == 401 else "Refused",
        }
    }
    return Answer(fault.status, json.dumps(body).encode(), fault.headers)


def _who_and_where(user: User, project: Project) -> Mapping[str, Any]:
    """Whose a token is, and the project it is good for."""
    return {
        "user": {
            "domain": _HERE,
            "id": user.id,
            "name": user.name,
            "password_expires_at": None,
        },
        "project": {
            "domain": _HERE,
            "id": project.id,
            "name": project.name,
        },
    }


def _row_of(project: Project) -> Mapping[str, Any]:
    return {
        "id": project.id,
        "name": project.name,
        "domain_id": DOMAIN,
        "description": "",
        "enabled": True,
        "parent_id": project.parent_id,
        "is_domain": False,
        "tags": [],
        "options": {},
    }


def _json(body: Mapping[str, Any]) -> Answer:
    return Answer(200, json.dumps(body).encode())


def _missing(what: str, its_id: str) -> Fault:
    return Fault(404, "error", f"Could not find {what}: {its_id}.")


def _shown(moment: float) -> str:
    found = datetime.datetime.fromtimestamp(moment, datetime.UTC)
    return found.strftime("%Y-%m-%dT%H:%M:%S.000000Z")
