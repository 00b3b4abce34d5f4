# SPDX-License-Identifier: Apache-2.0
"""An OpenStack cloud: the adapter of :class:`staffeln.ports.Cloud`."""

from __future__ import annotations

import datetime
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping

from staffeln import ports
from staffeln.cloud import (
    block_storage,
    compute,
    identity,
    inspection,
    members,
    projects,
    quotas,
)
from staffeln.cloud.session import CloudSession
from staffeln.cloud.settings import CloudSettings
from staffeln.cloud.wire import Observe
from staffeln.domain import model, report


class OpenStackCloud:
    """Keystone, Nova and Cinder. Nothing is asked before the first call.

    :param stop: set when the process is to end: no call waits for another
        try any more.
    :param observe: told of each HTTP call, see
        :data:`staffeln.cloud.wire.Observe`.
    :param clock: a monotonic clock, in seconds.
    :param wait: waits seconds and tells whether to stop; for tests.
    """

    def __init__(
        self,
        settings: CloudSettings,
        *,
        stop: threading.Event | None = None,
        observe: Observe | None = None,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], bool] | None = None,
    ) -> None:
        self._session = CloudSession(
            settings, stop=stop, observe=observe, clock=clock, wait=wait
        )

    @property
    def page_size(self) -> int:
        """How many items a list call asks for."""
        return self._session.settings.page_size

    @property
    def inspection(self) -> inspection.Inspection:
        """What only somebody wants to know who looks for faults."""
        return inspection.Inspection(self._session)

    def identity(self) -> model.CloudIdentity:
        """Which cloud this is, by the catalogue and the token."""
        return identity.cloud_identity(self._session)

    def backup_services(self) -> list[model.BackupService]:
        """The cinder-backup services, which only administrators see."""
        return block_storage.backup_services(self._session)

    def time(self) -> datetime.datetime:
        """Cinder's clock, UTC without a zone."""
        return block_storage.time(self._session)

    def project(self, project_id: str) -> bool:
        """Whether one project is enabled."""
        return projects.one_project(self._session, project_id)

    def projects(self) -> Mapping[str, bool]:
        """Which projects are enabled, as far as one list tells."""
        return {each.id: each.enabled for each in self.project_list()}

    def project_list(self) -> report.ProjectList:
        """The projects of all domains, as far as one list tells."""
        return projects.all_projects(self._session)

    def members(
        self, project_id: str, roles: Collection[str]
    ) -> list[report.Member]:
        """Who may be written to about a project."""
        return members.members(self._session, project_id, roles)

    def quotas(self, project_id: str) -> report.Quotas:
        """A project's limits on backups."""
        return quotas.quotas(self._session, project_id)

    def server_pages(self) -> Iterator[ports.Page[model.Server]]:
        """All servers of all projects."""
        return compute.server_pages(self._session)

    def server(self, server_id: str) -> model.Server:
        """One server."""
        return compute.one_server(self._session, server_id)

    def volume_pages(self) -> Iterator[ports.Page[model.Volume]]:
        """All volumes of all projects."""
        return block_storage.volume_pages(self._session)

    def volume(self, volume_id: str) -> model.Volume:
        """One volume."""
        return block_storage.one_volume(self._session, volume_id)

    def backup_pages(
        self, *, status: str | None = None
    ) -> Iterator[ports.Page[model.CloudBackup]]:
        """Backups of all projects, newest first."""
        return block_storage.backup_pages(self._session, status)

    def newest_backup(self, offset: int) -> model.CloudBackup | None:
        """The backup with so many newer ones, if there are so many."""
        return block_storage.newest_backup(self._session, offset)

    def backup(self, backup_id: str) -> model.CloudBackup:
        """One backup."""
        return block_storage.one_backup(self._session, backup_id)

    def backups_of_volume(
        self, project_id: str, volume_id: str
    ) -> list[model.CloudBackup]:
        """A volume's backups, in the scope of its project."""
        return block_storage.backups_of_volume(
            self._session, project_id, volume_id
        )

    def create_backup(
        self,
        request: model.BackupRequest,
        in_time: Callable[[], bool] = lambda: True,
    ) -> str:
        """Ask for a backup, in the scope of the volume's project.

        :raises LateError: it was not sent: ``in_time`` said so.
        """
        return block_storage.create_backup(self._session, request, in_time)

    def delete_backup(
        self, backup_id: str, in_time: Callable[[], bool] = lambda: True
    ) -> None:
        """Ask for a backup to be deleted, in the service's scope.

        :raises LateError: it was not sent: ``in_time`` said so.
        """
        block_storage.delete_backup(self._session, backup_id, in_time)
