# SPDX-License-Identifier: Apache-2.0
"""Backups of this deployment that have no row, and the rows they get.

Members can write a backup's metadata: it serves to find an orphan. The user
who made it, and what is known of its volume in its project, have to agree.
"""

from __future__ import annotations

import dataclasses
import datetime
import enum
from collections.abc import Iterable, Iterator, Sequence

from staffeln import ports
from staffeln.domain import (
    errors,
    model,
    naming,
    retention,
    selection,
    task,
)
from staffeln.workflow.settings import Settings


class Left(enum.Enum):
    """Why an orphan gets no row now."""

    UNFIT = enum.auto()
    """It does not hold all data."""
    YOUNG = enum.auto()
    """The task that made it may be about to find it."""
    DOUBTFUL = enum.auto()
    """Nothing but its metadata says that it is ours."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Origin:
    """What is known of where an orphan comes from."""

    volume_name: str = ""
    server_id: str = ""
    server_name: str = ""
    retention: str | None = None
    retention_known: bool = False
    promise: str


class Orphans:
    """Decides for each of them what row it gets."""

    def __init__(
        self,
        store: ports.Store,
        cloud: ports.Cloud,
        settings: Settings,
        deployment: model.Deployment,
        now: datetime.datetime,
    ) -> None:
        """:param now: before Cinder was asked for its list."""
        self._store = store
        self._cloud = cloud
        self._settings = settings
        self._identity = deployment.identity
        self._now = now

    def row_of(self, shown: model.CloudBackup) -> model.Backup | Left:
        """The row of an orphan, where all that is known agrees."""
        if shown.status not in model.WHOLE:
            return Left.UNFIT
        age = self._now - shown.created_at
        if age < self._settings.orphan_settle_time:
            return Left.YOUNG
        task_id = naming.task_of(shown.metadata)
        work = self._store.get_task(task_id) if task_id else None
        if work is not None and work.state in task.LIVE:
            # With a row it would not be found, and be made once more.
            return Left.YOUNG
        origin = self._origin(shown, work)
        if origin is None:
            return Left.DOUBTFUL
        return model.Backup(
            id=shown.id,
            project_id=shown.project_id,
            volume_id=shown.volume_id,
            volume_name=origin.volume_name,
            server_id=origin.server_id,
            server_name=origin.server_name,
            task_id=task_id,
            attempt=naming.attempt_of(shown.metadata) or 0,
            state=model.BackupState.AVAILABLE,
            incremental=shown.incremental,
            created_at=shown.created_at,
            completed_at=shown.created_at,
            size=shown.size,
            retention=origin.retention,
            retention_known=origin.retention_known,
            kept_for=origin.promise,
            reason="adopted: it had no row",
        )

    def _origin(
        self, shown: model.CloudBackup, work: task.Task | None
    ) -> _Origin | None:
        """Where an orphan comes from; None: what is known disagrees.

        Rows of the volume that are another project's are somebody else's:
        it was transferred.
        """
        if self._identity is None or shown.user_id != self._identity.user_id:
            return None
        siblings = [
            each
            for each in self._store.backups(volume_id=shown.volume_id)
            if each.project_id == shown.project_id
        ]
        if work is not None:
            return self._by_its_task(shown, work, siblings)
        if siblings:
            return self._by_its_siblings(siblings)
        return self._by_its_volume(shown)

    def _by_its_task(
        self,
        shown: model.CloudBackup,
        work: task.Task,
        siblings: Sequence[model.Backup],
    ) -> _Origin | None:
        if (work.kind, work.project_id, work.volume_id) != (
            task.Kind.BACKUP,
            shown.project_id,
            shown.volume_id,
        ):
            return None
        return _Origin(
            volume_name=work.volume_name,
            server_id=work.server_id,
            server_name=work.server_name,
            retention=self._longest([work.retention, *_values(siblings)]),
            retention_known=True,
            promise=self._promise([work.retention], siblings),
        )

    def _by_its_siblings(self, siblings: Sequence[model.Backup]) -> _Origin:
        """Of the newest whose server was read, or is known at least."""
        like = max(
            siblings,
            key=lambda each: (each.retention_known, bool(each.server_id)),
        )
        return _Origin(
            volume_name=like.volume_name,
            server_id=like.server_id,
            server_name=like.server_name,
            retention=self._longest([None, *_values(siblings)]),
            retention_known=like.retention_known,
            promise=self._promise([], siblings),
        )

    def _by_its_volume(self, shown: model.CloudBackup) -> _Origin | None:
        """Of the server that has the volume now: its value is to govern.

        Where no server has it nobody knows, and ``retention_time`` does.
        """
        try:
            volume = self._cloud.volume(shown.volume_id)
        except errors.CloudError:
            return None
        if volume.project_id != shown.project_id:
            return None
        return _Origin(
            volume_name=volume.name,
            server_id=min(volume.server_ids, default=""),
            promise=self._promise([], []),
        )

    def _promise(
        self,
        values: Sequence[str | None],
        siblings: Sequence[model.Backup],
    ) -> str:
        return retention.promise_of_adopted(
            [*values, *_values(siblings)],
            siblings,
            self._settings.retention,
        )

    def _longest(self, texts: Iterable[str | None]) -> str | None:
        return selection.longest_retention(
            texts, self._settings.retention.retention_time
        )


def _values(rows: Iterable[model.Backup]) -> Iterator[str | None]:
    """What servers said, with the last values that were readable."""
    for row in rows:
        if row.retention_known:
            yield row.retention
            if row.retention_valid is not None:
                yield row.retention_valid
