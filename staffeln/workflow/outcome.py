# SPDX-License-Identifier: Apache-2.0
"""What follows when an attempt did not make what was wanted.

Tried again, tried in full instead, postponed, or failed with a reason.
"""

from __future__ import annotations

import dataclasses
import datetime

from staffeln import ports
from staffeln.domain import chain, model, plan, task
from staffeln.workflow import record
from staffeln.workflow.settings import Settings

MOST_ATTEMPTS = 10
"""A task that was attempted so often and made nothing is failed."""


class Outcomes:
    """Moves backup tasks on after an attempt, with what is remembered."""

    def __init__(
        self,
        store: ports.Store,
        recorder: record.Recorder,
        settings: Settings,
    ) -> None:
        self._store = store
        self._recorder = recorder
        self._settings = settings

    def again(
        self,
        work: task.Task,
        reason: str,
        now: datetime.datetime,
        *,
        volume_status: str | None = None,
    ) -> None:
        """Plan the next attempt, unless there were too many.

        :param volume_status: Cinder's word for the volume, where it was
            asked again.
        """
        if work.attempt >= MOST_ATTEMPTS:
            self.fail(work, f"{work.attempt} attempts; {reason}", now)
            return
        self._recorder.move(
            work,
            task.State.PLANNED,
            now,
            reason,
            not_before=None,
            volume_status=volume_status or work.volume_status,
            unsettled=False,
        )

    def postpone(
        self, work: task.Task, status: str, now: datetime.datetime
    ) -> None:
        """A busy volume is no failure, however often it is looked at."""
        self._recorder.move(
            work,
            task.State.PLANNED,
            now,
            f"postponed: {plan.wrong_status(work.volume_id, status)}",
            not_before=now + self._settings.policy.failure_backoff,
            unsettled=False,
        )

    def full_instead(
        self, work: task.Task, reason: str, now: datetime.datetime
    ) -> None:
        """Plan a full one as the next attempt of a refused incremental."""
        kept = self._store.volume_record(work.volume_id)
        self._recorder.save(self.becoming_full(work, reason, now, kept))

    def fail(
        self,
        work: task.Task,
        reason: str,
        now: datetime.datetime,
        *,
        unsettled: bool = False,
    ) -> None:
        """End a task with a reason; its volume waits longer next time.

        :param unsettled: an attempt may have made something all the same.
        """
        kept = self._store.volume_record(work.volume_id)
        self._recorder.save(
            failing(work, reason, now, kept, unsettled=unsettled)
        )

    def becoming_full(
        self,
        work: task.Task,
        reason: str,
        now: datetime.datetime,
        kept: model.VolumeRecord | None,
        backup: model.Backup | None = None,
    ) -> ports.Change:
        """The move of a failed incremental to a full attempt.

        :param kept: what is remembered of the volume.
        :param backup: the row of the incremental, where one was made.
        """
        return record.change(
            work,
            task.State.PLANNED,
            now,
            f"full instead of incremental: {reason}",
            backup=backup,
            record=chain.after_incremental_failure(
                kept or _nothing(work), self._settings.policy, now
            ),
            mode=task.Mode.FULL,
            backup_id=None,
            not_before=None,
            unsettled=False,
        )


def failing(
    work: task.Task,
    reason: str,
    now: datetime.datetime,
    kept: model.VolumeRecord | None,
    *,
    backup: model.Backup | None = None,
    unsettled: bool = False,
    still_busy: bool = False,
) -> ports.Change:
    """The move that ends a task with a reason.

    :param kept: what is remembered of the volume.
    :param backup: the row of what was made, where something was.
    :param unsettled: an attempt may have made something all the same.
    :param still_busy: Cinder goes on with what was made.
    """
    return record.change(
        work,
        task.State.FAILED,
        now,
        reason,
        backup=backup,
        record=chain.after_failure(kept or _nothing(work), now),
        still_busy=still_busy,
        unsettled=unsettled,
    )


def succeeding(
    work: task.Task,
    row: model.Backup,
    now: datetime.datetime,
    kept: model.VolumeRecord | None,
) -> ports.Change:
    """The move of a task whose backup is available.

    :param row: the backup as Cinder shows it.
    :param kept: what is remembered of the volume.
    """
    took = now - (work.attempted_at or work.created_at)
    mode = task.Mode.INCREMENTAL if row.incremental else task.Mode.FULL
    better = kept and chain.after_success(kept, bool(row.incremental))
    return record.change(
        work,
        task.State.SUCCEEDED,
        now,
        f"{mode} backup {row.id} is available after "
        f"{int(took.total_seconds())} s",
        backup=dataclasses.replace(
            row,
            state=model.BackupState.AVAILABLE,
            completed_at=now,
            reason="",
        ),
        # Most volumes have no failures that could be forgotten.
        record=None if better == kept else better,
        mode=mode,
    )


def _nothing(work: task.Task) -> model.VolumeRecord:
    """What is remembered of a volume of which nothing was."""
    return model.VolumeRecord(
        volume_id=work.volume_id, project_id=work.project_id
    )
