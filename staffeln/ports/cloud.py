# SPDX-License-Identifier: Apache-2.0
"""OpenStack, as the workflow needs it."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Generic, Protocol, TypeVar

from staffeln.domain import model, report

T = TypeVar("T", covariant=True)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[T]):
    """One page of a list."""

    items: tuple[T, ...]
    total: int | None = None
    """How many the whole list has, where the service tells."""
    problems: tuple[str, ...] = ()
    """Items of this page that cannot be read, a line with the id each."""


class Cloud(Protocol):
    """Keystone, Nova and Cinder as Staffeln sees them.

    Every call may raise :class:`~staffeln.domain.errors.CloudError` in one
    of its kinds. What is transient is retried inside, within
    ``[openstack] retry_timeout``; except that a create call is sent again
    only where the first one was surely not carried out.

    Lists of servers, volumes and backups are those of all projects, in
    the service's own scope. An iterator of pages makes one call each time
    it is advanced, so the error of a page comes from ``next``.
    """

    @property
    def page_size(self) -> int:
        """How many items a list call asks for."""

    def identity(self) -> model.CloudIdentity:
        """Which cloud this is, by the catalogue and the token."""

    def backup_services(self) -> list[model.BackupService]:
        """The cinder-backup services: a call only administrators may make.

        It is the proof of administrator rights: Cinder silently ignores
        ``all_tenants`` for others.

        :raises NotAdministratorError: the service user may not.
        """

    def time(self) -> datetime.datetime:
        """Cinder's clock, by the Date header of an answer of its own.

        :raises MalformedAnswerError: the header is missing or no date.
        """

    def project(self, project_id: str) -> bool:
        """Whether a project of any domain is enabled.

        :raises NotFoundError: 404 in Keystone's own JSON, which names it.
        :raises ForbiddenError: only administrators may ask.
        """

    def projects(self) -> Mapping[str, bool]:
        """Which projects of all domains are enabled, by id: one call.

        Keystone may cut the list off, and what cannot be read is left
        out: what is absent is proved by :meth:`project` alone.

        :raises ForbiddenError: only administrators may ask.
        """

    def project_list(self) -> report.ProjectList:
        """The projects of all domains with their names: one call.

        :raises ForbiddenError: only administrators may ask.
        """

    def members(
        self, project_id: str, roles: Collection[str]
    ) -> list[report.Member]:
        """Who may be written to about a project, by name.

        Enabled users with an e-mail address who have one of these roles
        (by name, in any case): assigned in the project, in one above it
        and inherited, to them or to a group of theirs, or implied by
        another role. Not the service user, and not who has the role by a
        domain or the system. One call, and one for each user.

        :raises ForbiddenError: only administrators may ask.
        """

    def quotas(self, project_id: str) -> report.Quotas:
        """A project's limits on backups and what is used of them.

        Cinder shows its defaults for projects that it does not know.

        :raises ForbiddenError: only administrators may ask.
        """

    def server_pages(self) -> Iterator[Page[model.Server]]:
        """All servers of all projects."""

    def server(self, server_id: str) -> model.Server:
        """One server, in whatever status; also what no list shows.

        Soft-deleted ones are in no list; one whose cell is down is not
        readable. Nova answers 404 to those who are no administrators for
        every server of other projects.

        :raises NotFoundError: 404 in Nova's own JSON.
        """

    def volume_pages(self) -> Iterator[Page[model.Volume]]:
        """All volumes of all projects; the first page tells the total."""

    def volume(self, volume_id: str) -> model.Volume:
        """One volume. :raises NotFoundError: Cinder does not know it."""

    def backup_pages(
        self, *, status: str | None = None
    ) -> Iterator[Page[model.CloudBackup]]:
        """Backups of all projects, newest first, of one status or of all."""

    def newest_backup(self, offset: int) -> model.CloudBackup | None:
        """The backup with so many newer ones; None: there are not so many.

        One call, answered by one row.
        """

    def backup(self, backup_id: str) -> model.CloudBackup:
        """One backup. :raises NotFoundError: 404 in Cinder's own JSON."""

    def backups_of_volume(
        self, project_id: str, volume_id: str
    ) -> list[model.CloudBackup]:
        """A volume's backups as its project sees them (project scope).

        :raises NoRoleError: the service user has no role there.
        """

    def create_backup(
        self,
        request: model.BackupRequest,
        in_time: Callable[[], bool] = lambda: True,
    ) -> str:
        """Ask for a backup in the volume's project; return Cinder's id.

        :param in_time: asked last, when all is ready to be sent; if not,
            nothing is sent.

        :raises NoAnswerError: it may have been made; look before asking
            again.
        :raises NotSentError: it was surely not made; LateError where it
            was too late for it.
        :raises RefusedError: in one of its kinds, Cinder's answer: 400
            InvalidRequestError, 404 NotFoundError (the volume), 413
            OverQuotaError, 401 and 403 ForbiddenError or NoRoleError.
        """

    def delete_backup(
        self, backup_id: str, in_time: Callable[[], bool] = lambda: True
    ) -> None:
        """Ask for a backup to be deleted (service scope).

        :param in_time: asked last, each time that it is about to be sent;
            if not, nothing is sent: LateError.

        :raises DependentsError: these backups depend on it.
        :raises InvalidRequestError: its state forbids it, or Cinder knows
            of a dependent that no list shows.
        :raises NotFoundError: unknown, or no backup service is up.
        """
