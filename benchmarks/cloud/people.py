# SPDX-License-Identifier: Apache-2.0
"""Projects, users, and which roles they have where."""

from __future__ import annotations

import dataclasses

from benchmarks.cloud.scenery import Shape

DOMAIN = "default"
SERVICE_USER = "staffeln"
SERVICE_PROJECT = "service"

IMPLIED = {
    "admin": ("manager", "member", "reader"),
    "manager": ("member", "reader"),
    "member": ("reader",),
    "reader": (),
}
"""The roles, and those that come with each."""


@dataclasses.dataclass(frozen=True, slots=True)
class Project:
    """A project."""

    id: str
    name: str
    parent_id: str = DOMAIN
    """The project above, or the domain."""
    service_role: bool = True
    """Whether the service user's role in the domain counts in it."""


@dataclasses.dataclass(frozen=True, slots=True)
class User:
    """A user."""

    id: str
    name: str
    email: str | None
    enabled: bool = True


@dataclasses.dataclass(frozen=True, slots=True)
class Grant:
    """A role that somebody has somewhere."""

    user_id: str
    place: str
    """``projects`` or ``domains``."""
    place_id: str
    role: str
    group_id: str | None = None
    inherited: bool = False
    """It counts in all projects below, not in the place itself."""

    @property
    def path(self) -> str:
        """Where Keystone keeps it."""
        actor = f"users/{self.user_id}"
        if self.group_id:
            actor = f"groups/{self.group_id}"
        path = f"/{self.place}/{self.place_id}/{actor}/roles/{self.role}"
        if self.inherited:
            return f"/OS-INHERIT{path}/inherited_to_projects"
        return path


class People:
    """All of them: those of the shape, and those that were made since."""

    def __init__(self, shape: Shape) -> None:
        self._shape = shape
        self._projects: dict[str, Project] = {}
        self._users: dict[str, User] = {}
        self._grants: list[Grant] = []
        self._groups = 0
        service = Project(
            shape.service_project_id, SERVICE_PROJECT, service_role=False
        )
        self._projects[service.id] = service
        self._users[shape.service_user_id] = User(
            shape.service_user_id,
            SERVICE_USER,
            f"{SERVICE_USER}@cloud.example",
        )
        self._grants += [
            Grant(shape.service_user_id, "projects", service.id, "admin"),
            Grant(
                shape.service_user_id,
                "domains",
                DOMAIN,
                "member",
                inherited=True,
            ),
        ]
        self._ids = {SERVICE_PROJECT: service.id}
        """Of projects and users that are kept, by name."""
        self._user_ids = {SERVICE_USER: shape.service_user_id}

    # -- looking -------------------------------------------------------------

    def project(self, project_id: str) -> Project | None:
        """The project with an id."""
        if project_id in self._projects:
            return self._projects[project_id]
        number = self._shape.number_of("project", project_id)
        if number is None or number >= self._shape.projects:
            return None
        return Project(
            self._shape.project_id(number),
            self._shape.project_name(number),
            service_role=self._shape.has_role(number),
        )

    def projects(self) -> list[Project]:
        """All projects."""
        known = (
            self.project(self._shape.project_id(number))
            for number in range(self._shape.projects)
        )
        return [
            *(each for each in known if each is not None),
            *self._projects.values(),
        ]

    def project_named(self, name: str) -> Project | None:
        """The project with a name."""
        if name in self._ids:
            return self._projects[self._ids[name]]
        number = name.rpartition("-")[2]
        if not number.isdecimal():
            return None
        found = self.project(self._shape.project_id(int(number)))
        return found if found is not None and found.name == name else None

    def user(self, user_id: str) -> User | None:
        """The user with an id."""
        if user_id in self._users:
            return self._users[user_id]
        shape = self._shape
        number = shape.number_of("user", user_id)
        if number is None or number > shape.projects * shape.members:
            return None
        name = f"member-{number:06}"
        return User(user_id, name, f"{name}@people.example")

    def user_named(self, name: str) -> User | None:
        """The user with a name."""
        if name in self._user_ids:
            return self._users[self._user_ids[name]]
        number = name.rpartition("-")[2]
        if not number.isdecimal():
            return None
        found = self.user(self._shape.user_id(int(number)))
        return found if found is not None and found.name == name else None

    def grants(self, project: Project) -> list[Grant]:
        """Every grant that counts in a project, wherever it was made."""
        above, parent = [], project.parent_id
        while parent != DOMAIN:
            above.append(parent)
            parent = self._projects[parent].parent_id
        found = [
            grant
            for grant in self._grants
            if (grant.place_id == project.id and not grant.inherited)
            or (grant.inherited and grant.place_id in (*above, DOMAIN))
        ]
        if not project.service_role:
            service = self._shape.service_user_id
            found = [
                grant
                for grant in found
                if grant.user_id != service or not grant.inherited
            ]
        number = self._shape.number_of("project", project.id)
        members = self._shape.members_of(-1 if number is None else number)
        return found + [
            Grant(self._shape.user_id(each), "projects", project.id, "member")
            for each in members
        ]

    def roles(self, user: User, project: Project) -> set[str]:
        """The roles that a user has in a project, with those implied."""
        return {
            role
            for grant in self.grants(project)
            if grant.user_id == user.id
            for role in (grant.role, *IMPLIED[grant.role])
        }

    # -- changing ------------------------------------------------------------

    def add_project(
        self, name: str, role: bool, parent_id: str | None
    ) -> Project:
        """A new project.

        :param role: whether the service user has one in it.
        """
        number = self._shape.projects + len(self._projects)
        made = Project(
            self._shape.project_id(number), name, parent_id or DOMAIN, role
        )
        self._projects[made.id] = made
        self._ids[name] = made.id
        return made

    def add_user(self, name: str, email: str | None, enabled: bool) -> User:
        """A new user."""
        shape = self._shape
        number = shape.projects * shape.members + len(self._users)
        made = User(shape.user_id(number), name, email, enabled)
        self._users[made.id] = made
        self._user_ids[name] = made.id
        return made

    def grant(
        self,
        user_id: str,
        place: str,
        place_id: str,
        role: str,
        by_group: bool,
        inherited: bool,
    ) -> None:
        """Give a user a role, perhaps as the one user of a new group.

        :raises ValueError: there is no such role.
        """
        if role not in IMPLIED:
            raise ValueError(f"there is no role {role!r}")
        group_id = None
        if by_group:
            self._groups += 1
            group_id = self._shape.id_of("group", self._groups)
        self._grants.append(
            Grant(user_id, place, place_id, role, group_id, inherited)
        )
