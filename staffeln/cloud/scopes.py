# SPDX-License-Identifier: Apache-2.0
"""Tokens: one for the service's own scope, one for each project.

A token is kept until shortly before it expires. Of several threads that
need the same one a single thread asks Keystone, the others wait for it.
"""

from __future__ import annotations

import collections
import dataclasses
import threading
from collections.abc import Callable
from typing import Any

from keystoneauth1 import exceptions as ksa
from keystoneauth1 import session as ksa_session
from keystoneauth1.access import service_catalog
from keystoneauth1.identity import base as ksa_identity

from staffeln.cloud import answers, credentials, settings, wire
from staffeln.domain import errors

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
    roles: tuple[str, ...] = ()
    """Names of the roles that the token has in its scope."""


class Scope:
    """The token of one scope, renewed as needed.

    :param refusal_words: what it means when Keystone gives no token.
    """

    _refusal_kind: type[errors.ForbiddenError] = errors.ForbiddenError

    def __init__(
        self,
        plugin: ksa_identity.BaseIdentityPlugin,
        http: ksa_session.Session,
        asked: answers.Asked,
        refusal_words: str,
    ) -> None:
        self._plugin = plugin
        self._http = http
        self._asked = asked
        self._refusal_words = refusal_words
        self._lock = threading.Lock()

    def access(self) -> Access:
        """A token that is good for some minutes at least.

        :raises FailedCall: Keystone refused or was not reached.
        """
        with self._lock:
            return self._access()

    def forget(self) -> None:
        """Get another token for the next call: this one lacks a role."""
        with self._lock:
            self._plugin.invalidate()

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
                roles=tuple(ref.role_names),
            )
        except answers.FailedCall:
            raise
        except (ksa.ClientException, OSError) as error:
            where = wire.origin(self._plugin.auth_url or "")
            failed = answers.from_keystone(error, self._asked, where)
            if isinstance(failed.error, errors.ForbiddenError):
                failed.error = self._refused(failed.error)
            raise failed from error
        except (
            AttributeError,
            LookupError,
            RecursionError,
            TypeError,
            ValueError,
        ) as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: Exception) -> answers.FailedCall:
        """An answer that has the form of a token and is none."""
        self._plugin.invalidate()
        words = f"no token in the answer: {type(error).__name__} {error}"
        return answers.FailedCall(
            errors.NotSentError(self._asked.message(words))
        )

    def _refused(self, error: errors.ForbiddenError) -> errors.ForbiddenError:
        """Keystone's no, with what it is about."""
        return self._refusal_kind(
            f"{self._refusal_words}: {error}",
            status=error.status,
            request_id=error.request_id,
        )


class ProjectScope(Scope):
    """The token of one project; a refusal is remembered for a minute."""

    _refusal_kind = errors.NoRoleError

    def __init__(
        self,
        project_id: str,
        plugin: ksa_identity.BaseIdentityPlugin,
        http: ksa_session.Session,
        asked: answers.Asked,
        clock: Callable[[], float],
        prove_credentials: Callable[[], None],
    ) -> None:
        super().__init__(
            plugin,
            http,
            asked,
            f"no role in project {project_id} (or it is disabled or gone)",
        )
        self._clock = clock
        self._prove_credentials = prove_credentials
        self._refusal: errors.CloudError | None = None
        self._refused_at = 0.0

    def _access(self) -> Access:
        if self._refusal and self._clock() - self._refused_at < REFUSAL_KEPT:
            raise answers.FailedCall(self._refusal)
        self._refusal = None
        try:
            return super()._access()
        except answers.FailedCall as failed:
            if isinstance(failed.error, errors.NoRoleError):
                # Keystone answers a wrong password in the same way.
                self._prove_credentials()
                self._refusal = failed.error
                self._refused_at = self._clock()
            raise


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
        self._service = self._new_service_scope()
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

    def _new_service_scope(self) -> Scope:
        return Scope(
            credentials.service_plugin(self._credentials),
            self._http,
            self._asked,
            "Keystone refuses the service user's credentials "
            f"({self._credentials.source})",
        )

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
            self._new_service_scope().access()
            self._proved_at = now
