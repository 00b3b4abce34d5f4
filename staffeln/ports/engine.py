# SPDX-License-Identifier: Apache-2.0
"""What makes, follows and removes backups."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from staffeln.domain import model, task


class Engine(Protocol):
    """What makes, follows and removes backups.

    It gets tasks and rows, and returns what the backup system shows; it
    decides nothing and writes nothing.
    """

    def services_up(self) -> int:
        """How many services there are that make backups, enabled and up."""

    def start(
        self,
        work: task.Task,
        deployment_uuid: str,
        in_time: Callable[[], bool] = lambda: True,
    ) -> str:
        """Send the create call of the task's saved attempt.

        :param in_time: asked last before it is sent; if not, it is not.
        :returns: the id of the backup.
        :raises CloudError: as :meth:`Cloud.create_backup`.
        """

    def find(
        self, work: task.Task, deployment_uuid: str
    ) -> Sequence[model.CloudBackup]:
        """Look for what attempts of the task made, the newest first."""

    def ended(
        self,
        backups: Sequence[model.Backup],
        busy_status: str,
        ours: Sequence[datetime.datetime] = (),
    ) -> Mapping[str, model.CloudBackup | None]:
        """Those of our backups that are not ``busy_status`` any more.

        Read from newest-first pages, the list of what is busy, and one
        call each, in whatever mixture takes the fewest calls.

        :param ours: when all our backups were made, from the oldest of
            these on.
        :returns: by backup id; None where Cinder answered 404 for it.
            Backups that could not be read are left out.
        :raises CloudError: a list could not be read.
        """

    def delete(
        self,
        backup: model.Backup,
        in_time: Callable[[], bool] = lambda: True,
    ) -> None:
        """Ask for a backup to be deleted, as :meth:`Cloud.delete_backup`."""

    def look(self, backup_id: str) -> model.CloudBackup | None:
        """One backup; None: one proof that it is not there.

        :raises NotAdministratorError: a 404 that proves nothing.
        """

    def clock(self) -> datetime.datetime:
        """The time by the backup system's own clock, UTC without a zone."""

    def volume_status(self, volume_id: str) -> str | None:
        """A volume's status; None: Cinder does not know the volume.

        :raises NotAdministratorError: a 404 that proves nothing.
        """
