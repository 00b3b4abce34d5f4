# SPDX-License-Identifier: Apache-2.0
"""Following running backups to their end: a poll round and time-outs."""

from __future__ import annotations

import dataclasses
import datetime
import logging
from collections.abc import Callable, Sequence

from staffeln import ports
from staffeln.domain import durations, errors, model, task
from staffeln.workflow import outcome, record, watch
from staffeln.workflow.clocks import Clocks
from staffeln.workflow.outcome import Outcomes
from staffeln.workflow.settings import Settings

LOG = logging.getLogger(__name__)

CREATING = "creating"
_LOST = frozenset({"error", "error_deleting"})
_LEAVING = "deleting"


@dataclasses.dataclass(frozen=True, slots=True)
class _Verdict:
    """What is to become of a task that ran."""

    work: task.Task
    change: Callable[[model.VolumeRecord | None], ports.Change]
    """Its move, by what is remembered of its volume."""


class Follower:
    """Polls the running backup tasks of one conductor."""

    def __init__(
        self,
        store: ports.Store,
        engine: ports.Engine,
        recorder: record.Recorder,
        outcomes: Outcomes,
        settings: Settings,
        clocks: Clocks,
    ) -> None:
        self._clocks = clocks
        self._time_was_right: bool | None = None
        """Of this round; None: nothing of it depended on that."""
        self._store = store
        self._engine = engine
        self._recorder = recorder
        self._outcomes = outcomes
        self._settings = settings

    def poll(self, now: datetime.datetime) -> int:
        """One round over all running backups; how many tasks it moved.

        :raises CloudError: the list of busy backups could not be read.
        """
        self._time_was_right = None
        moved = self._look_after_overdue()
        verdicts: list[_Verdict] = []
        failure: errors.StoreError | None = None
        for each in watch.running(
            self._store,
            self._engine,
            self._recorder.conductor_id,
            task.Kind.BACKUP,
            CREATING,
        ):
            try:
                verdict = self._judge(each, now)
            except errors.StoreError as error:
                failure = failure or error
            else:
                if verdict is not None:
                    verdicts.append(verdict)
        moved += self._carry_out(verdicts)
        if failure is not None:
            raise failure
        return moved

    def _judge(
        self, each: watch.Watched, now: datetime.datetime
    ) -> _Verdict | None:
        """What is to become of a running task; None: it goes on."""
        if not each.ended:
            return self._going_on(each.work, each.row, now)
        if each.shown is None:
            return self._absent(each.work, each.row, now)
        return self._shown(each.work, each.row, each.shown, now)

    def _carry_out(self, verdicts: Sequence[_Verdict]) -> int:
        """Save them; what is remembered of volumes is read for many."""
        if not verdicts:
            return 0
        kept = self._store.volume_records(
            [each.work.volume_id for each in verdicts]
        )
        return self._recorder.save_all(
            [each.change(kept.get(each.work.volume_id)) for each in verdicts]
        )

    def _look_after_overdue(self) -> int:
        """Free the seats of timed-out backups that Cinder is done with.

        Rare, and everybody's business: the conductor that failed the task
        may be gone.
        """
        overdue = {
            work.backup_id: work.id
            for work in self._store.overdue()
            if work.backup_id
        }
        if not overdue:
            return 0
        rows = self._store.backups(ids=overdue.keys())
        done = overdue.keys() - {row.id for row in rows}
        done |= self._engine.ended(rows, CREATING).keys()
        self._store.free_seats([overdue[each] for each in done])
        return len(done)

    def _going_on(
        self, work: task.Task, row: model.Backup, now: datetime.datetime
    ) -> _Verdict | None:
        """Nothing says that it ended; one 404 of before counts no more."""
        if row.missing_since is not None:
            self._store.note_missing(row, None)
            row = dataclasses.replace(row, missing_since=None)
        return self._time_out(work, row, now)

    def _shown(
        self,
        work: task.Task,
        row: model.Backup,
        shown: model.CloudBackup,
        now: datetime.datetime,
    ) -> _Verdict | None:
        """Record what Cinder shows; what it shows decides."""
        if shown.status in (CREATING, _LEAVING):
            return self._going_on(work, row, now)
        row = dataclasses.replace(
            row,
            incremental=shown.incremental,
            created_at=shown.created_at,
            size=shown.size,
            missing_since=None,
        )
        if shown.status in _LOST:
            return self._lost(work, row, shown, now)
        return _Verdict(
            work, lambda kept: outcome.succeeding(work, row, now, kept)
        )

    def _lost(
        self,
        work: task.Task,
        row: model.Backup,
        shown: model.CloudBackup,
        now: datetime.datetime,
    ) -> _Verdict:
        """An error of Cinder's: the row is to be removed from Cinder."""
        reason = f"backup {row.id} is in {shown.status} status"
        if shown.fail_reason:
            reason += f": {shown.fail_reason}"
        unwanted = _unwanted(row, reason)
        if work.mode is task.Mode.INCREMENTAL:
            return _Verdict(
                work,
                lambda kept: self._outcomes.becoming_full(
                    work, reason, now, kept, unwanted
                ),
            )
        return _failed(work, reason, now, unwanted)

    def _absent(
        self, work: task.Task, row: model.Backup, now: datetime.datetime
    ) -> _Verdict | None:
        """Cinder answered 404: two such answers far apart prove it.

        The row stays as vanished.
        """
        if row.missing_since is None:
            LOG.warning(
                "Backup %s of volume %s: Cinder answers 404; asked again in "
                "%s before it is believed",
                row.id,
                row.volume_id,
                self._settings.absence_settle_time,
            )
            self._store.note_missing(row, now)
            return None
        if now - row.missing_since < self._settings.absence_settle_time:
            return None
        if not self._is_time_right():
            return None
        reason = f"backup {row.id} vanished from Cinder"
        gone = dataclasses.replace(
            row, state=model.BackupState.VANISHED, reason=reason
        )
        return _failed(work, reason, now, gone)

    def _time_out(
        self, work: task.Task, row: model.Backup, now: datetime.datetime
    ) -> _Verdict | None:
        """Fail what runs too long, counted from its call.

        Cinder refuses to delete a backup that is creating: the row becomes
        unwanted, and a delete task tries until it is gone.
        """
        limit = self._settings.backup_cycle_timeout
        began = work.attempted_at or work.created_at
        if now < durations.after(began, limit):
            return None
        if not self._is_time_right():
            return None
        reason = f"timed out: still creating after {limit}"
        unwanted = _unwanted(row, reason)
        return _failed(work, reason, now, unwanted, still_busy=True)

    def _is_time_right(self) -> bool:
        """A clock that jumped must not end what runs, and remove it."""
        if self._time_was_right is None:
            agreed = self._clocks.agreed("No backup is timed out")
            self._time_was_right = agreed is not None
        return self._time_was_right


def _failed(
    work: task.Task,
    reason: str,
    now: datetime.datetime,
    row: model.Backup,
    *,
    still_busy: bool = False,
) -> _Verdict:
    """The end of a task whose backup is of no use."""
    return _Verdict(
        work,
        lambda kept: outcome.failing(
            work, reason, now, kept, backup=row, still_busy=still_busy
        ),
    )


def _unwanted(row: model.Backup, reason: str) -> model.Backup:
    return dataclasses.replace(
        row, state=model.BackupState.UNWANTED, reason=reason
    )
