# SPDX-License-Identifier: Apache-2.0
"""What somebody wants to know who looks for faults; nothing is changed."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from staffeln.cloud import answers
from staffeln.cloud.block_storage import CINDER
from staffeln.cloud.catalogue import Service
from staffeln.cloud.compute import NOVA
from staffeln.cloud.session import CloudSession
from staffeln.domain import errors

_LIST = "/servers/detail"
_LISTED = 50
"""Servers that are listed: some should be of different projects."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """A service that answered."""

    name: str
    url: str
    microversion: str
    """The one that is spoken with it."""
    witnesses: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """Of Nova: a server that it listed, by the project, of some projects."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Who Keystone takes us for, in the scope of the service itself."""

    user_id: str
    project_id: str | None
    """None: the scope is no project."""
    roles: tuple[str, ...]


class Inspection:
    """Looks at single services. Every call may raise CloudError."""

    def __init__(self, session: CloudSession) -> None:
        self._session = session

    def account(self) -> Account:
        """Sign in as the service."""
        access = self._session.service_access()
        return Account(
            user_id=access.user_id,
            project_id=access.project_id,
            roles=access.roles,
        )

    def roles(self, project_id: str) -> tuple[str, ...]:
        """Names of the service user's roles in a project.

        :raises NoRoleError: it has none there.
        """
        return self._session.project_access(project_id).roles

    def nova(self) -> Door:
        """Nova, which shows the servers of all projects.

        :raises NotAdministratorError: it does not list them for us.
        """
        door = self._door(NOVA)
        params = {"all_tenants": 1, "limit": _LISTED}
        try:
            body = self._session.get(NOVA, _LIST, "servers", params)
        except errors.ForbiddenError as error:
            if error.status != 403:
                raise
            raise errors.NotAdministratorError(
                f"the service user has no administrator rights in Nova: "
                f"{error}",
                status=error.status,
                request_id=error.request_id,
            ) from None
        with answers.reading(answers.Asked(NOVA.name, "GET", _LIST)):
            listed = {row["tenant_id"]: row["id"] for row in body["servers"]}
        return dataclasses.replace(door, witnesses=listed)

    def cinder(self) -> Door:
        """Cinder, as its documents describe it."""
        return self._door(CINDER)

    def _door(self, service: Service) -> Door:
        found = self._session.endpoint(service)
        spoken = found.headers.get("OpenStack-API-Version", "")
        return Door(
            name=service.name,
            url=found.url,
            microversion=spoken.rpartition(" ")[2],
        )
