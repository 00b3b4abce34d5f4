# SPDX-License-Identifier: Apache-2.0
"""What follows when an attempt did not make what was wanted.

Tried again, tried in full instead, postponed, or failed with a reason.
"""

from __future__ import annotations

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
        self,
        work: task.Task,
        reason: str,
        now: datetime.datetime,
        *,
        backup: model.Backup | None = None,
    ) -> None:
        """Plan a full one as the next attempt of a failed incremental.

        :param backup: the row of the incremental, where one was made.
        """
        self._recorder.move(
            work,
            task.State.PLANNED,
            now,
            f"full instead of incremental: {reason}",
            backup=backup,
            record=chain.after_incremental_failure(
                self._record_of(work), self._settings.policy, now
            ),
            mode=task.Mode.FULL,
            backup_id=None,
            not_before=None,
            unsettled=False,
        )

    def fail(
        self,
        work: task.Task,
        reason: str,
        now: datetime.datetime,
        *,
        backup: model.Backup | None = None,
        unsettled: bool = False,
        still_busy: bool = False,
    ) -> None:
        """End a task with a reason; its volume waits longer next time.

        :param backup: the row of what was made, where something was.
        :param unsettled: an attempt may have made something all the same.
        :param still_busy: Cinder goes on with what was made.
        """
        self._recorder.move(
            work,
            task.State.FAILED,
            now,
            reason,
            backup=backup,
            record=chain.after_failure(self._record_of(work), now),
            still_busy=still_busy,
            unsettled=unsettled,
        )

    def _record_of(self, work: task.Task) -> model.VolumeRecord:
        kept = self._store.volume_record(work.volume_id)
        return kept or model.VolumeRecord(
            volume_id=work.volume_id, project_id=work.project_id
        )
