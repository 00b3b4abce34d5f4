# SPDX-License-Identifier: Apache-2.0
"""Backups made by Cinder itself."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping, Sequence

from staffeln import ports
from staffeln.domain import errors, model, naming, task
from staffeln.engines import following


class CinderEngine:
    """Asks Cinder to do the work: an adapter of ports.Engine."""

    def __init__(self, cloud: ports.Cloud) -> None:
        self._cloud = cloud

    def services_up(self) -> int:
        """How many cinder-backup services are enabled and up."""
        services = self._cloud.backup_services()
        return sum(each.enabled and each.up for each in services)

    def start(
        self,
        work: task.Task,
        deployment_uuid: str,
        in_time: Callable[[], bool] = lambda: True,
    ) -> str:
        """Send the create call of the task's saved attempt.

        :param in_time: asked last before it is sent; if not, it is not.
        :raises CloudError: as :meth:`staffeln.ports.Cloud.create_backup`.
        """
        if work.attempted_at is None:
            raise ValueError(f"no attempt of task {work.id} is saved")
        return self._cloud.create_backup(
            model.BackupRequest(
                project_id=work.project_id,
                volume_id=work.volume_id,
                name=naming.backup_name(
                    work.server_name,
                    work.volume_name,
                    work.volume_id,
                    work.attempted_at,
                ),
                incremental=work.mode is task.Mode.INCREMENTAL,
                force=work.volume_status == "in-use",
                metadata=naming.backup_metadata(
                    deployment_uuid, work.id, work.attempt
                ),
            ),
            in_time,
        )

    def find(
        self, work: task.Task, deployment_uuid: str
    ) -> Sequence[model.CloudBackup]:
        """Look for what attempts of the task made, the newest first."""
        found = [
            backup
            for backup in self._cloud.backups_of_volume(
                work.project_id, work.volume_id
            )
            if naming.made_by(backup.metadata, deployment_uuid, work)
        ]
        return sorted(found, key=_age, reverse=True)

    def ended(
        self,
        backups: Sequence[model.Backup],
        busy_status: str,
        ours: Sequence[datetime.datetime] = (),
    ) -> Mapping[str, model.CloudBackup | None]:
        """Those of our backups that are not ``busy_status`` any more.

        :raises CloudError: a list could not be read, or the service user
            is no administrator (its lists would then show too little).
        """
        if not backups:
            return {}
        self._prove_that_all_is_shown()
        return following.Round(self._cloud, backups, busy_status, ours).ended()

    def delete(
        self,
        backup: model.Backup,
        in_time: Callable[[], bool] = lambda: True,
    ) -> None:
        """Ask for a backup to be deleted, unless it is too late for it."""
        self._cloud.delete_backup(backup.id, in_time)

    def look(self, backup_id: str) -> model.CloudBackup | None:
        """One backup; None: one proof that it is not there.

        :raises NotAdministratorError: a 404 that proves nothing.
        """
        try:
            return self._cloud.backup(backup_id)
        except errors.NotFoundError:
            self._prove_that_all_is_shown()
            return None

    def clock(self) -> datetime.datetime:
        """The time by Cinder's clock."""
        return self._cloud.time()

    def volume_status(self, volume_id: str) -> str | None:
        """A volume's status; None: Cinder does not know the volume.

        :raises NotAdministratorError: a 404 that proves nothing.
        """
        try:
            return self._cloud.volume(volume_id).status
        except errors.NotFoundError:
            self._prove_that_all_is_shown()
            return None

    def _prove_that_all_is_shown(self) -> None:
        """To others than administrators Cinder shows one project only.

        It leaves other projects' things out of lists without a word and
        answers 404 for each.
        """
        self._cloud.backup_services()


def _age(backup: model.CloudBackup) -> tuple[int, str]:
    attempt = naming.attempt_of(backup.metadata)
    return (-1 if attempt is None else attempt, str(backup.created_at))
