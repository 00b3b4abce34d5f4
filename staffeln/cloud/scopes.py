# SPDX-License-Identifier: Apache-2.0
"""Tokens: one for the service's own scope, one for each project.

A token is kept until shortly before it expires. Of several threads that
need the same one a single thread asks Keystone, the others wait for it.
"""

from __future__ import annotations

import collections
import dataclasses
import logging
import threading
from collections.abc import Callable
from typing import Any

from keystoneauth1 import exceptions as ksa
from keystoneauth1 import session as ksa_session
from keystoneauth1.access import service_catalog
from keystoneauth1.identity import base as ksa_identity

from staffeln.cloud import answers, credentials, settings, wire
from staffeln.domain import errors

LOG = logging.getLogger(__name__)

PROJECTS_KEPT = 4096
"""Projects whose tokens are kept; the least recently used goes first."""

REFUSAL_KEPT = 60.0
"""Seconds for which Keystone is not asked again after a refusal."""


@dataclasses.dataclass(frozen=True, slots=True)
class Access:
    """What Keystone gave: a token and what it is good for."""

    token: str = dataclasses.field(repr=False)
    user_id: str
    project_id: str | None
    catalogue: service_catalog.ServiceCatalog = dataclasses.field(repr=False)


class Scope:
    """The token of one scope, renewed as needed."""

    def __init__(
        self,
        plugin: ksa_identity.BaseIdentityPlugin,
        http: ksa_session.Session,
        asked: answers.Asked,
    ) -> None:
        self._plugin = plugin
        self._http = http
        self._asked = asked
        self._lock = threading.Lock()

    def access(self) -> Access:
        """A token that is good for some minutes at least.

        :raises FailedCall: Keystone refused or was not reached.
        """
        with self._lock:
            return self._access()

    def renewed(self, refused: str) -> Access:
        """Another token than the one that a service refused."""
        with self._lock:
            known = self._plugin.auth_ref
            if known is not None and known.auth_token == refused:
                self._plugin.invalidate()
            return self._access()

    def _access(self) -> Access:
        try:
            ref: Any = self._plugin.get_access(self._http)
            if getattr(ref, "application_credential_id", None):
                raise answers.FailedCall(
                    errors.ForbiddenError(credentials.NOT_SCOPABLE)
                )
            return Access(
                token=ref.auth_token,
                user_id=ref.user_id,
                project_id=ref.project_id,
                catalogue=ref.service_catalog,
            )
        except answers.FailedCall:
            raise
        except (ksa.ClientException, OSError) as error:
            where = wire.origin(self._plugin.auth_url or "")
            raise answers.from_keystone(error, self._asked, where) from error


class ProjectScope(Scope):
    """The token of one project; a refusal is remembered for a minute."""

    def __init__(
        self,
        project_id: str,
        plugin: ksa_identity.BaseIdentityPlugin,
        http: ksa_session.Session,
        asked: answers.Asked,
        clock: Callable[[], float],
        prove_credentials: Callable[[], None],
    ) -> None:
        super().__init__(plugin, http, asked)
        self._project_id = project_id
        self._clock = clock
        self._prove_credentials = prove_credentials
        self._refusal: answers.FailedCall | None = None
        self._refused_at = 0.0

    def _access(self) -> Access:
        if self._refusal and self._clock() - self._refused_at < REFUSAL_KEPT:
            raise answers.FailedCall(self._refusal.error)
        try:
            access = super()._access()
        except answers.FailedCall as failed:
            if failed.error.status not in {401, 403}:
                raise
            # Keystone answers a wrong password in the same way.
            self._prove_credentials()
            self._refusal = self._no_role(failed.error)
            self._refused_at = self._clock()
            raise self._refusal from None
        self._refusal = None
        return access

    def _no_role(self, error: errors.CloudError) -> answers.FailedCall:
        return answers.FailedCall(
            errors.NoRoleError(
                f"no role in project {self._project_id} (or it is disabled "
                f"or gone): {error}",
                status=error.status,
                request_id=error.request_id,
            )
        )


class Scopes:
    """All scopes of one service user."""

    def __init__(
        self,
        known: settings.Credentials,
        http: ksa_session.Session,
        clock: Callable[[], float],
    ) -> None:
        self._credentials = known
        self._http = http
        self._clock = clock
        self._asked = answers.Asked(
            "Keystone", "POST", "/auth/tokens", known.secrets
        )
        self._service = Scope(
            credentials.service_plugin(known), http, self._asked
        )
        self._projects: collections.OrderedDict[str, ProjectScope] = (
            collections.OrderedDict()
        )
        self._lock = threading.Lock()
        self._proof_lock = threading.Lock()
        self._proved_at: float | None = None

    def service(self) -> Scope:
        """The scope of the credentials themselves: lists and deletes."""
        return self._service

    def of(self, project_id: str | None) -> Scope:
        """The scope of a project; None is the service's own."""
        if project_id is None:
            return self._service
        if self._service.access().project_id == project_id:
            return self._service
        with self._lock:
            scope = self._projects.get(project_id)
            if scope is None:
                scope = ProjectScope(
                    project_id,
                    credentials.project_plugin(self._credentials, project_id),
                    self._http,
                    self._asked,
                    self._clock,
                    self._prove_credentials,
                )
                self._projects[project_id] = scope
            self._projects.move_to_end(project_id)
            while len(self._projects) > PROJECTS_KEPT:
                self._projects.popitem(last=False)
            return scope

    def _prove_credentials(self) -> None:
        """Show that name and password are good, once a minute at most.

        :raises FailedCall: they are not: then no project is to blame.
        """
        with self._proof_lock:
            now = self._clock()
            if (
                self._proved_at is not None
                and now - self._proved_at < REFUSAL_KEPT
            ):
                return
            fresh = Scope(
                credentials.service_plugin(self._credentials),
                self._http,
                self._asked,
            )
            fresh.access()
            self._proved_at = now
