# SPDX-License-Identifier: Apache-2.0
"""Removing backups from Cinder: delete tasks from plan to proof.

A refused or lost delete is tried again with growing intervals until Cinder
no longer knows the backup. States are never reset and nothing is ever
deleted by force.
"""

from __future__ import annotations

import dataclasses
import datetime

from staffeln import ports
from staffeln.domain import errors, model, schedule, task
from staffeln.workflow import record, watch
from staffeln.workflow.settings import Settings

_DELETING = "deleting"
_TO_GO = frozenset({model.BackupState.UNWANTED, model.BackupState.DELETING})


class Remover:
    """Carries the claimed delete tasks of one conductor out."""

    def __init__(
        self,
        store: ports.Store,
        engine: ports.Engine,
        recorder: record.Recorder,
        settings: Settings,
    ) -> None:
        self._store = store
        self._engine = engine
        self._recorder = recorder
        self._settings = settings

    def start(self, claimed: task.Task, now: datetime.datetime) -> None:
        """Ask Cinder once to delete the task's backup."""
        work = self._recorder.move(
            claimed,
            task.State.STARTING,
            now,
            f"attempt {claimed.attempt + 1}",
            attempt=claimed.attempt + 1,
            attempted_at=now,
        )
        if work is None:
            return
        row = self._store.get_backup(work.backup_id or "")
        if row is None:
            self._recorder.move(
                work, task.State.SUCCEEDED, now, "its row is gone already"
            )
            return
        if row.state not in _TO_GO:
            self._recorder.move(
                work,
                task.State.SUCCEEDED,
                now,
                f"not removed: its backup is {row.state} again",
            )
            return
        try:
            self._engine.delete(row)
        except errors.NotFoundError:
            self._unknown_to_cinder(work, row, self._store.now())
        except errors.CloudError as error:
            self._later(work, row, str(error), self._store.now())
        else:
            self._recorder.move(
                work,
                task.State.RUNNING,
                self._store.now(),
                "Cinder accepted the delete",
                backup=dataclasses.replace(
                    row,
                    state=model.BackupState.DELETING,
                    missing_since=None,
                ),
            )

    def settle(self, work: task.Task, now: datetime.datetime) -> None:
        """A delete whose caller died: asking again does no harm."""
        self._recorder.move(
            work,
            task.State.PLANNED,
            now,
            "its caller was gone",
            not_before=None,
        )

    def poll(self, now: datetime.datetime) -> int:
        """One round over all accepted deletes; how many tasks it moved.

        :raises CloudError: the list of busy backups could not be read.
        """
        ended = [
            each
            for each in watch.running(
                self._store,
                self._engine,
                self._recorder.conductor_id,
                task.Kind.DELETE,
                _DELETING,
            )
            if each.ended
        ]
        for each in ended:
            if each.shown is None:
                self._gone(each.work, now)
            else:
                reason = f"the delete ended in {each.shown.status} status"
                self._later(each.work, each.row, reason, now)
        return len(ended)

    def _gone(self, work: task.Task, now: datetime.datetime) -> None:
        """An accepted delete and one 404: proof; the row goes."""
        self._recorder.move(
            work,
            task.State.SUCCEEDED,
            now,
            "deleted from Cinder",
            forget_backup=work.backup_id,
        )

    def _unknown_to_cinder(
        self, work: task.Task, row: model.Backup, now: datetime.datetime
    ) -> None:
        """A DELETE that answers 404 proves nothing.

        Cinder answers so as well when no backup service is up. Two GETs
        that answer 404, far enough apart, are needed; the row then stays
        as vanished.
        """
        try:
            shown = self._engine.look(row.id)
        except errors.CloudError as error:
            self._later(work, row, f"Cinder knows no {row.id}: {error}", now)
            return
        if shown is not None:
            row = dataclasses.replace(row, missing_since=None)
            self._later(work, row, "no backup service takes the delete", now)
            return
        settle = self._settings.absence_settle_time
        since = row.missing_since or now
        if row.missing_since is not None and now - since >= settle:
            reason = "Cinder does not know it any more"
            self._recorder.move(
                work,
                task.State.SUCCEEDED,
                now,
                reason,
                backup=dataclasses.replace(
                    row, state=model.BackupState.VANISHED, reason=reason
                ),
            )
            return
        self._recorder.move(
            work,
            task.State.PLANNED,
            now,
            "Cinder answers 404; asked again before it is believed",
            backup=dataclasses.replace(row, missing_since=since),
            not_before=since + settle,
        )

    def _later(
        self,
        work: task.Task,
        row: model.Backup,
        reason: str,
        now: datetime.datetime,
    ) -> None:
        policy = self._settings.policy
        again_at = now + schedule.backoff(
            work.attempt, policy.failure_backoff, policy.failure_backoff_max
        )
        self._recorder.move(
            work,
            task.State.PLANNED,
            now,
            f"{reason}; next try at {schedule.words(again_at)}",
            backup=dataclasses.replace(row, state=model.BackupState.UNWANTED),
            not_before=again_at,
        )
